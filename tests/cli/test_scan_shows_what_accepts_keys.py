"""`keysweep scan` reads, shows, and says by its exit code how things are."""

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from local_azure import LocalAzure, RunningClock, Tenant, scenarios
from tests.support.terminal import COMMAND, ROOT, Ran, at_once, environment, here, in_terminal

type Serve = Callable[..., LocalAzure]

SCHEMAS = Path(__file__).parent.parent / "data" / "schemas"


@pytest.fixture(scope="module")
def demo() -> Iterator[LocalAzure]:
    """Serve the demo's tenant to tests that only read."""
    with LocalAzure(
        scenarios.demo(datetime.now(UTC).date()), RunningClock(), graph_lag=0, changes_lag=0
    ) as azure:
        yield azure


@pytest.fixture(scope="module")
def scanned(demo: LocalAzure) -> Ran:
    """Return what one plain `keysweep scan` in a pipe left, for tests that look at it."""
    return here(demo, "scan")


@pytest.fixture(scope="module")
def watched(demo: LocalAzure) -> Ran:
    """Return what one plain `keysweep scan` in a terminal left."""
    return in_terminal(demo, "scan")


def clean_tenant() -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account("keyless", local_auth=False)
    tenant.add_account("excused", local_auth=True, tags={"local-auth-exempt": "until=2099-01-01"})
    return tenant


def test_drift_comes_first_and_the_exit_code_is_1(scanned: Ran) -> None:
    ran = scanned
    states = re.findall(r"^(DRIFT|HELD|EXEMPT)", ran.out, re.MULTILINE)
    assert states == sorted(states, key=["DRIFT", "HELD", "EXEMPT"].index)
    assert "site-search " in ran.out
    assert "Enforcing would hold: 32 changes, brake at 25" in ran.out
    assert ran.code == 1


def test_a_scan_writes_nothing(demo: LocalAzure) -> None:
    here(demo, "scan", "--all")
    assert not demo.writes
    assert {each.method for each in demo.operations if each.host == "arm"} == {"GET", "POST"}
    posts = {each.action for each in demo.operations if each.method == "POST"}
    assert posts == {"Microsoft.ResourceGraph/resources/read"}


def test_nothing_to_do_is_exit_code_0(serve: Serve) -> None:
    ran = here(at_once(serve, clean_tenant()), "scan")
    assert "Enforcing would change nothing." in ran.out
    assert "2 accounts in 1 subscription · 1 compliant · 1 exempt" in ran.out
    assert ran.code == 0


def test_what_cannot_be_read_is_said_and_is_exit_code_2(serve: Serve) -> None:
    tenant = clean_tenant()
    closed = tenant.add_subscription("closed", parent="contoso", hidden_from_graph=True)
    tenant.deny(tenant.team, closed.scope, ["Microsoft.CognitiveServices/*"])
    ran = here(at_once(serve, tenant), "scan")
    assert f"Not seen: subscription {closed.id}" in ran.out
    assert ran.code == 2


def test_json_is_as_its_schema_says_and_counts_what_is_there(demo: LocalAzure) -> None:
    ran = here(demo, "scan", "--output", "json", "--all")
    document = json.loads(ran.out)
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    ids = {each["id"] for each in document["subscriptions"]}
    there = [
        each
        for each in demo.tenant.accounts
        if each.subscription_id in ids and each.kind in {"OpenAI", "AIServices"}
    ]
    assert document["counts"]["accounts"] == len(there)
    assert {each["id"].lower() for each in document["accounts"]} == {e.id.lower() for e in there}
    assert document["counts"]["compliant"] == sum(not each.keys_on for each in there)


def test_sarif_is_as_oasis_says_and_has_a_place_for_every_finding(demo: LocalAzure) -> None:
    log = json.loads(here(demo, "scan", "--output", "sarif").out)
    schema = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(log)
    (run,) = log["runs"]
    on = {"keys-on": 32, "keys-held": 7, "keys-exempt": 11}
    found = [each["ruleId"] for each in run["results"]]
    assert {rule: found.count(rule) for rule in on} == on
    for each in run["results"]:
        (place,) = each["locations"]
        # Code scanning wants a relative path and a line, and tells findings apart by fingerprint.
        assert not place["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
        assert place["physicalLocation"]["region"]["startLine"] == 1
    prints = [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]
    assert len(set(prints)) == len(prints)
    for rule in run["tool"]["driver"]["rules"]:
        # What GitHub's page on SARIF support calls required, and 0.0 to 10.0 for security.
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert 0 < float(rule["properties"]["security-severity"]) <= 10


def test_sarif_tells_a_finding_by_the_same_fingerprint_each_time(demo: LocalAzure) -> None:
    first, second = (
        {
            (finding["ruleId"], *finding["partialFingerprints"].values())
            for finding in json.loads(here(demo, "scan", "-o", "sarif").out)["runs"][0]["results"]
        }
        for _ in range(2)
    )
    assert first == second


def test_csv_has_a_line_for_each_account_that_is_not_compliant(demo: LocalAzure) -> None:
    rows = list(csv.DictReader(io.StringIO(here(demo, "scan", "-o", "csv").out)))
    assert len(rows) == 32 + 7 + 11
    assert rows[0]["verdict"] == "DRIFT"
    assert rows[-1]["verdict"] == "EXEMPT"


def test_a_subscription_narrows_the_scope(demo: LocalAzure) -> None:
    lab = demo.tenant.subscription("contoso-lab").id
    document = json.loads(here(demo, "scan", "-o", "json", "--subscription", lab).out)
    assert [each["id"] for each in document["subscriptions"]] == [lab]


def test_a_management_group_narrows_the_scope(demo: LocalAzure) -> None:
    ran = here(demo, "scan", "-o", "json", "--management-group", "contoso-sandbox")
    names = {each["name"] for each in json.loads(ran.out)["subscriptions"]}
    assert names == {
        each.name for each in demo.tenant.subscriptions.values() if each.parent == "contoso-sandbox"
    } - {"contoso-legacy"}


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_table_fits_the_terminal(demo: LocalAzure, columns: int) -> None:
    ran = in_terminal(demo, "scan", columns=columns)
    lines = re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z])", "", ran.out).split("\r\n")
    lines = [line.rpartition("\r")[2] for line in lines]
    table = lines[next(i for i, line in enumerate(lines) if "account" in line and "why" in line) :]
    assert max(len(line) for line in table) <= columns
    assert "contract-review-test" in "".join(table)


def test_progress_is_for_a_terminal_alone(scanned: Ran, watched: Ran) -> None:
    assert "subscriptions listed" in watched.plain
    assert scanned.err == ""


def test_a_pipe_and_no_color_get_no_escapes(demo: LocalAzure, scanned: Ran, watched: Ran) -> None:
    assert "\x1b" not in scanned.out
    assert "\x1b[1;31m" in watched.out
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", in_terminal(demo, "scan", NO_COLOR="1").out)


def test_a_reader_that_has_had_enough_is_no_error(demo: LocalAzure) -> None:
    line = f"{' '.join(COMMAND)} scan -o json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(  # noqa: S603 - our own command
        ["/bin/bash", "-c", line],
        cwd=ROOT, env=environment(demo), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "{"


def test_verbose_shows_every_request_and_no_token(demo: LocalAzure) -> None:
    ran = here(demo, "scan", "--verbose")
    assert re.search(r"GET 127\.0\.0\.1:\d+/subscriptions 200 \d+ ms", ran.err)
    assert "Bearer" not in ran.err
    assert "eyJ" not in ran.err
