"""What a terminal alone can show: questions, signals, colours, progress and widths.

The judge of what was changed is the server.
"""

import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keysweep.record import read_record
from local_azure import LocalAzure, RunningClock, Tenant, scenarios
from local_azure.handlers.keys import keys_of
from tests.support.serving import Serve
from tests.support.terminal import COMMAND, ROOT, environment, in_real_time, in_terminal

QUESTION = "[y/N]"
TAG = "local-auth-exempt"


def crowd(count: int = 1, **more: Any) -> Tenant:
    tenant = Tenant.with_one_subscription()
    for number in range(count):
        tenant.add_account(f"bot-{number}", local_auth=True, **more)
    return tenant


@pytest.fixture(scope="module")
def demo() -> Iterator[LocalAzure]:
    """Serve the demo's tenant to tests that only read."""
    with LocalAzure(
        scenarios.demo(datetime.now(UTC).date()), RunningClock(), graph_lag=0, changes_lag=0
    ) as azure:
        yield azure


# Questions


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [(("sweep",), "false"), (("exempt", "bot-0", "--until", "2098-01-01"), "until=2099-01-01")],
)
def test_what_is_typed_before_a_question_is_shown_does_not_answer_it(
    serve: Serve, arguments: tuple[str, ...], tag: str
) -> None:
    azure, waiting = in_real_time(serve, crowd(tags={TAG: tag})), threading.Event()
    azure.faults.on(action="Microsoft.ResourceGraph/resources/read").hang(2)
    azure.before(lambda _: waiting.set())

    def hurry() -> str:
        assert waiting.wait(30)
        return "y\ny\n"

    ran = in_terminal(azure, *arguments, answers={"": hurry, QUESTION: "n\n"})
    assert "Nothing was changed." in ran.plain
    assert not azure.writes
    assert ran.code == 1


def test_a_yes_turns_off_what_was_shown(serve: Serve) -> None:
    azure = in_real_time(serve, crowd(2))
    ran = in_terminal(azure, "sweep", answers={QUESTION: "y\n"})
    assert "Turn keys off on 2 accounts?" in ran.plain
    assert "Results: 2 DISABLED" in ran.plain
    assert len(azure.writes) == 2
    assert ran.code == 0


def test_a_question_that_nobody_would_see_is_not_asked(serve: Serve) -> None:
    azure = in_real_time(serve, crowd())
    terminal, theirs = pty.openpty()
    os.write(terminal, b"y\n")
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, "sweep"], cwd=ROOT, env=environment(azure), stdin=theirs, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    os.close(terminal)
    os.close(theirs)
    assert b"Nobody is there to be asked" in done.stderr
    assert not azure.writes
    assert done.returncode == 64


def test_a_key_that_is_typed_is_not_shown(serve: Serve) -> None:
    azure = in_real_time(serve, crowd())
    key = keys_of(azure.tenant.account("bot-0"))[0]
    ran = in_terminal(
        azure, "probe", "bot-0", "--key-from-stdin", answers={"Key (it is not shown):": f"{key}\r"}
    )
    assert key not in ran.out
    assert "The key works" in ran.plain
    assert ran.code == 1


# Signals


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_at_the_question_changes_nothing(serve: Serve, stop: signal.Signals) -> None:
    azure = in_real_time(serve, crowd())
    ran = in_terminal(azure, "sweep", answers={QUESTION: stop})
    assert ran.plain.endswith("Stopped. Nothing was changed.")
    assert not azure.writes
    assert ran.code == 130


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_a_wait_at_once_as_long_as_nothing_is_begun(
    serve: Serve, stop: signal.Signals
) -> None:
    azure, refused = in_real_time(serve, crowd()), threading.Event()
    action = "Microsoft.ResourceGraph/resources/read"
    azure.faults.on(action=action, times=None).answer(
        429, {"error": {"code": "TooManyRequests", "message": "No."}}, {"Retry-After": "600"}
    )
    azure.before(lambda request: refused.set() if request.action == action else None)

    def interrupt() -> signal.Signals:
        assert refused.wait(60)
        return stop

    ran = in_terminal(azure, "sweep", "--yes", answers={"": interrupt})
    assert "Stopped. Nothing was changed." in ran.plain
    assert ran.code == 130


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_the_middle_of_a_sweep_finishes_what_is_in_flight(
    serve: Serve, tmp_path: Path, stop: signal.Signals
) -> None:
    azure, sending = in_real_time(serve, crowd(12)), threading.Event()
    azure.faults.on(method="PATCH", times=None).hang(2, after_acting=True)
    azure.before(lambda request: sending.set() if request.method == "PATCH" else None)

    def interrupt() -> signal.Signals:
        assert sending.wait(60)
        return stop

    path = tmp_path / "record.jsonl"
    ran = in_terminal(
        azure, "sweep", "--yes", "--record", str(path), answers={"To take it back": interrupt}
    )
    off = {account.id.lower() for account in azure.tenant.accounts if not account.keys_on}
    assert 0 < len(off) < 12
    assert f"You stopped it: {12 - len(off)} accounts not attempted." in ran.plain
    record = read_record(path.read_text())
    assert {change.account.key for change in record.changes if change.may_be_done} == off
    assert record.is_finished
    assert ran.code == 1


# What is shown


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_table_fits_the_terminal_and_tells_namesakes_apart(serve: Serve, columns: int) -> None:
    tenant = Tenant()
    tenant.add_management_group("contoso")
    for number in (1, 2):
        name = f"{number * 11111111}-7777-4777-8777-777777777777"
        subscription = tenant.add_subscription("prod", parent="contoso", subscription_id=name)
        tenant.add_account("contract-review-test", subscription=subscription, local_auth=True)
    ran = in_terminal(in_real_time(serve, tenant), "scan", columns=columns)
    lines = re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z])", "", ran.out).split("\r\n")
    lines = [line.rpartition("\r")[2] for line in lines]
    (start,) = (number for number, line in enumerate(lines) if "account" in line and "why" in line)
    assert max(len(line) for line in lines[start:]) <= columns
    together = re.sub(r"\s", "", ran.plain)
    for account in tenant.accounts:
        assert account.subscription_id in together


def test_a_terminal_gets_progress_and_colours_unless_it_wants_none(demo: LocalAzure) -> None:
    ran = in_terminal(demo, "scan")
    assert "subscriptions listed" in ran.plain
    assert "\x1b[1;31m" in ran.out
    plain = in_terminal(demo, "scan", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain.out)


def test_help_in_a_narrow_terminal_is_whole(demo: LocalAzure) -> None:
    ran = in_terminal(demo, "--help", columns=80)
    assert "..." not in ran.plain.replace("[ARGS]...", "")
    assert "shows the plan, asks, and does it." in ran.plain


def test_a_terminal_that_knows_ascii_alone_is_enough(serve: Serve) -> None:
    azure = in_real_time(serve, crowd(tags={TAG: "Zürich 東京"}))
    ascii_alone: dict[str, Any] = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    ran = in_terminal(azure, "scan", columns=140, **ascii_alone)
    assert r"Z\xfcrich \u6771\u4eac" in ran.plain
    assert ran.out.isascii()
    assert ran.code == 0
