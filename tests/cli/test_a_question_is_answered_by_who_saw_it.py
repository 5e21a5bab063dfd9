"""A question is answered by the person who saw it, and every wait ends when they say stop.

The judge is the server: what was written, and when the command went on without it.
"""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local_azure import LocalAzure, Tenant
from local_azure.log import SeenRequest
from tests.support.terminal import COMMAND, ROOT, Ran, at_once, environment, here, in_terminal

type Serve = Callable[..., LocalAzure]

QUESTION = "[y/N]"
TAG = "local-auth-exempt"


def one(tag: str | None = None, *, local_auth: bool = False) -> Tenant:
    tenant = Tenant.with_one_subscription()
    tags = {"owner": "web"} | ({} if tag is None else {TAG: tag})
    tenant.add_account("bot", local_auth=local_auth, tags=tags)
    return tenant


def said(azure: LocalAzure) -> str | None:
    """Return what the exemption of the bot says now."""
    return (azure.tenant.account("bot").tags or {}).get(TAG)


def in_days(days: int) -> str:
    return f"{datetime.now(UTC).date() + timedelta(days=days)}"


# What was typed before


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [(("sweep",), None), (("exempt", "bot", "--until", "2098-01-01"), "until=2099-01-01")],
)
def test_what_is_typed_before_a_question_is_shown_does_not_answer_it(
    serve: Serve, arguments: tuple[str, ...], tag: str | None
) -> None:
    azure = at_once(serve, one(tag, local_auth=tag is None))
    waiting = threading.Event()
    azure.faults.on(action="Microsoft.ResourceGraph/resources/read").hang(2)
    azure.before(lambda _: waiting.set())

    def hurry() -> str:
        assert waiting.wait(30)
        return "y\ny\n"

    ran = in_terminal(azure, *arguments, answers={"": hurry, QUESTION: "n\n"})
    assert "Nothing was changed." in ran.plain
    assert not azure.writes
    assert ran.code == 1


@pytest.mark.parametrize(
    "arguments", [("sweep",), ("exempt", "bot", "--until", "2098-01-01"), ("undo", "{}")]
)
def test_a_question_that_nobody_would_see_is_not_asked(
    serve: Serve, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    azure = at_once(serve, one("2020-01-01", local_auth=True))
    terminal, theirs = pty.openpty()
    os.write(terminal, b"y\n")
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *(text.format("20261124T090000Z-1f3a9c0d") for text in arguments)],
        cwd=ROOT,
        env=environment(azure, XDG_STATE_HOME=str(tmp_path)),
        stdin=theirs,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    os.close(theirs)
    assert b"Nobody is there to be asked" in done.stderr
    assert done.returncode == 64
    assert not azure.writes


# A tag that is there


def test_old_and_new_are_shown_and_a_no_changes_nothing(serve: Serve) -> None:
    azure = at_once(serve, one("until=2099-03-31; reason=CHG1; owner=a@b.c"))
    ran = in_terminal(azure, "exempt", "bot", "--for", "1d", answers={QUESTION: "n\n"}, columns=200)
    shown = ran.plain.partition(QUESTION)[0]
    assert "'until=2099-03-31; reason=CHG1; owner=a@b.c'" in shown
    assert f"'until={in_days(1)}; reason=CHG1; owner=a@b.c'" in shown
    assert "It ends sooner then." in ran.plain
    assert not azure.writes
    assert ran.code == 1


@pytest.mark.parametrize(
    ("old", "arguments", "new"),
    [
        (
            "until=2099-03-31; reason=CHG1; owner=a@b.c",
            ["--until", "2099-12-31"],
            "until=2099-12-31; reason=CHG1; owner=a@b.c",
        ),
        (
            "until=2099-03-31; reason=CHG1; owner=a@b.c",
            ["--open-ended", "--reason", "CHG2"],
            "reason=CHG2; owner=a@b.c",
        ),
        ("legacy bot", ["--open-ended", "--owner", "a@b.c"], "reason=legacy bot; owner=a@b.c"),
        ("2020-01-01", ["--until", "2099-01-01"], "until=2099-01-01"),
        ("until=2020-01-01; reason=x", ["--until", "2099-01-01"], "until=2099-01-01; reason=x"),
        ("false", ["--until", "2099-01-01"], "until=2099-01-01"),
    ],
)
def test_yes_answers_for_what_takes_nothing_away_and_what_is_not_given_is_kept(
    serve: Serve, old: str, arguments: list[str], new: str
) -> None:
    azure = at_once(serve, one(old))
    nobody = here(azure, "exempt", "bot", *arguments)
    assert "say --yes" in nobody.err
    assert nobody.code == 64
    assert not azure.writes
    done = here(azure, "exempt", "bot", *arguments, "--yes")
    assert done.code == 0, done.err
    assert said(azure) == new


@pytest.mark.parametrize(
    ("old", "arguments", "new"),
    [
        ("until=2099-03-31", ["--until", "2099-03-30"], "until=2099-03-30"),
        ("true", ["--until", "2099-01-01"], "until=2099-01-01"),
        ("legacy bot", ["--until", "2099-01-01"], "until=2099-01-01; reason=legacy bot"),
        ("until=soon; owner=a@b.c", ["--until", "2099-01-01"], "until=2099-01-01"),
    ],
)
def test_yes_alone_takes_nothing_away_from_an_exemption_and_replace_does(
    serve: Serve, old: str, arguments: list[str], new: str
) -> None:
    azure = at_once(serve, one(old))
    refused = here(azure, "exempt", "bot", *arguments, "--yes")
    assert "say --replace" in refused.err
    assert refused.code == 64
    assert said(azure) == old
    assert not azure.writes
    done = here(azure, "exempt", "bot", *arguments, "--replace")
    assert done.code == 0, done.err
    assert said(azure) == new


def test_the_same_exemption_again_is_no_question(serve: Serve) -> None:
    azure = at_once(serve, one())
    for _ in range(2):
        ran = here(azure, "exempt", "bot", "--until", "2099-01-01", "--enable-keys")
        assert ran.code == 0, ran.err
    assert azure.tenant.account("bot").keys_on


def test_what_cannot_be_kept_is_asked_for(serve: Serve) -> None:
    azure = at_once(serve, one("legacy; ask bob"))
    ran = here(azure, "exempt", "bot", "--until", "2099-01-01", "--replace")
    assert "can't be kept as they are: give --reason and --owner." in ran.err
    assert not azure.writes
    assert ran.code == 64
    given = ("--reason", "legacy", "--owner", "bob")
    assert here(azure, "exempt", "bot", "--until", "2099-01-01", "--replace", *given).code == 0
    assert said(azure) == "until=2099-01-01; reason=legacy; owner=bob"


def in_a_group(tag: str) -> Tenant:
    """Return a bot without a tag of its own, in a resource group with one."""
    tenant = Tenant.with_one_subscription()
    tenant.add_group("rg-frozen", tags={TAG: tag})
    tenant.add_account("bot", group="rg-frozen", local_auth=True)
    return tenant


@pytest.mark.parametrize(
    ("group", "new"),
    [
        ("reason=legacy; owner=a@b.c", "until=2099-01-01; reason=legacy; owner=a@b.c"),
        ("until=2099-03-31", "until=2099-01-01"),
    ],
)
def test_yes_alone_ends_no_exemption_of_a_level_above_sooner_and_replace_does(
    serve: Serve, group: str, new: str
) -> None:
    azure = at_once(serve, in_a_group(group))
    inherits = {"EXEMPTION_INHERIT": "true"}
    for answer in ((), ("--yes",)):
        refused = here(azure, "exempt", "bot", "--until", "2099-01-01", *answer, **inherits)
        assert "by the tag of its resourceGroup" in refused.err
        assert "say --replace. It ends sooner then." in refused.err
        assert refused.code == 64
    assert not azure.writes
    done = here(azure, "exempt", "bot", "--until", "2099-01-01", "--replace", **inherits)
    assert done.code == 0, done.err
    assert said(azure) == new


def test_an_exemption_that_outlasts_that_of_its_group_is_no_question(serve: Serve) -> None:
    azure = at_once(serve, in_a_group("until=2098-01-01; reason=legacy"))
    ran = here(azure, "exempt", "bot", "--until", "2099-01-01", EXEMPTION_INHERIT="true")
    assert ran.code == 0, ran.err
    assert said(azure) == "until=2099-01-01; reason=legacy"


def test_a_tag_of_a_group_that_the_settings_pass_over_is_no_question(serve: Serve) -> None:
    azure = at_once(serve, in_a_group("true"))
    assert here(azure, "exempt", "bot", "--until", "2099-01-01").code == 0
    assert said(azure) == "until=2099-01-01"


def test_levels_that_cannot_be_read_may_exempt_it_for_longer(serve: Serve) -> None:
    azure = at_once(serve, in_a_group("true"))
    azure.faults.on(path="*/resourcegroups/rg-frozen", times=None).answer(403)
    for length, code in ((("--until", "2099-01-01"), 64), (("--open-ended",), 0)):
        ran = here(azure, "exempt", "bot", *length, "--yes", EXEMPTION_INHERIT="true")
        assert ran.code == code, ran.err


# What is between the question and the change


def retag(azure: LocalAzure) -> None:
    azure.tenant.tag("bot", {TAG: "until=2099-09-09; owner=colleague"})


def make_anew(azure: LocalAzure) -> None:
    azure.tenant.delete("bot")
    azure.tenant.add_account("bot", local_auth=True, tags={TAG: "2020-01-01"})


def change_kind(azure: LocalAzure) -> None:
    azure.tenant.set_kind("bot", "Face")


@pytest.mark.parametrize("meanwhile", [retag, make_anew, change_kind])
def test_what_changed_while_the_question_stood_is_not_written_over(
    serve: Serve, meanwhile: Callable[[LocalAzure], None]
) -> None:
    azure = at_once(serve, one("2020-01-01"))

    def change_and_agree() -> str:
        meanwhile(azure)
        return "y\n"

    ran = in_terminal(
        azure, "exempt", "bot", "--for", "1d", "--enable-keys",
        answers={QUESTION: change_and_agree},
    )  # fmt: skip
    assert "Nothing" in ran.plain
    assert not azure.writes
    assert ran.code == 2


def test_a_tag_that_a_group_gets_meanwhile_is_not_outdone(serve: Serve) -> None:
    azure = at_once(serve, in_a_group("2020-01-01"))

    def freeze(azure: LocalAzure) -> None:
        tenant = azure.tenant
        tenant.tag_group(tenant.subscription("contoso-prod").groups["rg-frozen"], {TAG: "true"})

    on_the_second_read(azure, freeze)
    ran = here(azure, "exempt", "bot", "--until", "2099-01-01", EXEMPTION_INHERIT="true")
    assert "is not as it was when it was shown. Nothing was sent" in ran.err
    assert not azure.writes
    assert ran.code == 2


def on_the_second_read(azure: LocalAzure, meanwhile: Callable[[LocalAzure], None]) -> None:
    """Let something happen between what is shown of the bot and what is done to it."""
    reads = 0

    def count(request: SeenRequest) -> None:
        nonlocal reads
        reads += request.method == "GET" and request.path.lower().endswith("/accounts/bot")
        if reads == 2:
            reads += 1
            meanwhile(azure)

    azure.before(count)


@pytest.mark.parametrize("arguments", [("--open-ended",), ("--remove",)])
def test_a_tag_that_comes_or_changes_meanwhile_is_left_as_it_is(
    serve: Serve, arguments: tuple[str, ...]
) -> None:
    azure = at_once(serve, one("true" if "--remove" in arguments else None))
    on_the_second_read(azure, retag)
    ran = here(azure, "exempt", "bot", *arguments)
    assert "until=2099-09-09; owner=colleague" in ran.err
    assert said(azure) == "until=2099-09-09; owner=colleague"
    assert not azure.writes
    assert ran.code == 2


def test_an_account_made_anew_after_it_was_tagged_gets_no_keys(serve: Serve) -> None:
    azure = at_once(serve, one())
    reads = 0

    def replace_it(request: SeenRequest) -> None:
        nonlocal reads
        tagged = said(azure) is not None
        reads += tagged and request.method == "GET" and request.path.endswith("/accounts/bot")
        if reads == 2:
            reads += 1
            tags = dict(azure.tenant.account("bot").tags or {})
            azure.tenant.delete("bot")
            azure.tenant.add_account("bot", local_auth=False, tags=tags)

    azure.before(replace_it)
    ran = here(azure, "exempt", "bot", "--open-ended", "--enable-keys")
    assert "deleted and created again" in ran.err
    assert not azure.tenant.account("bot").keys_on
    assert ran.code == 2


# Keys that are turned on, and no answer


@pytest.mark.parametrize(("status", "does"), [(504, "it"), (500, "it"), (504, "nothing")])
def test_keys_on_without_an_answer_is_read_back(serve: Serve, status: int, does: str) -> None:
    azure = at_once(serve, one())
    azure.faults.on(method="PATCH", action="Microsoft.CognitiveServices/accounts/write").answer(
        status, "<html>gateway</html>", after_acting=does == "it"
    )
    ran = here(azure, "exempt", "bot", "--open-ended", "--enable-keys")
    if does == "it":
        assert "accepts keys again" in ran.out
        assert ran.code == 0, ran.err
    else:
        assert "accepts keys again" not in ran.out
        assert "keys read off" in ran.err
        assert ran.code == 2
    assert azure.tenant.account("bot").keys_on == (does == "it")


@pytest.mark.parametrize("status", [403, 409])
def test_what_was_done_before_something_is_refused_is_said(serve: Serve, status: int) -> None:
    azure = at_once(serve, one())
    azure.faults.on(method="PATCH", action="Microsoft.CognitiveServices/accounts/write").answer(
        status, {"error": {"code": "No", "message": "No."}}
    )
    ran = here(azure, "exempt", "bot", "--open-ended", "--enable-keys")
    assert "The tag: done; turning keys on: not begun." in ran.err
    assert said(azure) == "true"
    assert ran.code == 2


# Waits


def throttle(azure: LocalAzure, action: str, seconds: int, **more: Any) -> threading.Event:
    """Let Azure refuse what is asked and say when to come back; return what tells that it did."""
    refused = threading.Event()
    azure.faults.on(action=action, times=None, **more).answer(
        429,
        {"error": {"code": "TooManyRequests", "message": "Slow down."}},
        {"Retry-After": str(seconds)},
    )
    azure.before(lambda request: refused.set() if request.action == action else None)
    return refused


TAGS = "Microsoft.Resources/tags/write"
WRITE = "Microsoft.CognitiveServices/accounts/write"


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        (TAGS, ("exempt", "bot", "--open-ended")),
        (WRITE, ("exempt", "bot", "--open-ended", "--enable-keys")),
    ],
)
def test_a_retry_after_that_outlasts_the_time_is_said_at_once(
    serve: Serve, action: str, arguments: tuple[str, ...]
) -> None:
    azure = at_once(serve, one())
    throttle(azure, action, 3600)
    ran = here(azure, *arguments)
    assert re.search(r"The wait is 3(600|599) s", ran.err)
    assert ran.code == 2
    assert (said(azure) is None) == (action == TAGS)
    assert not azure.tenant.account("bot").keys_on


def stopped(
    azure: LocalAzure, refused: threading.Event, stop: signal.Signals, *arguments: str, at: str = ""
) -> tuple[Ran, float]:
    """Send a signal once Azure has refused something; return how long the end took then."""
    sent = 0.0

    def interrupt() -> signal.Signals:
        nonlocal sent
        assert refused.wait(60)
        time.sleep(1)
        sent = time.monotonic()
        return stop

    ran = in_terminal(azure, *arguments, answers={at: interrupt}, columns=200)
    return ran, time.monotonic() - sent


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGHUP])
def test_a_stop_ends_the_wait_before_the_tag_and_says_that_nothing_was_begun(
    serve: Serve, stop: signal.Signals
) -> None:
    azure = at_once(serve, one())
    refused = throttle(azure, TAGS, 600)
    ran, took = stopped(azure, refused, stop, "exempt", "bot", "--open-ended", "--enable-keys")
    assert "Stopped. The tag: not begun; turning keys on: not begun." in ran.plain
    assert took < 10
    assert not azure.writes
    assert ran.code == 130


def test_a_stop_ends_the_wait_before_the_keys_and_says_that_the_tag_is_done(serve: Serve) -> None:
    azure = at_once(serve, one())
    refused = throttle(azure, WRITE, 600)
    ran, took = stopped(
        azure, refused, signal.SIGINT, "exempt", "bot", "--open-ended", "--enable-keys"
    )
    assert "Stopped. The tag: done; turning keys on: not begun." in ran.plain
    assert took < 10
    assert said(azure) == "true"
    assert not azure.tenant.account("bot").keys_on
    assert ran.code == 2


def test_a_stop_while_a_write_is_under_way_hears_its_answer(serve: Serve) -> None:
    azure = at_once(serve, one())
    sending = threading.Event()
    azure.faults.on(action=TAGS).hang(4, after_acting=True)
    azure.before(lambda request: sending.set() if request.action == TAGS else None)
    ran, took = stopped(
        azure, sending, signal.SIGINT, "exempt", "bot", "--open-ended", "--enable-keys"
    )
    assert "Stopping: what is in flight is finished." in ran.plain
    assert "The tag: sent, and not read back; turning keys on: not begun." in ran.plain
    assert took < 10
    assert said(azure) == "true"
    assert not azure.tenant.account("bot").keys_on
    assert ran.code == 2


def test_a_stop_ends_the_wait_before_the_removal(serve: Serve) -> None:
    azure = at_once(serve, one("true", local_auth=True))
    refused = throttle(azure, TAGS, 600)
    ran, took = stopped(azure, refused, signal.SIGTERM, "exempt", "bot", "--remove")
    assert "Stopped. Taking the tag away: not begun." in ran.plain
    assert took < 10
    assert said(azure) == "true"
    assert ran.code == 130


@pytest.mark.parametrize(
    ("stop", "arguments"),
    [
        (signal.SIGINT, ("sweep", "--yes")),
        (signal.SIGTERM, ("exempt", "bot", "--open-ended", "--verbose")),
        (signal.SIGHUP, ("scan",)),
    ],
)
def test_a_stop_before_anything_is_begun_ends_the_command(
    serve: Serve, arguments: tuple[str, ...], stop: signal.Signals
) -> None:
    azure = at_once(serve, one(local_auth=True))
    refused = throttle(azure, "Microsoft.ResourceGraph/resources/read", 600)
    ran, took = stopped(azure, refused, stop, *arguments)
    assert "Stopped. Nothing was changed." in ran.plain
    assert took < 10
    assert not azure.writes
    assert ran.code == 130


@pytest.mark.parametrize(
    ("stop", "arguments"),
    [
        (signal.SIGINT, ("exempt", "bot", "--until", "2098-01-01")),
        (signal.SIGTERM, ("sweep",)),
        (signal.SIGHUP, ("exempt", "bot", "--until", "2098-01-01")),
    ],
)
def test_a_stop_at_the_question_changes_nothing(
    serve: Serve, arguments: tuple[str, ...], stop: signal.Signals
) -> None:
    azure = at_once(serve, one("2020-01-01", local_auth=True))
    ran = in_terminal(azure, *arguments, answers={QUESTION: stop})
    assert "Stopped. Nothing was changed." in ran.plain
    assert not azure.writes
    assert ran.code == 130


# A sweep that is stopped


def crowd(count: int = 12) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(count):
        tenant.add_account(f"bot-{number:02}", local_auth=True)
    return tenant


def recorded(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_stop_ends_the_waits_of_a_sweep_and_its_record_says_that_nothing_was_taken(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, crowd())
    refused = throttle(azure, WRITE, 600)
    path = tmp_path / "record.jsonl"
    ran, took = stopped(
        azure,
        refused,
        signal.SIGINT,
        "sweep",
        "--yes",
        "--record",
        str(path),
        at="To take it back",
    )
    assert "You stopped it: 12 accounts not attempted." in ran.plain
    assert took < 15
    assert not azure.writes
    lines = recorded(path)
    assert not any(line.get("accepted") for line in lines)
    assert lines[-1]["finished"] is True
    assert ran.code == 1


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_a_sweep_is_taken_like_a_ctrl_c(
    serve: Serve, tmp_path: Path, stop: signal.Signals
) -> None:
    azure = at_once(serve, crowd())
    azure.faults.on(method="PATCH", times=None).hang(2, after_acting=True)
    sending = threading.Event()
    azure.before(lambda request: sending.set() if request.method == "PATCH" else None)
    path = tmp_path / "record.jsonl"
    ran, _ = stopped(
        azure, sending, stop, "sweep", "--yes", "--record", str(path), at="To take it back"
    )
    off = {account.id.lower() for account in azure.tenant.accounts if not account.keys_on}
    assert 0 < len(off) < 12
    assert f"You stopped it: {12 - len(off)} accounts not attempted." in ran.plain
    lines = recorded(path)
    assert {line["outcome"].lower() for line in lines if line.get("accepted")} == off
    assert lines[-1]["finished"] is True
    assert ran.code == 1


def test_the_way_back_is_one_line_to_copy_and_holds_the_settings_and_the_scope(
    serve: Serve, tmp_path: Path
) -> None:
    azure = at_once(serve, one(local_auth=True))
    subscription = azure.tenant.subscription("contoso-prod").id
    file, record = tmp_path / "my settings.json", tmp_path / "record.jsonl"
    file.write_text(json.dumps({"Values": {"SWEEP_MODE": "enforce"}}))
    ran = in_terminal(
        azure, "sweep", "--yes", "--settings", os.path.relpath(file), "-s", subscription,
        "--record", os.path.relpath(record), columns=60,
    )  # fmt: skip
    (head, *_) = recorded(record)
    assert head["undo"] == (
        f"keysweep undo {head['sweepId']} --record {record} --settings '{file}' "
        f"--subscription {subscription}"
    )
    first_write = ran.out.find("Results")
    assert 0 < ran.out.find(head["undo"]) < first_write
