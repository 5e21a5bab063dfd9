"""Accounts as a person sees them: in the words of the workbook, at any width."""

import io
import re
from collections import Counter

import pytest

from keysweep.documents import Row
from keysweep.screen import Screen
from keysweep.tables import of_accounts, open_for
from shared.core.decision import NO_TAG


class Terminal(io.StringIO):
    """A terminal as far as a screen can see."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


def row(name: str, **more: object) -> Row:
    built = {
        "id": f"/subscriptions/s/x/{name}", "name": name, "resource_group": "rg-customer-care",
        "subscription_id": "s", "subscription": "contoso-corporate-prod", "kind": "OpenAI",
        "location": "x", "verdict": "DRIFT", "reason": NO_TAG, "no_custom_subdomain": False,
        "mode": "audit",
    }  # fmt: skip
    return Row(**{**built, **more})  # type: ignore[arg-type]


def drawn(width: int, monkeypatch: pytest.MonkeyPatch, *found: Row) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    screen = Screen(out, out)
    screen.show(of_accounts(screen, found))
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()


def letters(*texts: str) -> Counter[str]:
    """Count letters, without the blanks that a table adds and takes."""
    return Counter("".join("".join(texts).split()))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 140, 160, 200])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = "somebody.with.a.long.name@contoso.com"
    lines = drawn(
        width, monkeypatch,
        row("contract-review-test", open_hours=400.0, open_since_known="atLeast", flips=4,
            changed_by=person, attribution="changeLog", owner="web", owner_from="account",
            ring="mg-corp", enforce_from="2027-01-15T00:00:00+00:00"),
        row("b", impact="USES_KEYS"),
    )  # fmt: skip
    assert max(map(len, lines)) <= width
    # Folded over lines, a cell's pieces stand between those of others: each letter is there.
    said = ("contract-review-test", person, "at least 16 days", "web", "2027-01-15", "USES_KEYS")
    assert not letters(*said) - letters(*lines)
    if width >= 120:
        assert "at least 16 days" in " ".join(lines)


@pytest.mark.parametrize(
    ("hours", "known", "says"),
    [
        (None, "unknown", ""),
        (0.5, "exactly", "30 min"),
        (47.9, "exactly", "47 h"),
        (400.0, "atLeast", "at least 16 days"),
    ],
)
def test_an_age_is_rounded_down_and_says_whether_it_may_be_more(
    hours: float | None, known: str, says: str
) -> None:
    assert open_for(row("bot", open_hours=hours, open_since_known=known)) == says


def test_a_column_in_which_nothing_stands_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (head, *_) = drawn(120, monkeypatch, row("bot"))
    assert head.split() == ["state", "account", "resource", "group", "subscription", "why"]


def test_a_reason_that_is_no_sentence_ends_before_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exempt = row(
        "one", verdict="EXEMPT", reason="The tag of its account exempts it, open-ended.",
        owner="web@contoso.com", owner_from="account",
    )  # fmt: skip
    _, first, *_ = drawn(120, monkeypatch, exempt, *(row(str(number)) for number in range(9)))
    assert first.rstrip().endswith("open-ended. Owner: web@contoso.com.")


def test_what_is_known_of_few_is_said_beside_why_and_takes_no_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = row("one", owner="web@contoso.com", owner_from="account")
    head, first, *_ = drawn(120, monkeypatch, few, *(row(str(number)) for number in range(9)))
    assert "owner" not in head
    assert first.rstrip().endswith("Owner: web@contoso.com.")
    head, first, *_ = drawn(160, monkeypatch, few, *(row(str(number)) for number in range(9)))
    assert "owner" in head
    assert "Owner:" not in first


def test_what_was_turned_off_is_not_open_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    done = row("bot", result="DISABLED", detail="Done.", open_hours=9.0, open_since_known="exactly")
    assert "9 h" not in " ".join(drawn(200, monkeypatch, done))


def test_what_is_shown_beside_a_bar_begins_a_line_of_its_own() -> None:
    terminal = Terminal()
    screen = Screen(terminal, terminal)
    bar = screen.bar()
    bar.add_task("Exempting", total=2, counts="")
    with bar:
        screen.show("site-search is exempt.")
    before, _, _ = terminal.getvalue().partition("site-search")
    assert before.endswith("\x1b[2K")
