"""Accounts and groups of them as a person sees them: what differs, and once what they share."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from rich.table import Table
from rich.text import Text

from keysweep.documents import Group, Row
from keysweep.screen import Screen, grid, shown
from keysweep.tones import style_of
from keysweep.words import distinct
from shared.core.decision import BY_THE_TAG_OF_ITS, NO_TAG
from shared.core.model import Level, Verdict
from shared.core.owner import OwnerFrom

type _Cell = Callable[[Row], Text]

# What a sweep would do is said under the table: the state of the account is that it is adrift.
_STATES = {"WOULD_DISABLE": "DRIFT"}
_NOT_OPEN = frozenset({"DISABLED", "ALREADY_OFF", "GONE", "NOW_EXEMPT"})
# A resource id, or that of a resource group or subscription.
_ID = re.compile(r"/subscriptions/[^\s\'\",;]+[^\s\'\",;.]")
_LONGEST_MESSAGE = 240
_BY_ITS_OWN_TAG = f"{BY_THE_TAG_OF_ITS}{Level.ACCOUNT} exempts it"
_HOURS_IN_DAYS, _DAY = 48, 24
_WIDEST = 36  # as long as an object id
# The place of an account goes below its name unless there is room for this, and for each column.
_PLAIN, _COLUMN, _NARROWER = 100, 20, 24
_ROOM_FOR_ALL, _ROOM_FOR_AGE = 160, 90
# The share of accounts about which something is known that makes a column of it.
_WORTH_A_COLUMN = 0.25
_AGE = "open for"


def of_accounts(screen: Screen, found: Sequence[Row]) -> Table:
    """Draw accounts, one under the other, in the columns that there is room for."""
    places = distinct({row.subscription_id: row.subscription for row in found})
    impact, more = _of_impact(screen, found), _differing(screen, found)
    unsaid = _DIFFERING.keys() - more.keys()
    columns = len(impact) + len(more)
    is_wide = screen.wide and screen.out.width >= _PLAIN + columns * _COLUMN
    drawn = grid("state", *impact, *account_columns(is_wide=is_wide), *more, "why")
    for column in drawn.columns[1:-1]:
        is_narrow = str(column.header) in more and screen.out.width < _ROOM_FOR_ALL
        column.max_width = _NARROWER if is_narrow else _WIDEST
    for row in found:
        drawn.add_row(
            _state(row),
            *(cell(row) for cell in impact.values()),
            *account_cells(
                row.name, row.resource_group, places[row.subscription_id], is_wide=is_wide
            ),
            *(cell(row) for cell in more.values()),
            why(row, unsaid),
        )
    return drawn


def _of_impact(screen: Screen, found: Sequence[Row]) -> Mapping[str, _Cell]:
    """Return the columns on who uses keys, if that was asked for."""
    columns = {name: cell for name, cell in _OF_IMPACT.items() if _count(cell, found)}
    return columns if screen.wide else dict(list(columns.items())[:1])


def _differing(screen: Screen, found: Sequence[Row]) -> Mapping[str, _Cell]:
    """Return the columns that are worth their room; of the others `why` says what there is."""
    width = screen.out.width
    if width < _ROOM_FOR_AGE:
        return {}
    worth = 1.0 if width >= _ROOM_FOR_ALL else max(1.0, len(found) * _WORTH_A_COLUMN)
    least = {name: worth if screen.wide else len(found) + 1 for name in _DIFFERING} | {_AGE: 1}
    return {name: cell for name, cell in _DIFFERING.items() if _count(cell, found) >= least[name]}


def _count(cell: _Cell, found: Sequence[Row]) -> int:
    return sum(bool(cell(row).plain) for row in found)


def footnotes(found: Sequence[Row]) -> list[Text]:
    """Return what many accounts share, said once."""
    if any(_adrift(row) and row.reason.startswith(NO_TAG) for row in found):
        return [shown(f"Why DRIFT, where no other reason stands: {NO_TAG}", "dim")]
    return []


def of_groups(screen: Screen, groups: Sequence[Group]) -> Table:
    """Draw groups of accounts, one under the other; there is one at least."""
    worst = ("the worst account",) if screen.wide else ()
    by = groups[0].by.replace("-", " ")
    drawn = grid(by, "drift", "held", "exempt", "open for", "flips", *worst)
    for column in drawn.columns[1:4]:
        column.justify = "right"
    for group in groups:
        first, oldest = group.accounts[0], group.oldest
        named = shown(f"{first.name} ({first.resource_group}, {first.subscription})")
        drawn.add_row(
            shown(group.name or "nobody is known", "" if group.name else "dim"),
            *(
                _counted(group.count(verdict), verdict)
                for verdict in (Verdict.DRIFT, Verdict.HELD, Verdict.EXEMPT)
            ),
            shown(open_for(oldest) if oldest else "", "dim"),
            shown(group.flips or "", "dim"),
            *((named,) if worst else ()),
        )
    return drawn


def _counted(count: int, verdict: Verdict) -> Text:
    return shown(count or "", style_of(verdict))


def _state(row: Row) -> Text:
    state = _STATES.get(row.state, row.state)
    return shown(state, style_of(state))


def account_columns(*, is_wide: bool) -> tuple[str, ...]:
    """Return the names of the columns that `account_cells` fills."""
    return ("account", "resource group", "subscription") if is_wide else ("account",)


def account_cells(name: str, group: str, place: str, *, is_wide: bool) -> tuple[Text, ...]:
    """Return an account's name, and where it is: below it, or in columns of their own."""
    if is_wide:
        return shown(name), shown(group, "dim"), shown(place, "dim")
    return (shown(name).append("\n").append(shown(f"{group} · {place}", "dim")),)


def open_for(row: Row) -> str:
    """Say how long an account is adrift, rounded down: "at least" stays true."""
    hours = row.open_hours
    if hours is None:
        return ""
    if hours < 1:
        span = f"{int(hours * 60)} min"
    else:
        span = f"{int(hours)} h" if hours < _HOURS_IN_DAYS else f"{int(hours / _DAY)} days"
    return f"at least {span}" if row.open_since_known == "atLeast" else span


def _open_for(row: Row) -> Text:
    if row.result in _NOT_OPEN:
        return Text()
    flips = f", {row.flips} flips" if row.flips > 1 else ""
    return shown(f"{open_for(row)}{flips}".removeprefix(", "), "dim")


def _keys_on_by(row: Row) -> Text:
    return shown(row.changed_by if row.attribution == "changeLog" else "", "dim")


def _owner(row: Row) -> Text:
    return shown("" if row.owner_from == OwnerFrom.CHANGED_BY else row.owner, "dim")


def _ring(row: Row) -> Text:
    coming = f" from {row.enforce_from[:10]}" if row.enforce_from else ""
    return shown(f"{row.ring}{coming}" if row.ring else "", "dim")


def _impact(row: Row) -> Text:
    return shown(row.impact, style_of(row.impact))


def _last_keyed_call(row: Row) -> Text:
    return shown(row.last_keyed_call[:16].replace("T", " "), "dim")


_OF_IMPACT: Mapping[str, _Cell] = {"impact": _impact, "last with a key": _last_keyed_call}
_DIFFERING: Mapping[str, _Cell] = {
    _AGE: _open_for,
    "keys on by": _keys_on_by,
    "owner": _owner,
    "ring": _ring,
}


def _adrift(row: Row) -> bool:
    return row.verdict == Verdict.DRIFT and row.result in {"", "WOULD_DISABLE"}


def why(row: Row, unsaid: AbstractSet[str]) -> Text:
    """Say why, as far as it differs from most; and what is `unsaid`, by the names of columns."""
    text = shown(_reason(row))
    if row.azure_code:
        said = f"{row.azure_code}: {_brief(row.azure_message)}".removesuffix(": ")
        text = shown(f"{row.detail} ", "").append(shown(said, "dim"))
    elif row.result not in {"", "WOULD_DISABLE"}:
        text = shown(row.detail)
    for sentence in _beside(row, unsaid):
        ends = "" if not text.plain else " " if text.plain.endswith((".", "…")) else ". "
        text.append(shown(f"{ends}{sentence}", "dim"))
    return text


def _reason(row: Row) -> str:
    if _adrift(row):
        return row.reason.removeprefix(NO_TAG).strip()
    if row.verdict == Verdict.EXEMPT and row.reason.startswith(_BY_ITS_OWN_TAG):
        return row.reason.removeprefix(_BY_ITS_OWN_TAG).lstrip(", ").removesuffix(".")
    return row.reason


def _beside(row: Row, unsaid: AbstractSet[str]) -> Iterator[str]:
    said = {name: _DIFFERING[name](row).plain for name in unsaid}
    if age := said.get(_AGE):
        yield f"Open for {age}."
    if by := said.get("keys on by"):
        yield f"Keys on by {by}, {row.changed_at[:10]}."
    elif _adrift(row) and row.changed_by and row.attribution != "changeLog":
        yield f"Last changed by {row.changed_by}, {row.changed_at[:10]}."
    if owner := said.get("owner"):
        yield f"Owner: {owner}."
    if ring := said.get("ring"):
        yield f"Ring: {ring}."


def _brief(message: str) -> str:
    """Shorten Azure's message for a cell: ids to their last names. Documents have it whole."""
    brief = _ID.sub(lambda match: match[0].rpartition("/")[2], message)
    return brief if len(brief) <= _LONGEST_MESSAGE else f"{brief[:_LONGEST_MESSAGE]}…"
