"""`keysweep scan` reads, shows, and says by its exit code how things are."""

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from keysweep.documents import FailOn, GroupBy
from keysweep.scan import Request, scan
from keysweep.words import inert
from shared.core.errors import NoRole, Unclear
from shared.core.model import Turned
from tests.support.builders import NOW, TAG, a_change, an_account
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.schemas import validate
from tests.support.sessions import Person, a_session

ROOT = Path(__file__).parents[3]
BOT = an_account()
PLAIN = Request()
SUBSCRIPTION = BOT.id.subscription_id


def mixed(**more: Any) -> FakeTenant:
    """Return a tenant with an account of every verdict, two of them drifts."""
    return FakeTenant.of(
        an_account("drift", custom_subdomain=None),
        an_account("other"),
        an_account("held", tags={TAG: "until=soon"}),
        an_account("exempt", tags={TAG: "until=2099-01-01; reason=CHG1; owner=a@b.c"}),
        an_account("off", keys_on=False),
        an_account("face", kind="Face"),
        **more,
    )


async def run(
    tenant: FakeTenant,
    output: str = "table",
    request: Request = PLAIN,
    **environ: str,
) -> tuple[int, Person]:
    person = Person()
    session = a_session(tenant, person, environ=environ)
    code = await scan(session, output, request)
    assert not tenant.writes
    return code, person


async def test_the_worst_comes_first_and_the_counts_below() -> None:
    changes = [a_change(Turned.ON, NOW, "drift")]
    code, person = await run(mixed(changes=changes))
    states = re.findall(r"^(DRIFT|HELD|EXEMPT) +(\w+)", person.read, re.MULTILINE)
    assert states == [
        ("DRIFT", "other"), ("DRIFT", "drift"), ("HELD", "held"), ("EXEMPT", "exempt"),
    ]  # fmt: skip
    assert re.search(
        r"^DRIFT +drift .* ann@contoso.com +It has no custom sub", person.read, re.MULTILINE
    )
    assert person.read.count("Its keys are on and no tag exempts it.") == 1
    assert "5 accounts in 1 subscription · 1 compliant · 1 exempt · 1 held · 2 drift" in person.read
    assert "Enforcing would turn keys off on 2 accounts." in person.read
    assert code == 1


async def test_what_the_brake_would_hold_is_foretold() -> None:
    _, person = await run(mixed(), MAX_CHANGES_PER_SWEEP="1")
    assert "A sweep that enforces would hold back all 2 changes: the brake" in person.read


async def test_nothing_to_do_is_exit_code_0() -> None:
    tenant = FakeTenant.of(an_account(tags={TAG: "true"}), an_account("off", keys_on=False))
    code, person = await run(tenant)
    assert "Enforcing would change nothing." in person.read
    assert code == 0


async def test_what_can_not_be_read_is_said_and_is_exit_code_2() -> None:
    tenant = FakeTenant.of(BOT, unshown={SUBSCRIPTION})
    tenant.meanwhile("accounts", SUBSCRIPTION, [an_error(NoRole, 403)] * 2)
    code, person = await run(tenant)
    assert f"Not seen: subscription {SUBSCRIPTION}" in person.read
    assert "You need a role that allows this there, such as Reader;" in person.read
    assert "Enforcing would change nothing of what was seen." in person.read
    assert code == 2


async def test_every_form_says_whose_an_account_is() -> None:
    tenant = mixed(changes=[a_change(Turned.ON, NOW, "other")])
    tenant.change(an_account("drift"), tags={"Team": "web"})
    tenant.groups[SUBSCRIPTION, "rg-chat"] = {"cost": "42"}
    _, table = await run(tenant, OWNER_TAGS="team")
    assert re.search(r"^DRIFT +drift .* web ", table.read, re.MULTILINE)
    assert re.search(r"^EXEMPT .* a@b.c ", table.read, re.MULTILINE)
    assert table.read.count("ann@contoso.com") == 1, "who turned keys on was named as owner, too"
    _, person = await run(tenant, "json", OWNER_TAGS="team")
    accounts = {account["name"]: account for account in json.loads(person.read)["accounts"]}
    assert {name: f"{row['owner']} {row['ownerFrom']}" for name, row in accounts.items()} == {
        "drift": "web account",
        "other": "ann@contoso.com changedBy",
        "held": " ",
        "exempt": "a@b.c exemption",
    }
    assert accounts["exempt"]["exemptionOwner"] == "a@b.c"
    _, person = await run(tenant, "csv", OWNER_TAGS="team")
    (line, *_) = csv.DictReader(io.StringIO(person.read, newline=""))
    assert line["owner"] == "web"
    _, person = await run(tenant, "sarif", OWNER_TAGS="team")
    results = json.loads(person.read)["runs"][0]["results"]
    assert results[0]["properties"] == {"owner": "web", "ownerFrom": "account"}
    assert "properties" not in next(result for result in results if "held" in str(result))


async def test_json_is_as_its_schema_says_and_counts_what_is_there() -> None:
    _, person = await run(mixed(), "json", Request(everything=True))
    document = json.loads(person.read)
    validate(document, "report")
    names = [account["name"] for account in document["accounts"]]
    assert names == ["drift", "other", "held", "exempt", "off"]
    assert document["counts"] == {
        "accounts": 5, "compliant": 1, "exempt": 1, "held": 1, "drift": 2,
    }  # fmt: skip


async def test_all_says_what_arms_list_lacks() -> None:
    tenant = mixed(odd_rows={SUBSCRIPTION: ["/no/id"]})
    code, person = await run(tenant, request=Request(everything=True))
    assert "Not seen: account /no/id: ARM's row lacks what we need" in person.read
    tenant.meanwhile("accounts", SUBSCRIPTION, [an_error(Unclear, 503)])
    code, person = await run(tenant, request=Request(everything=True))
    assert f"Not seen: subscription {SUBSCRIPTION}" in person.read
    assert code == 2


async def test_what_flips_comes_before_what_is_open_for_longer_and_that_before_the_rest() -> None:
    names = ("calm", "older", "war")
    tenant = FakeTenant.of(*map(an_account, names))
    tenant.changes += [
        *(a_change(Turned.ON, NOW - timedelta(hours=hours), "war") for hours in (5, 1)),
        a_change(Turned.OFF, NOW - timedelta(hours=3), "war"),
        a_change(Turned.ON, NOW - timedelta(days=3), "older"),
        a_change(Turned.ON, NOW - timedelta(hours=2), "calm"),
    ]
    _, person = await run(tenant)
    lines = [line.split()[1] for line in person.read.splitlines() if line.startswith("DRIFT ")]
    assert lines == ["war", "older", "calm"]
    assert re.search(r"^DRIFT +war .* 1 h, 3 flips ", person.read, re.MULTILINE)
    assert re.search(r"^DRIFT +older .* 3 days ", person.read, re.MULTILINE)


async def test_a_limit_keeps_the_worst_and_says_how_many_it_cut() -> None:
    _, person = await run(mixed(), "json", Request(limit=2))
    document = json.loads(person.read)
    validate(document, "report")
    assert [account["verdict"] for account in document["accounts"]] == ["DRIFT", "DRIFT"]
    assert document["leftOut"] == 2
    assert "And 2 more accounts" in person.heard


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (GroupBy.SUBSCRIPTION, ["sub"]),
        (GroupBy.OWNER, ["", "a@b.c"]),
        (GroupBy.RESOURCE_GROUP, ["rg-chat (sub)"]),
    ],
)
async def test_groups_come_with_their_counts_the_most_drift_first(
    by: GroupBy, names: list[str]
) -> None:
    _, person = await run(mixed(), "json", Request(group_by=by))
    document = json.loads(person.read)
    validate(document, "report")
    assert [group["name"] for group in document["groups"]] == names
    assert sum(group["accounts"] for group in document["groups"]) == 4
    assert document["groups"][0]["drift"] == 2
    _, person = await run(mixed(), "csv", Request(group_by=by))
    first = next(csv.DictReader(io.StringIO(person.read)))
    assert first["name"] == names[0]
    assert first["drift"] == "2"
    _, person = await run(mixed(), request=Request(group_by=by))
    assert (names[0] or "nobody is known") in person.read


async def test_groups_as_csv_say_what_could_not_be_read() -> None:
    tenant = FakeTenant.of(BOT, unshown={SUBSCRIPTION})
    tenant.meanwhile("accounts", SUBSCRIPTION, [an_error(NoRole, 403)] * 2)
    _, person = await run(tenant, "csv", Request(group_by=GroupBy.OWNER))
    assert f"NOT_SEEN: subscription {SUBSCRIPTION} could not be read" in person.read


@pytest.mark.parametrize(
    ("fail_on", "of_drift", "of_a_gap"),
    [
        ({FailOn.DRIFT}, 1, 0),
        ({FailOn.HELD}, 1, 0),
        ({FailOn.GAPS}, 0, 2),
        (set(), 0, 0),
        (set(FailOn), 1, 2),
    ],
)
async def test_what_ends_with_a_failure_is_what_was_said(
    fail_on: set[FailOn], of_drift: int, of_a_gap: int
) -> None:
    request = Request(fail_on=fail_on)
    code, _ = await run(mixed(), request=request)
    assert code == of_drift
    tenant = FakeTenant.of(BOT, unshown={SUBSCRIPTION})
    tenant.meanwhile("accounts", SUBSCRIPTION, [an_error(NoRole, 403)] * 2)
    code, person = await run(tenant, request=request)
    assert "Not seen: subscription" in person.read, "a gap is said, whatever it counts for"
    assert code == of_a_gap


async def test_csv_has_a_line_for_each_account_that_is_not_compliant() -> None:
    _, person = await run(mixed(), "csv")
    rows = list(csv.DictReader(io.StringIO(person.read)))
    verdicts = [(row["name"], row["verdict"]) for row in rows]
    assert verdicts == [
        ("drift", "DRIFT"), ("other", "DRIFT"), ("held", "HELD"), ("exempt", "EXEMPT"),
    ]  # fmt: skip


async def test_sarif_is_as_oasis_says_and_has_a_place_for_every_finding() -> None:
    _, person = await run(mixed(), "sarif")
    log = json.loads(person.read)
    schema = json.loads((ROOT / "tests/data/schemas/sarif-2.1.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(log)
    (sarif,) = log["runs"]
    rules = [result["ruleId"] for result in sarif["results"]]
    assert rules == ["keys-on", "keys-on", "keys-held", "keys-exempt"]
    for result in sarif["results"]:
        # Code scanning wants a relative path and a line, and tells findings apart by fingerprint.
        (place,) = result["locations"]
        assert not place["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
        assert place["physicalLocation"]["region"]["startLine"] == 1
    prints = {
        result["partialFingerprints"]["primaryLocationLineHash"] for result in sarif["results"]
    }
    assert len(prints) == len(rules)
    for rule in sarif["tool"]["driver"]["rules"]:
        # What GitHub's page on SARIF support calls required, and 0.0 to 10.0 for security.
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert 0 < float(rule["properties"]["security-severity"]) <= 10
    _, again = await run(mixed(), "sarif")
    assert json.loads(again.read)["runs"][0]["results"] == sarif["results"]


EVIL = "\x1b]0;owned\x07\x1b[2J[bold]not markup[/]\u202eevil\r\n"


@pytest.mark.parametrize("output", ["table", "csv", "json", "sarif"])
async def test_what_azure_says_comes_out_inert(output: str) -> None:
    bot = an_account(tags={TAG: f"x={EVIL}"})
    _, person = await run(FakeTenant.of(bot), output)
    for bad in ("\x1b", "\x07", "\u202e"):
        assert bad not in person.read
    assert "not markup" in person.read


def test_what_is_printable_stays_as_it_is() -> None:
    assert inert("Zürich, 東京 ✓") == "Zürich, 東京 ✓"
    assert inert("a\x1b[0m\u202eb\n") == "a\\x1b[0m\\u202eb\\n"
