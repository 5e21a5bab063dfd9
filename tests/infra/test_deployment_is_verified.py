"""`verify` says what the newest sweep means, and what to look at where there is none."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.deploy.__main__ import main
from infra.deploy.findings import NOT_YET, TO_MEND, WHOLE, Surroundings, silence_reasons
from infra.deploy.function_app import METRICS_PUBLISHER
from infra.deploy.verification import Clock, look_back, read_duration, read_moment
from shared.core.events import CoverageGap, SettingsRejected, SweepCompleted, SweepStarted
from shared.core.wire import fields_of
from tests.support.azure_cli import AzureCli
from tests.support.deployments import APP, FUNCTIONS, FUNCTIONS_SUBSCRIPTION, LISTED, PassingTime

GROUP_ID = f"/subscriptions/{FUNCTIONS_SUBSCRIPTION}/resourceGroups/rg-keysweep-prod"
COMPONENT = f"{GROUP_ID}/providers/Microsoft.Insights/components/appi-keysweep"
QUERY = "az rest --method post --url https://api.loganalytics.azure.com/v1"
LINE = [
    *("verify", "--subscription", APP.subscription, "--resource-group", APP.resource_group),
    *("--app", APP.name),
]
COLUMNS = (
    *("timestamp", "name", "sweepId", "whole", "reasons", "problems", "problem", "gapName"),
    *("subscriptionsRead", "accounts", "drift"),
)
AT_EIGHT = "2027-03-30T08:00:30.1234567Z"
# It begins when `verify` does.
SWEEP, SWEEP_BEFORE = "20270330T080100Z-1234", "20270330T080000Z-1234"


def row(name: str, at: str = AT_EIGHT, **values: object) -> list[object]:
    """Return a row of the query's answer: empty where nothing is said, as KQL has it."""
    texts = dict.fromkeys(COLUMNS[:8], "")
    said = {"timestamp": at, "name": name, "sweepId": SWEEP, **values}
    return list({**dict.fromkeys(COLUMNS), **texts, **said}.values())


def answer(*rows: list[object]) -> dict[str, object]:
    return {"tables": [{"columns": [{"name": name} for name in COLUMNS], "rows": list(rows)}]}


STARTED = row("SweepStarted")
COMPLETED = row("SweepCompleted", whole="true", subscriptionsRead=4, accounts=9, drift=2)
NOT_WHOLE = row("SweepCompleted", whole="false", subscriptionsRead=3, reasons="contoso-db: NO_ROLE")
NO_ROLE = row("SweepCompleted", whole="false", subscriptionsRead=0, reasons="a gap")
GAP = row("CoverageGap", problem="(AuthorizationFailed) no", gapName="contoso")
OLD_GAP = row("CoverageGap", sweepId=SWEEP_BEFORE, problem="an old one", gapName="contoso")
SWEPT_BEFORE = row("SweepCompleted", sweepId=SWEEP_BEFORE, whole="true", subscriptionsRead=4)
REJECTED = row("SettingsRejected", problems="SWEEP_MODE is 'x'")


@pytest.fixture
def app(cli: AzureCli) -> AzureCli:
    """Have an app with Application Insights, whose function is listed."""
    tags = {"azd-env-name": "prod"}
    identity = {"userAssignedIdentities": {"/id": {"principalId": "p1"}}}
    cli.answer("az functionapp show", {"state": "Running", "tags": tags, "identity": identity})
    components = [{"id": "/another", "tags": {}}, {"id": COMPONENT, "tags": tags}]
    cli.answer("az resource list", components)
    cli.answer("az functionapp config appsettings list", [])
    cli.answer(FUNCTIONS, LISTED)
    role = {"roleDefinitionId": f"/x/{METRICS_PUBLISHER}", "principalId": "p1"}
    cli.answer("az role assignment list", [role])
    return cli


def verify(*options: str, time: PassingTime | None = None) -> int:
    """Run the command."""
    time = time or PassingTime()
    return main([*LINE, *options], {}, Clock(time.now, time.sleep))


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ([STARTED, COMPLETED], WHOLE, "It works"),
        ([STARTED, COMPLETED], WHOLE, "4 subscriptions with 9 accounts"),
        ([STARTED, NOT_WHOLE], TO_MEND, "contoso-db: NO_ROLE"),
        ([OLD_GAP, STARTED, GAP, NO_ROLE], NOT_YET, "contoso: (AuthorizationFailed) no"),
        ([STARTED, NO_ROLE], NOT_YET, "a gap"),
        ([COMPLETED, REJECTED], TO_MEND, "SWEEP_MODE is 'x'"),
        ([STARTED], NOT_YET, "none has ended"),
        # The next one has begun.
        ([STARTED, COMPLETED, STARTED], WHOLE, "It works"),
        ([], TO_MEND, "A sweep should have reported by now"),
    ],
)
def test_what_is_found_is_explained_and_has_an_exit_code(
    app: AzureCli,
    capsys: pytest.CaptureFixture[str],
    rows: list[list[object]],
    code: int,
    said: str,
) -> None:
    app.answer(QUERY, answer(*rows))
    assert verify() == code
    printed = capsys.readouterr().out
    assert said in printed
    assert "an old one" not in printed


def test_a_sweep_that_began_long_ago_and_never_ended_is_to_be_mended(app: AzureCli) -> None:
    app.answer(QUERY, answer(row("SweepStarted", at="2027-03-30T07:31:00Z", sweepId=SWEEP_BEFORE)))
    assert verify() == TO_MEND


@pytest.mark.parametrize(
    ("schedule", "age"),
    [
        ("0 */15 * * * *", timedelta(minutes=55)),
        ("0 0 6 * * *", timedelta(days=1, minutes=40)),
        ("", timedelta(minutes=55)),
        (None, timedelta(days=1, minutes=40)),
    ],
)
def test_an_old_sweep_is_no_sign_of_health(schedule: str | None, age: timedelta) -> None:
    assert look_back(schedule) == age


@pytest.mark.parametrize(
    ("first", "read", "code"),
    [
        ("2027-03-29T08:00:00Z", 0, TO_MEND),
        ("2027-03-29T08:00:00Z", 4, NOT_YET),
        ("2027-03-29T09:00:00Z", 0, NOT_YET),
    ],
)
def test_a_role_that_has_not_arrived_for_a_day_is_to_be_mended(
    app: AzureCli, first: str, read: int, code: int
) -> None:
    id_then = "20270329T080000Z-1234"
    then = row("SweepCompleted", first, sweepId=id_then, whole="false", subscriptionsRead=read)
    app.answer(QUERY, answer(NO_ROLE), answer(then, NO_ROLE))
    assert verify() == code


def test_an_answer_that_was_cut_is_not_known_and_no_health(
    app: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    app.answer(QUERY, {**answer(COMPLETED), "error": {"code": "PartialError"}})
    assert verify() == 1
    assert "PartialError" in capsys.readouterr().err


def test_the_component_of_the_same_environment_is_asked(app: AzureCli) -> None:
    bodies: list[str] = []

    def kept(command: Sequence[str]) -> tuple[int, str]:
        path = command[command.index("--body") + 1].removeprefix("@")
        bodies.append(json.loads(Path(path).read_text())["query"])
        return 0, json.dumps(answer(COMPLETED))

    app.act(QUERY, kept)
    verify()
    assert "datetime(2027-03-30T07:06:00Z)" in bodies[0]
    # Another app may report to it, too.
    assert f"cloud_RoleName =~ '{APP.name}'" in bodies[0]
    (call,) = [call for call in app.calls if " ".join(call).startswith(QUERY)]
    assert call[call.index("--url") + 1].endswith(f"/v1{COMPONENT}/query")
    assert call[call.index("--resource") + 1] == "https://api.loganalytics.io"


@pytest.mark.parametrize(
    ("found", "code", "waits"),
    [
        pytest.param(
            [[], [STARTED], [STARTED, NO_ROLE], [COMPLETED]], WHOLE, 3, id="one that ends"
        ),
        pytest.param([[NOT_WHOLE]], TO_MEND, 0, id="none, for what waiting does not mend"),
        pytest.param([[REJECTED]], TO_MEND, 0, id="none, for settings that are wrong"),
        pytest.param([[]], TO_MEND, 60, id="one that never comes"),
        pytest.param([[SWEPT_BEFORE]], TO_MEND, 60, id="one that begins after the deployment"),
    ],
)
def test_a_pipeline_waits_for_a_sweep(
    app: AzureCli, found: list[list[list[object]]], code: int, waits: int
) -> None:
    app.answer(QUERY, *(answer(*rows) for rows in found))
    time = PassingTime()
    assert verify("--wait", "30m", time=time) == code
    assert time.waits == [30] * waits


def test_a_sweep_that_is_due_later_than_the_limit_is_not_waited_for(
    app: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    daily = [{"name": "SWEEP_SCHEDULE", "value": "0 0 6 * * *"}]
    app.answer("az functionapp config appsettings list", daily)
    app.answer(QUERY, answer())
    time = PassingTime()
    assert verify("--wait", "30m", time=time) == NOT_YET
    assert time.waits == []
    printed = capsys.readouterr().out
    assert "None was due yet. The next sweep is at 2027-03-31 06:00 UTC" in printed


def test_what_can_not_be_read_is_not_known_and_no_health(
    app: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    app.refuse(QUERY, "(InsufficientAccessError) no")
    assert verify() == 1
    reason = capsys.readouterr().err
    assert "Whether it works is not known" in reason
    assert "InsufficientAccessError" in reason


def test_what_else_can_not_be_seen_is_said_too(
    app: AzureCli, capsys: pytest.CaptureFixture[str]
) -> None:
    app.answer(QUERY, answer())
    for command in (FUNCTIONS, "az role assignment list", "az functionapp config appsettings list"):
        app.refuse(command, "(AuthorizationFailed) no")
    assert verify() == TO_MEND
    printed = capsys.readouterr().out
    assert "Whether Azure lists the function could not be seen" in printed
    assert "Whether the app's identity may send telemetry could not be seen" in printed
    assert "When the next sweep is can't be seen" in printed


USUAL = Surroundings(state="Running", is_listed=True, next_sweep="", is_due=True, may_publish=True)


@pytest.mark.parametrize(
    ("around", "said"),
    [
        (replace(USUAL, state="Stopped"), "The app is Stopped"),
        (replace(USUAL, is_listed=False), "does not list the function"),
        (replace(USUAL, may_publish=False), "lacks Monitoring Metrics Publisher"),
    ],
)
def test_silence_says_what_to_look_at(around: Surroundings, said: str) -> None:
    assert said not in " ".join(silence_reasons(USUAL))
    assert said in " ".join(silence_reasons(around))


def test_the_query_names_fields_that_events_have() -> None:
    declared = {
        field.name
        for event in (SweepStarted, SweepCompleted, SettingsRejected, CoverageGap)
        for field in fields_of(event)
    }
    assert set(COLUMNS) - {"timestamp", "name", "sweepId"} <= declared


def test_times_are_read_as_people_write_them() -> None:
    assert read_duration("90s") == timedelta(seconds=90)
    assert read_duration("2h") == timedelta(hours=2)
    assert read_moment("2027-03-30T08:00") == datetime(2027, 3, 30, 8, tzinfo=UTC)
    with pytest.raises(ValueError, match="no time such as"):
        read_duration("half an hour")
    with pytest.raises(ValueError, match="no moment such as"):
        read_moment("yesterday")
