"""`keysweep undo` of a sweep from the line: what its record says, looked at first, and no more."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_azure import ABSENT, LocalAzure, SeenRequest, Tenant
from local_azure.state.account import PatchForm
from tests.support.terminal import COMMAND, ROOT, at_once, environment, here, in_terminal

type Serve = Callable[..., LocalAzure]

TAG = "local-auth-exempt"
TODAY = datetime.now(UTC).date()
TOMORROW = TODAY + timedelta(days=1)
# A sweep of an hour ago: the change log shows what came after it.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
SWEEP = f"{BEGAN:%Y%m%dT%H%M%SZ}-1f3a9c0d"


def one(name: str = "bot", **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tenant.add_account(name, **{"local_auth": True, **more})
    return tenant


def sweep_now(azure: LocalAzure) -> str:
    """Sweep from the line, and return the sweep's id."""
    ran = here(azure, "sweep", "--yes", "--output", "json")
    return str(json.loads(ran.out)["sweepId"])


def sweep_an_hour_ago(tenant: Tenant, *names: str) -> None:
    """Let the person of the application team have swept these."""
    for number, name in enumerate(names):
        tenant.disable_keys(name, by=tenant.team, at=BEGAN + timedelta(seconds=10 + number))


def record(
    azure: LocalAzure, folder: Path, *names: str, told: bool = True, **head: Any
) -> tuple[str, ...]:
    """Write the record of that sweep; returns the arguments that undo it."""
    tenant = azure.tenant
    lines: list[Mapping[str, Any]] = [
        {
            "record": 1,
            "sweepId": SWEEP,
            "tenant": tenant.id,
            "identity": [tenant.team.name, tenant.team.object_id],
            "exemptionTag": TAG,
            "undo": f"keysweep undo {SWEEP}",
            "at": BEGAN.isoformat(),
            **head,
        }
    ]
    for number, name in enumerate(names):
        account_id = name if name.startswith("/") else tenant.account(name).id
        begun = BEGAN + timedelta(seconds=9 + number)
        lines.append({"begun": account_id, "at": begun.isoformat()})
        if told:
            ended = (begun + timedelta(seconds=4)).isoformat()
            done = {"outcome": account_id, "result": "DISABLED", "accepted": True, "at": ended}
            lines.append(done)
    path = folder / "sweep.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ("undo", SWEEP, "--record", str(path))


def keys_on(azure: LocalAzure) -> set[str]:
    return {each.name for each in azure.tenant.accounts if each.keys_on}


def tags(azure: LocalAzure, name: str = "bot") -> dict[str, str]:
    return azure.tenant.account(name).tags or {}


# What it took


def test_undo_gives_back_what_that_sweep_took_and_exempts_it_for_a_day(serve: Serve) -> None:
    tenant = one("false")
    tenant.add_account("absent", local_auth=ABSENT, tags={"team": "web"})
    tenant.add_account("always-off", local_auth=False)
    azure = at_once(serve, tenant)
    sweep_id = sweep_now(azure)
    assert keys_on(azure) == set()

    ran = here(azure, "undo", sweep_id, "--yes")

    assert keys_on(azure) == {"false", "absent"}
    assert tags(azure, "absent") == {
        "team": "web",
        TAG: f"until={TOMORROW}; reason=undo of sweep {sweep_id}",
    }
    assert tags(azure, "always-off") == {}
    for write in azure.writes:
        if write.body == {"properties": {"disableLocalAuth": False}}:
            assert TAG in write.before.tags
    assert "2 accounts given back." in ran.out
    assert ran.code == 0


def test_an_account_made_anew_while_the_sweep_waited_was_taken_by_it(serve: Serve) -> None:
    azure = at_once(serve, one())
    azure.faults.on(method="GET", path="*/accounts/bot").answer(429, headers={"Retry-After": "2"})
    anew: list[str] = []

    def make_anew(request: SeenRequest) -> None:
        if request.method == "GET" and request.path.lower().endswith("/accounts/bot") and not anew:
            azure.tenant.delete("bot")
            anew.append(azure.tenant.add_account("bot", local_auth=True).id)
            azure.tenant.account("bot").patch = PatchForm.OK_200
            azure.tenant.account("bot").stale_reads = 0

    azure.before(make_anew)
    sweep_id = sweep_now(azure)
    assert anew
    assert keys_on(azure) == set()

    ran = here(azure, "undo", sweep_id, "--yes")

    assert keys_on(azure) == {"bot"}, ran.err
    assert ran.code == 0


@pytest.mark.parametrize("finished", [False, True])
def test_a_sweep_that_may_still_run_is_named(
    serve: Serve, tmp_path: Path, *, finished: bool
) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    azure = at_once(serve, tenant)
    arguments = record(azure, tmp_path, "bot")
    if finished:
        with (tmp_path / "sweep.jsonl").open("a") as file:
            file.write(json.dumps({"finished": True, "whole": True, "at": BEGAN.isoformat()}))

    ran = here(azure, *arguments, "--yes")

    assert ("If it still runs, stop it first" in ran.err) != finished
    assert keys_on(azure) == {"bot"}
    assert ran.code == 0


def test_the_way_back_that_a_sweep_prints_takes_it_back(serve: Serve, tmp_path: Path) -> None:
    tenant = one()
    azure = at_once(serve, tenant)
    subscription = tenant.subscription("contoso-prod").id
    settings = tmp_path / "my settings.json"
    settings.write_text(json.dumps({"Values": {"EXEMPTION_TAG": "keeps-keys"}}))
    kept = tmp_path / "my record.jsonl"
    given = ("--settings", str(settings), "-s", subscription)
    swept = here(azure, "sweep", "--yes", "--record", str(kept), *given)
    printed = re.search(r"To take it back: keysweep (.*)", swept.err.replace("\n", " "))
    assert printed is not None, swept.err

    ran = subprocess.run(  # noqa: S603 - our own command, as a person would paste it
        ["/bin/sh", "-c", f"{sys.executable} -m keysweep {printed[1]} --yes"],
        cwd=ROOT,
        env=environment(azure),
        capture_output=True,
        text=True,
        check=False,
    )

    assert keys_on(azure) == {"bot"}, ran.stderr
    assert set(tags(azure)) == {"keeps-keys"}


def test_an_account_that_was_always_off_and_that_the_sweeper_edited_is_not_touched(
    serve: Serve,
) -> None:
    tenant = one()
    tenant.add_account("keyless", local_auth=False)
    azure = at_once(serve, tenant)
    sweep_id = sweep_now(azure)
    azure.tenant.tag("keyless", {"cost": "4711"})

    here(azure, "undo", sweep_id, "--yes")

    assert keys_on(azure) == {"bot"}
    assert tags(azure, "keyless") == {"cost": "4711"}


def test_a_keyless_account_that_the_sweeper_exempted_is_not_touched(serve: Serve) -> None:
    tenant = one()
    tenant.add_account("keyless", local_auth=False)
    azure = at_once(serve, tenant)
    sweep_id = sweep_now(azure)
    assert here(azure, "exempt", "keyless", "--for", "30d", "--owner", "a@b.c").code == 0
    before = tags(azure, "keyless")

    here(azure, "undo", sweep_id, "--yes")

    assert keys_on(azure) == {"bot"}
    assert tags(azure, "keyless") == before


def test_a_change_that_azure_refused_is_not_taken_back(serve: Serve) -> None:
    tenant = one("locked")
    tenant.add_account("bot", local_auth=True)
    lock = tenant.add_lock(tenant.account("locked").id)
    azure = at_once(serve, tenant)
    sweep_id = sweep_now(azure)
    tenant.locks.remove(lock)

    here(azure, "undo", sweep_id, "--yes")

    assert tags(azure, "locked") == {}


# What it looks at first


def test_keys_that_their_owner_later_switched_off_himself_stay_off(serve: Serve) -> None:
    azure = at_once(serve, one())
    sweep_id = sweep_now(azure)
    owner = azure.tenant.add_principal("bob@contoso.com", kind="User")
    azure.tenant.enable_keys("bot", by=owner)
    azure.tenant.disable_keys("bot", by=owner)
    writes = len(azure.writes)

    ran = here(azure, "undo", sweep_id, "--yes")

    assert len(azure.writes) == writes
    assert "bob@contoso.com turned its keys" in ran.err
    assert ran.code == 1


def test_an_account_that_was_deleted_and_created_again_is_left_alone(serve: Serve) -> None:
    azure = at_once(serve, one())
    sweep_id = sweep_now(azure)
    azure.tenant.delete("bot")
    azure.tenant.add_account("bot", local_auth=False)
    writes = len(azure.writes)

    ran = here(azure, "undo", sweep_id, "--yes")

    assert len(azure.writes) == writes
    assert "created again" in ran.err
    assert ran.code == 1


def test_an_account_that_is_gone_is_said_and_costs_nothing(serve: Serve) -> None:
    azure = at_once(serve, one())
    sweep_id = sweep_now(azure)
    azure.tenant.delete("bot")

    ran = here(azure, "undo", sweep_id, "--yes")

    assert "It is there no more." in ran.err
    assert ran.code == 0


@pytest.mark.parametrize("local_auth", [True, ABSENT], ids=["false", "absent"])
def test_an_exemption_in_force_stays_as_it_is_and_the_keys_go_on(
    serve: Serve, tmp_path: Path, local_auth: Any
) -> None:
    tenant = one(local_auth=local_auth)
    sweep_an_hour_ago(tenant, "bot")
    value = f"until={TODAY + timedelta(days=90)}; reason=CHG1; owner=a@b.c"
    tenant.tag("bot", {TAG: value}, at=BEGAN + timedelta(minutes=20))
    azure = at_once(serve, tenant)

    ran = here(azure, *record(azure, tmp_path, "bot"), "--yes")

    assert keys_on(azure) == {"bot"}, ran.err
    assert tags(azure) == {TAG: value}
    assert "its exemption stays as it is" in ran.err
    assert ran.code == 0


def test_an_exemption_that_was_given_a_moment_ago_is_neither_shortened_nor_replaced(
    serve: Serve,
) -> None:
    azure = at_once(serve, one())
    sweep_id = sweep_now(azure)
    value = f"until={TODAY + timedelta(days=90)}; reason=CHG1; owner=a@b.c"
    azure.tenant.tag("bot", {TAG: value})

    ran = here(azure, "undo", sweep_id, "--yes")

    assert tags(azure) == {TAG: value}
    # The change log can't show yet what that edit was.
    assert "only minutes later" in ran.err
    assert ran.code == 2


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("false", "explicitly"),
        ("no", "explicitly"),
        ("until=2020-01-01; owner=a@b.c", "ended on 2020-01-01"),
        ("until=soon", "can't be read"),
    ],
)
def test_a_tag_that_says_otherwise_is_never_replaced(
    serve: Serve, tmp_path: Path, value: str, says: str
) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    tenant.tag("bot", {TAG: value}, at=BEGAN + timedelta(minutes=20))
    azure = at_once(serve, tenant)

    ran = here(azure, *record(azure, tmp_path, "bot"), "--yes")

    assert not azure.writes
    assert tags(azure) == {TAG: value}
    assert says in ran.err
    assert ran.code == 1


def test_a_no_said_after_the_sweep_is_obeyed(serve: Serve) -> None:
    azure = at_once(serve, one())
    sweep_id = sweep_now(azure)
    azure.tenant.tag("bot", {TAG: "false"})
    writes = len(azure.writes)

    ran = here(azure, "undo", sweep_id, "--yes")

    assert len(azure.writes) == writes
    assert "explicitly" in ran.err
    assert ran.code == 1


def test_a_group_that_exempts_it_is_enough_and_one_that_says_no_is_obeyed(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one("exempt-by-group", group="rg-yes")
    tenant.add_account("refused-by-group", local_auth=True, group="rg-no")
    for name, value in (("rg-yes", "true"), ("rg-no", "false")):
        tenant.add_group(name, tags={TAG: value})
    sweep_an_hour_ago(tenant, "exempt-by-group", "refused-by-group")
    azure = at_once(serve, tenant)
    undo = record(azure, tmp_path, "exempt-by-group", "refused-by-group")

    ran = here(azure, *undo, "--yes", EXEMPTION_INHERIT="resourceGroup")

    assert keys_on(azure) == {"exempt-by-group"}, ran.err
    assert tags(azure, "exempt-by-group") == {}


def test_an_excluded_subscription_and_a_face_account_are_refused_by_name(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one("face", kind="Face")
    tenant.add_subscription("prod", parent="contoso")
    tenant.add_account("bot", subscription="prod", local_auth=True)
    sweep_an_hour_ago(tenant, "face", "bot")
    azure = at_once(serve, tenant)
    prod = tenant.subscription("prod").id

    ran = here(
        azure,
        *record(azure, tmp_path, "face", "bot"),
        "--yes",
        SWEEP_EXCLUDE_SUBSCRIPTIONS=prod,
    )

    assert not azure.writes
    assert "Its kind is Face" in ran.err
    assert f"subscription {prod} is in SWEEP_EXCLUDE_SUBSCRIPTIONS" in ran.err
    assert ran.code == 1


def test_a_scope_on_the_line_bounds_it(serve: Serve, tmp_path: Path) -> None:
    tenant = one("dev")
    tenant.add_subscription("prod", parent="contoso")
    tenant.add_account("bot", subscription="prod", local_auth=True)
    sweep_an_hour_ago(tenant, "dev", "bot")
    azure = at_once(serve, tenant)
    only = ("-s", tenant.subscription("contoso-prod").id)

    ran = here(azure, *record(azure, tmp_path, "dev", "bot"), "--yes", *only)

    assert keys_on(azure) == {"dev"}
    assert "is not in scope" in ran.err


def test_an_edit_that_the_change_log_shows_to_be_none_of_the_keys_is_in_nobodys_way(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one(local_auth=ABSENT)
    sweep_an_hour_ago(tenant, "bot")
    tenant.tag("bot", {"cost": "4711"}, at=BEGAN + timedelta(minutes=20))
    azure = at_once(serve, tenant)

    here(azure, *record(azure, tmp_path, "bot"), "--yes")

    assert keys_on(azure) == {"bot"}


def test_where_neither_azure_nor_the_change_log_can_tell_it_is_left_alone_and_named(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one()
    tenant.add_account("unchanged", local_auth=True)
    sweep_an_hour_ago(tenant, "bot", "unchanged")
    tenant.tag("bot", {"cost": "4711"}, at=BEGAN + timedelta(minutes=20))
    azure = at_once(serve, tenant)
    azure.faults.on(path="*/microsoft.resourcegraph/resources", times=None).answer(
        403, {"error": {"code": "AccessDenied", "message": "No."}}
    )

    ran = here(azure, *record(azure, tmp_path, "bot", "unchanged"), "--yes")

    assert keys_on(azure) == {"unchanged"}
    subscription = tenant.subscription("contoso-prod").id
    assert (
        f"bot (rg-ai, subscription {subscription}) is left alone: It was changed since, and the "
        "change log can't be"
    ) in ran.err
    assert ran.code == 2


def test_a_change_whose_outcome_nobody_was_told_of_needs_proof(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one("done")
    tenant.add_account("by-another", local_auth=True)
    tenant.add_account("never-done", local_auth=True)
    sweep_an_hour_ago(tenant, "done")
    owner = tenant.add_principal("bob@contoso.com", kind="User")
    tenant.disable_keys("by-another", by=owner, at=BEGAN + timedelta(minutes=20))
    azure = at_once(serve, tenant)
    undo = record(azure, tmp_path, "done", "by-another", "never-done", told=False)

    ran = here(azure, *undo, "--yes")

    assert keys_on(azure) == {"done", "never-done"}, ran.err
    assert tags(azure, "by-another") == tags(azure, "never-done") == {}
    assert "bob@contoso.com turned its keys off" in ran.err


# Whose record it is


def test_a_sweep_without_a_record_is_bad_usage_and_says_where_else_to_look(serve: Serve) -> None:
    azure = at_once(serve, one())
    ran = here(azure, "undo", SWEEP, "--yes")
    assert "--insights" in ran.err
    assert "--record" in ran.err
    assert ran.code == 64


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"sweepId": "20200101T000000Z-00000000"}, "about sweep 20200101T000000Z-00000000"),
        ({"tenant": "22222222-2222-4222-8222-222222222222"}, "about tenant 22222222"),
        ({"exemptionTag": "keeps-keys"}, "by the tag 'keeps-keys'"),
        ({"record": 2}, "is not the record of a sweep"),
    ],
)
def test_a_record_of_something_else_is_refused(
    serve: Serve, tmp_path: Path, head: dict[str, Any], says: str
) -> None:
    azure = at_once(serve, one())
    ran = here(azure, *record(azure, tmp_path, "bot", **head), "--yes")
    assert says in " ".join(ran.err.split())
    assert ran.code == 64


def test_the_old_report_is_no_source_any_more(serve: Serve, tmp_path: Path) -> None:
    azure = at_once(serve, one())
    report = tmp_path / "report.json"
    account = {"id": azure.tenant.account("bot").id, "accepted": "false"}
    report.write_text(json.dumps({"sweepId": SWEEP, "accounts": [account]}))
    assert here(azure, "undo", SWEEP, "--yes", "--report", str(report)).code == 64
    assert here(azure, "undo", SWEEP, "--yes", "--record", str(report)).code == 64
    assert not azure.writes


# The plan, and the person before it


def test_the_plan_shows_what_stands_now_beside_what_will_be_done(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one()
    tenant.add_account("on-again", local_auth=True)
    sweep_an_hour_ago(tenant, "bot", "on-again")
    tenant.enable_keys("on-again", at=BEGAN + timedelta(minutes=5))
    azure = at_once(serve, tenant)

    ran = here(azure, *record(azure, tmp_path, "bot", "on-again"), "--dry-run")

    rows = {line.split()[0]: " ".join(line.split()) for line in ran.out.splitlines()[1:] if line}
    since = f"{BEGAN + timedelta(seconds=10):%Y-%m-%d %H:%M:%S}"
    assert rows["bot"] == (
        f"bot rg-ai contoso-prod {since} keys off, no exemption exempt until {TOMORROW}, then "
        "keys on"
    )
    assert rows["on-again"].endswith("keys on, no exemption It accepts keys already.")
    assert not azure.writes
    assert ran.code == 1


def test_undo_without_a_yes_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    azure = at_once(serve, tenant)
    undo = record(azure, tmp_path, "bot")
    asked = in_terminal(azure, *undo, answers={"[y/N]": "n\n"})
    assert f"Exempt 1 account until {TOMORROW} and turn the keys on?" in asked.plain
    assert asked.code == 1
    assert here(azure, *undo).code == 64
    assert not azure.writes


def test_what_happens_while_the_question_stands_is_looked_at_again(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one()
    for name in ("tagged", "refused", "left"):
        tenant.add_account(name, local_auth=True)
    sweep_an_hour_ago(tenant, "bot", "tagged", "refused", "left")
    azure = at_once(serve, tenant)
    value = f"until={TODAY + timedelta(days=90)}; owner=a@b.c"

    def meanwhile() -> str:
        azure.tenant.tag("tagged", {TAG: value})
        azure.tenant.tag("refused", {TAG: "no"})
        azure.tenant.delete("left")
        return "y\n"

    undo = record(azure, tmp_path, "bot", "tagged", "refused", "left")
    ran = in_terminal(azure, *undo, answers={"[y/N]": meanwhile})

    assert keys_on(azure) == {"bot"}
    assert tags(azure, "tagged") == {TAG: value}
    assert tags(azure, "refused") == {TAG: "no"}
    assert ran.code == 2


def test_an_exemption_that_is_taken_away_before_the_keys_keeps_them_off(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    azure = at_once(serve, tenant)
    reads = 0

    def take_away(request: SeenRequest) -> None:
        nonlocal reads
        reads += TAG in tags(azure) and request.method == "GET" and request.path.endswith("/bot")
        if reads == 2:
            azure.tenant.tag("bot", {TAG: None})

    azure.before(take_away)

    ran = here(azure, *record(azure, tmp_path, "bot"), "--yes")

    assert keys_on(azure) == set()
    assert ran.code == 2


def test_one_account_that_cannot_be_given_back_leaves_the_others_done(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one("locked")
    for number in range(12):
        tenant.add_account(f"bot-{number}", local_auth=True)
    names = [account.name for account in tenant.accounts]
    sweep_an_hour_ago(tenant, *names)
    tenant.add_lock(tenant.account("locked").id)
    azure = at_once(serve, tenant)

    ran = here(azure, *record(azure, tmp_path, *names), "--yes")

    assert "ScopeLocked" in ran.err
    assert "12 accounts given back. 1 could not be." in ran.out
    assert keys_on(azure) == set(names) - {"locked"}
    assert ran.code == 2


def test_keys_on_that_ends_in_504_is_read_back(serve: Serve, tmp_path: Path) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    azure = at_once(serve, tenant)
    azure.faults.on(method="PATCH", path="*/accounts/bot").answer(504, after_acting=True)

    ran = here(azure, *record(azure, tmp_path, "bot"), "--yes")

    assert keys_on(azure) == {"bot"}
    assert "1 account given back." in ran.out
    assert ran.code == 0


def test_a_tag_that_ends_in_504_is_read_back_too(serve: Serve, tmp_path: Path) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    azure = at_once(serve, tenant)
    azure.faults.on(method="PATCH", path="*/tags/default").answer(504, after_acting=True)

    assert here(azure, *record(azure, tmp_path, "bot"), "--yes").code == 0
    assert keys_on(azure) == {"bot"}


def test_a_second_run_changes_nothing_more(serve: Serve) -> None:
    azure = at_once(serve, one())
    sweep_id = sweep_now(azure)
    assert here(azure, "undo", sweep_id, "--yes").code == 0
    writes, tagged = len(azure.writes), tags(azure)

    again = here(azure, "undo", sweep_id, "--yes", "--for", "9d")

    assert (len(azure.writes), tags(azure)) == (writes, tagged)
    assert "It accepts keys already." in again.err
    assert again.code == 0


def test_two_at_once_are_harmless(serve: Serve, tmp_path: Path) -> None:
    tenant = one("bot-0")
    for number in range(1, 8):
        tenant.add_account(f"bot-{number}", local_auth=True)
    names = [account.name for account in tenant.accounts]
    sweep_an_hour_ago(tenant, *names)
    azure = at_once(serve, tenant)
    undo = [*COMMAND, *record(azure, tmp_path, *names), "--yes"]

    running = [
        subprocess.Popen(  # noqa: S603 - our own command
            undo,
            cwd=ROOT,
            env=environment(azure),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in running]

    assert keys_on(azure) == set(names), said
    expected = {TAG: f"until={TOMORROW}; reason=undo of sweep {SWEEP}"}
    assert all(tags(azure, name) == expected for name in names)
    assert {process.returncode for process in running} <= {0, 2}


def test_ctrl_c_finishes_what_is_in_hand_and_begins_nothing_more(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one("bot-00")
    for number in range(1, 12):
        tenant.add_account(f"bot-{number:02}", local_auth=True)
    names = [account.name for account in tenant.accounts]
    sweep_an_hour_ago(tenant, *names)
    azure = at_once(serve, tenant)
    tagging = threading.Event()
    azure.before(lambda request: tagging.set() if request.method == "PATCH" else None)
    azure.faults.on(method="PATCH", path="*/tags/default", times=4).hang(1, after_acting=True)

    def interrupt() -> signal.Signals:
        assert tagging.wait(30)
        return signal.SIGINT

    ran = in_terminal(
        azure,
        *record(azure, tmp_path, *names),
        answers={"[y/N]": "y\n", "Giving back": interrupt},
    )

    on = keys_on(azure)
    assert 1 <= len(on) <= 4, ran.plain
    assert on == {name for name in names if TAG in tags(azure, name)}
    assert f"{len(names) - len(on)} accounts not attempted." in ran.plain
    assert ran.code == 1


def test_ctrl_c_ends_a_wait_for_azure_at_once_when_nothing_is_under_way(
    serve: Serve, tmp_path: Path
) -> None:
    tenant = one()
    sweep_an_hour_ago(tenant, "bot")
    azure = at_once(serve, tenant)
    throttled = threading.Event()

    def shut(request: SeenRequest) -> None:
        if request.method == "PATCH":
            throttled.set()

    azure.before(shut)
    azure.faults.on(method="PATCH", times=None).answer(429, None, {"Retry-After": "600"})

    def interrupt() -> signal.Signals:
        assert throttled.wait(30)
        return signal.SIGINT

    ran = in_terminal(
        azure,
        *record(azure, tmp_path, "bot"),
        answers={"[y/N]": "y\n", "Giving back": interrupt},
    )
    assert not azure.writes
    assert tags(azure) == {}
    assert "1 account not attempted." in ran.plain
    assert ran.code == 1


def test_a_record_that_does_not_say_what_was_accepted_is_refused(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, one())
    undo = record(azure, tmp_path, "bot")
    kept = Path(undo[-1])
    kept.write_text(kept.read_text().replace('"accepted": true', '"accepted": "true"'))

    ran = here(azure, *undo, "--yes")

    assert "does not say whether the change" in " ".join(ran.err.split())
    assert not azure.writes
    assert ran.code == 64
