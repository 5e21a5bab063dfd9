"""Each alert is such as Azure takes, stands on one definition, and has its page in the runbook."""

import json
import re
from typing import Any

import pytest
import yaml

from infra.alerts import FILE, written
from tests.support.alert_rules import BY_NAME, calls, span
from tests.support.captured import Captured, captured, naive
from tests.support.queries import ALERTS, ROOT, SCHEDULES, WORKBOOK
from tools.prose import watched_operations

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
BICEP = (ROOT / "infra" / "alerts.bicep").read_text()
GENERAL = [
    "Stop the tool in seconds",
    "Give an application its keys back, and keep them",
    "The first day after deployment",
    "One owner's alerts, and their mail each week",
]
# What Azure allows for a rule that resolves itself: azurerm's checks, and Azure's own page.
_FREQUENCIES = {"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H",
                "PT6H"}  # fmt: skip
_TWO_DAYS = span("P2D")
every_alert = pytest.mark.parametrize("alert", ALERTS, ids=BY_NAME)


def test_the_json_is_what_the_yaml_and_the_one_definition_of_the_reading_make() -> None:
    assert written() == FILE.read_text(), "run `make docs`"


def test_every_part_of_the_yaml_is_used() -> None:
    text = (ROOT / "infra" / "alerts.yaml").read_text()
    for name in yaml.safe_load(text)["parts"]:
        assert f"{{{name}}}" in text


@every_alert
def test_an_alert_says_what_it_is_in_words_that_the_template_knows(alert: dict[str, Any]) -> None:
    assert alert["severity"] in {1, 2, 3}
    assert "threshold" in alert or "measure" in alert
    assert set(alert) <= {"name", "title", "description", "severity", "threshold", "fewer", "each",
                          "target", "measure", "query"}  # fmt: skip


@every_alert
def test_a_query_asks_for_nothing_that_the_template_does_not_fill_in(
    alert: dict[str, Any],
) -> None:
    asked = set(re.findall(r"{([A-Za-z]\w*)}", alert["query"]))
    filled = re.findall(r"^  (\w+): ", BICEP[BICEP.index("var filled") :], re.MULTILINE)
    assert asked <= set(filled)


@every_alert
def test_an_alert_is_as_small_as_azure_wants_it(alert: dict[str, Any]) -> None:
    assert len(alert["query"]) < 32_000
    assert len(alert.get("each", ())) <= 6
    assert len(alert["description"]) < 2_000


@every_alert
def test_a_digest_is_by_subscription_and_nothing_else_is(alert: dict[str, Any]) -> None:
    is_digest = "subscriptionId" in alert.get("each", ())
    assert is_digest == (alert["severity"] == 3)


@every_alert
def test_what_is_about_an_account_has_it_for_a_target(alert: dict[str, Any]) -> None:
    assert ("accountId" in alert.get("each", ())) == (alert.get("target") == "accountId")


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_looked_at_as_azure_allows_and_often_enough(name: str) -> None:
    schedule = SCHEDULES[name]
    assert schedule["frequency"] in _FREQUENCIES
    assert span(schedule["frequency"]) <= span(name)
    quiet = span(schedule["quiet"])
    assert quiet == min(4 * span(name), _TWO_DAYS)


def test_the_schedules_are_those_that_the_parameter_allows() -> None:
    app = json.loads((ROOT / "infra" / "compiled" / "app.json").read_text())
    assert app["parameters"]["alertSweepInterval"]["allowedValues"] == list(SCHEDULES)


# What happened in the month of tools/month.py that somebody would want to know, by hand.
WANTED = {
    "no-sweep": 1,  # A day without sweeps.
    "sweep-failed": 1,  # Settings that were rejected once.
    "changes-failed": 1,  # image-captions, on the last day.
    "change-refused": 2,  # Two accounts of finance-prod, and again when they stood for a day.
    "brake-engaged": 1,  # On the first day of enforcement.
    "drift-high": 0,
    "drift-put-off": 0,
    "drift-old": 2,  # The same two accounts, each for its owner.
    "patch-war": 3,  # contract-review, and again when it had lasted for a day; meeting-notes.
    "coverage-dropped": 2,  # logistics-prod, and lab. Not the one sweep that read nothing.
    "telemetry-lost": 0,
    "exemption-lapses": 2,  # month-end, and later partner-widget.
    # Two subscriptions on the first day; ticket-summary twice; three while there was a rule.
    "tag-unreadable": 7,
}


@pytest.mark.nightly
@pytest.mark.parametrize("name", WANTED)
def test_in_an_eventful_month_an_alert_calls_when_a_person_would_want_it(
    month: Captured, name: str
) -> None:
    envelopes = json.loads(month.file.read_text())
    begin = naive(month.truth.ticks[0].at)
    ended = naive(month.truth.ticks[-1].ended) + span("PT6H")
    made = calls(name, envelopes, "PT6H", ended, begin=begin, deployed=begin)
    assert len(made) == WANTED[name], made


def test_the_month_has_its_wanted_calls_for_each_alert() -> None:
    assert set(WANTED) == set(BY_NAME)


def stays_silent(calm: Captured, name: str) -> None:
    envelopes = json.loads(calm.file.read_text())
    ended = naive(calm.truth.ticks[-1].ended)
    begin = naive(calm.truth.ticks[0].at)
    assert calls(name, envelopes, "PT1H", ended, begin=begin, deployed=begin) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", BY_NAME)
def test_no_alert_fires_in_calm_days_with_a_sweep_an_hour(calm: Captured, name: str) -> None:
    stays_silent(calm, name)


@pytest.mark.nightly
def test_no_alert_fires_in_a_calm_month_with_a_sweep_an_hour(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    calm_month = captured(tmp_path_factory, "calm-month", "--calm")
    for name in BY_NAME:
        stays_silent(calm_month, name)


def test_each_alert_has_its_page_in_the_runbook_and_no_page_is_left_over() -> None:
    pages = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    watched = [alert["title"] for alert in watched_operations()]
    assert pages == [*GENERAL, *(alert["title"] for alert in ALERTS), *watched]
    for page in RUNBOOK.split("\n## ")[len(GENERAL) + 1 :]:
        for part in ("**What it means.**", "**How to look.**", "**What to do.**"):
            assert part in page, page.splitlines()[0]


def test_the_alerts_link_of_each_page_is_the_one_that_readers_of_markdown_make() -> None:
    for text in (BICEP, (ROOT / "infra" / "changes.bicep").read_text()):
        assert "#${toLower(replace(alert.title, ' ', '-'))}" in text
    for alert in (*ALERTS, *watched_operations()):
        assert re.fullmatch(r"[A-Za-z ]+", alert["title"])


def texts(value: Any) -> list[str]:
    """Return every title and label of the workbook, and every column that a query names."""
    match value:
        case dict():
            return [text for inner in value.values() for text in texts(inner)]
        case list():
            return [text for inner in value for text in texts(inner)]
        case str():
            return [value]
        case _:
            return []


# What is in italics and is no view: names of states, of pages here, and of Azure's own pages.
_NO_VIEWS = {
    *("Keysweep", "Invocations", "Updating", "Moving", "Usage and estimated costs", "before"),
    # Steps of a Logic App, and a role.
    *("Recurrence", "HTTP", "Managed identity", "Send an email (V2)", "Monitoring Reader"),
}


def test_the_runbook_names_no_view_that_is_not_there() -> None:
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", RUNBOOK)) - _NO_VIEWS
    named -= {alert["title"] for alert in (*ALERTS, *watched_operations())}
    shown = [text.lower() for text in texts(WORKBOOK)]
    missing = [view for view in named if not any(text.startswith(view.lower()) for text in shown)]
    assert missing == []
