"""What can happen to a tenant and to sweeps, as values; and how it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hypothesis import strategies as st

type Name = Literal["a", "b", "c", "d", "e"]
type Keys = Literal["on", "absent", "null", "off"]
type Form = Literal["BOTH", "ASYNC_OPERATION", "LOCATION", "OK_200", "BODY_ACCEPTED", "FAILS"]
type Actor = Literal[0, 1, 2]
"""Two processes that stay warm, and one that is born and dies with its sweep: a real process."""

# Where each account lives: its subscription, its group and its kind. The last is out of scope.
PLACES: dict[Name, tuple[str, str, str]] = {
    "a": ("contoso-one", "rg-a", "OpenAI"),
    "b": ("contoso-one", "rg-a", "AIServices"),
    "c": ("contoso-one", "rg-c", "OpenAI"),
    "d": ("contoso-two", "rg-d", "AIServices"),
    "e": ("contoso-two", "rg-d", "Face"),
}

type Tag = Literal[
    "none", "other", "yes", "reason", "future", "today", "fields", "no", "lapsed", "lapsed fields",
    "unreadable", "soon", "doubled", "near miss", "near miss and no", "near miss by signs",
]  # fmt: skip
TAGS: tuple[Tag, ...] = Tag.__value__.__args__

type Deed = Literal[
    "create", "delete", "other kind", "keys on", "keys off", "tag", "tag group", "tag subscription",
    "lock", "unlock", "deny", "allow", "deploy", "deployed", "lose role", "get role",
    "graph hides", "graph shows", "graph lags",
]  # fmt: skip

type Effect = Literal[
    "429", "429 for 20 s", "429 for an hour", "429 for years", "503", "503 for 5 s", "HTML",
    "broken JSON", "401", "cut", "cut after acting", "500 after acting",
    "503 for 2 s after acting", "slow", "hang", "late connection",
]  # fmt: skip
EFFECTS: tuple[Effect, ...] = Effect.__value__.__args__
type Place = Literal[
    "patch", "get", "group", "subscription", "poll", "graph", "subscriptions", "accounts", "token",
    "any",
]  # fmt: skip
PLACES_OF_FAULTS: tuple[Place, ...] = Place.__value__.__args__


@dataclass(frozen=True, slots=True)
class Born:
    """An account that is there at the beginning."""

    name: Name
    tag: Tag = "none"
    keys: Keys = "on"
    form: Form = "BOTH"


@dataclass(frozen=True, slots=True)
class Team:
    """Somebody does something to an account, or to where it lives."""

    deed: Deed
    name: Name = "a"
    tag: Tag = "none"


@dataclass(frozen=True, slots=True)
class Fault:
    """From now on, so many requests at this place go wrong."""

    place: Place
    effect: Effect
    times: int = 1
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Clear:
    """All faults go."""


@dataclass(frozen=True, slots=True)
class Start:
    """A tick. Nothing happens if this process is at one."""

    actor: Actor = 0
    audit: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """So many requests are let in, in the program's order."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class Cut:
    """A sweep ends: cancelled, or its process killed; `acted`: just after the server acted."""

    actor: Actor = 0
    acted: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes, and whoever is at a sweep stands still meanwhile."""

    seconds: int = 1


@dataclass(frozen=True, slots=True)
class Finish:
    """All sweeps run to their end."""


type Step = Team | Fault | Clear | Start | Admit | Cut | Wait | Finish


@dataclass(frozen=True, slots=True)
class Program:
    """All that happens, in order. At its end the faults go, and one more sweep runs."""

    accounts: tuple[Born, ...]
    steps: tuple[Step, ...]
    order: tuple[int, ...] = ()
    """Which of the waiting requests is let in each time, again and again."""
    inherit: bool = False
    by_group: bool = False
    """Whether the scope is a management group, or all that can be read."""
    in_ring: bool = False
    """Whether the first subscription is the only ring, or there are none."""
    budget: int = 300
    concurrency: int = 8
    bucket: int | None = None
    """The size of Azure's buckets, each filled by one a second; None: it does not throttle."""


_FORMS: tuple[Form, ...] = Form.__value__.__args__
_NAMES: tuple[Name, ...] = tuple(PLACES)
_ACTS: tuple[Deed, ...] = Deed.__value__.__args__
# What happens most often, and what shakes a sweep most, is drawn most.
_OFTEN: tuple[Deed, ...] = (
    "keys on", "tag", "tag", "tag group", "create", "delete", "other kind",
)  # fmt: skip
_WRITES: tuple[Place, ...] = ("patch", "patch", "poll", "get", "group")
_tags = st.sampled_from(("none",) * len(TAGS) + TAGS)
_team = st.builds(
    Team, st.sampled_from(_OFTEN * 3 + _ACTS), st.sampled_from(_NAMES), st.sampled_from(TAGS)
)
_fault = st.builds(
    Fault,
    st.sampled_from(_WRITES * 3 + PLACES_OF_FAULTS),
    st.sampled_from(EFFECTS),
    st.sampled_from((1, 1, 2, 5, 99)),
    st.sampled_from((0, 0, 1, 2)),
)
_change = st.one_of(_team, _team, _fault, _fault, st.just(Clear()))
# Without it there is nothing to do for a sweep after the first.
_keys_on = st.builds(Team, st.just("keys on"), st.sampled_from(("a", "b", "c", "d")))
_short = st.builds(Wait, st.sampled_from((1, 4, 6, 30)))
_idle = st.builds(Wait, st.sampled_from((1, 60, 95, 900, 900, 900, 7200, 86_400)))
_few = st.builds(Admit, st.integers(1, 4))
# Six requests are discovery's and the change log's; then come reads, and PATCHes after them.
_up_to_the_writes = st.builds(Admit, st.integers(6, 14))


def programs(*, kill: bool = True, most_rounds: int = 4) -> st.SearchStrategy[Program]:
    """Draw programs. `kill`: processes are born and killed too, which takes longer."""
    actors: Sequence[Actor] = (0, 0, 0, 1, 2) if kill else (0, 0, 1)
    actor = st.sampled_from(actors)

    def scenes(first: Actor) -> st.SearchStrategy[tuple[Step, ...]]:
        cut = st.builds(Cut, st.just(first), st.booleans())
        start = st.builds(Start, actor, st.sampled_from((False, False, True)))
        return st.one_of(
            st.tuples(_up_to_the_writes),
            st.tuples(_few),
            st.tuples(_change),
            st.tuples(_team),
            st.tuples(start, _few),
            st.tuples(_up_to_the_writes, _short),
            st.tuples(_up_to_the_writes, cut),
            st.tuples(st.builds(Cut, actor, st.booleans())),
        )

    @st.composite
    def rounds(draw: st.DrawFn) -> list[Step]:
        first = draw(actor)
        meanwhile = draw(st.lists(scenes(first), max_size=4))
        return [
            *draw(st.lists(_keys_on, max_size=2)),
            *draw(st.lists(_change, max_size=2)),
            Start(first, draw(st.sampled_from((False, False, False, True)))),
            *(step for scene in meanwhile for step in scene),
            Finish(),
            draw(_idle),
        ]

    drawn = st.builds(
        Program,
        accounts=st.lists(
            st.builds(
                Born,
                st.sampled_from(_NAMES),
                _tags,
                st.sampled_from(("on", "on", "absent", "null", "off")),
                st.one_of(st.just("BOTH"), st.sampled_from(_FORMS)),
            ),
            min_size=2,
            max_size=5,
            unique_by=lambda born: born.name,
        ).map(tuple),
        steps=st.lists(rounds(), min_size=2, max_size=most_rounds).map(
            lambda drawn: tuple(step for steps in drawn for step in steps)
        ),
        order=st.lists(st.integers(0, 5), max_size=8).map(tuple),
        inherit=st.booleans(),
        by_group=st.booleans(),
        in_ring=st.booleans(),
        budget=st.sampled_from((60, 300, 1200)),
        concurrency=st.sampled_from((8, 8, 2, 1)),
        bucket=st.sampled_from((None, None, 12, 5)),
    )
    return drawn.map(_with_time_for_all)


def _with_time_for_all(program: Program) -> Program:
    """Give few hands a budget in which they can do all there is: forty seconds for each account."""
    least = 60 if program.concurrency > len(PLACES) else 300
    return replace(program, budget=max(program.budget, least))
