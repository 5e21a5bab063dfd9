"""What one sweep over odd answers is made of, as values; and how it is drawn."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from soak.program import TAGS, Keys, Tag

type Kind = Literal["OpenAI", "AIServices", "SpeechServices"]
type Standing = Literal["enabled", "warned", "disabled", "delegated"]
"""How a subscription stands; a delegated one is of another tenant (Azure Lighthouse)."""
type ScopeBy = Literal["all", "group", "names"]
type Place = Literal[
    "subscriptions", "subscription", "descendants", "accounts", "account", "groups", "group",
    "patch", "poll", "shown", "census", "listing", "tagged groups", "changes", "token",
    "announcement", "telemetry",
]  # fmt: skip
"""What a request asks for: lists are named in the plural, Resource Graph's queries by their matter.

`shown`: which subscriptions it shows. An `announcement` is a batch for Application Insights that
tells of a drift, `telemetry` any other one.
"""
type Body = Literal[
    "error body", "empty object", "empty array", "only its id", "null", "nothing", "truncated",
    "too deep", "HTML", "an earlier answer", "a row repeated", "a row twice",
    "rows reordered", "gzip that unfolds", "gzip that is none",
]  # fmt: skip
type Manner = Literal[
    "gzip", "plain text", "no content type", "huge numbers", "negative numbers",
    "dates for numbers",
]  # fmt: skip
"""The answer still says what was asked for, in another manner."""
type Link = Literal[
    "to itself", "to another subscription", "that ends like ours", "with a fragment",
    "with user info", "to another port", "without TLS", "without a scheme", "with a backslash",
]  # fmt: skip
type Refusal = Literal[
    "429", "429 for 20 s", "429 until a date", "429 in two words", "429 for years", "429 for less",
    "503", "503 for 5 s", "500 after acting", "401", "403", "disallowed by Azure",
    "policy", "not registered", "conflict", "another tenant",
]  # fmt: skip
type Trouble = Literal[
    "stall", "hang", "slow", "cut", "cut after acting", "late connection", "no connection",
]  # fmt: skip
type Taken = Literal["drops all", "drops all without a word", "takes no event"]
"""What ingestion does with a batch, beside answering oddly; or OpenTelemetry with an event."""
type How = Literal["dropped", "null", "a number", "a text", "true", "a list", "an object"]

# More often than any sweep asks.
_ALWAYS = 999

BODIES: tuple[Body, ...] = Body.__value__.__args__
MANNERS: tuple[Manner, ...] = Manner.__value__.__args__
LINKS: tuple[Link, ...] = Link.__value__.__args__
REFUSALS: tuple[Refusal, ...] = Refusal.__value__.__args__
TROUBLES: tuple[Trouble, ...] = Trouble.__value__.__args__
HOWS: tuple[How, ...] = How.__value__.__args__

# Which fields the answers at a place have, that anybody could want to read. `row` is a whole row.
FIELDS: dict[Place, tuple[str, ...]] = {
    "subscriptions": (
        "value", "nextLink", "row", "id", "subscriptionId", "tenantId", "state", "tags",
        "displayName",
    ),
    "subscription": ("id", "subscriptionId", "tenantId", "state", "tags", "displayName"),
    "descendants": ("value", "nextLink", "@nextLink", "row", "id", "name", "type", "properties"),
    "accounts": (
        "value", "nextLink", "row", "id", "name", "type", "kind", "tags", "properties",
        "disableLocalAuth", "provisioningState", "customSubDomainName", "location", "systemData",
    ),
    "account": (
        "id", "name", "type", "kind", "tags", "properties", "disableLocalAuth",
        "provisioningState", "customSubDomainName", "location", "systemData",
    ),
    "groups": ("value", "nextLink", "row", "id", "name", "type", "tags", "properties"),
    "group": ("id", "name", "type", "tags", "properties", "location"),
    "patch": ("id", "kind", "properties", "tags", "disableLocalAuth", "provisioningState"),
    "poll": ("id", "name", "status", "properties"),
    "shown": ("data", "totalRecords", "resultTruncated", "$skipToken", "row", "subscriptionId"),
    "census": (
        "data", "totalRecords", "resultTruncated", "row", "subscriptionId", "keysOn", "keysOff",
    ),
    "listing": (
        "data", "totalRecords", "resultTruncated", "$skipToken", "row", "id", "kind", "tags",
        "flag", "subdomain", "provisioningState", "location",
    ),
    "tagged groups": (
        "data", "totalRecords", "resultTruncated", "$skipToken", "row", "id", "subscriptionId",
        "name", "tags",
    ),
    "changes": (
        "data", "totalRecords", "resultTruncated", "$skipToken", "row", "id", "at", "changeType",
        "changedBy", "account", "before", "after",
    ),
    "token": ("access_token", "expires_on", "token_type", "resource", "client_id"),
    "announcement": ("itemsReceived", "itemsAccepted", "errors"),
    "telemetry": ("itemsReceived", "itemsAccepted", "errors"),
}  # fmt: skip
PLACES: tuple[Place, ...] = tuple(FIELDS)
INGESTION: tuple[Place, ...] = ("announcement", "telemetry")
_GRAPH: tuple[Place, ...] = ("shown", "census", "listing", "tagged groups", "changes")
_LISTS: tuple[Place, ...] = ("subscriptions", "descendants", "accounts", "groups")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the answer, or of one of its rows, is dropped, null, or of another type."""

    name: str
    how: How
    row: int = 0


type Shape = Body | Manner | Link | Refusal | Trouble | Taken | Field


@dataclass(frozen=True, slots=True)
class Bend:
    """What happens at some requests of one place: the first ones after so many."""

    place: Place
    shape: Shape
    times: int = 1
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """An account: which of its subscription's two groups it is in, and how it stands."""

    group: int = 0
    kind: Kind = "OpenAI"
    tag: Tag = "none"
    keys: Keys = "on"
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription, with tags of its own and of its groups."""

    accounts: tuple[Account, ...] = (Account(),)
    standing: Standing = "enabled"
    excluded: bool = False
    hidden: bool = False
    """Whether Resource Graph doesn't show it."""
    tag: Tag = "none"
    group_tags: tuple[Tag, Tag] = ("none", "none")


@dataclass(frozen=True, slots=True)
class Options:
    """How the sweep is set, and how large Azure's pages are."""

    audit: bool = False
    scope: ScopeBy = "all"
    inherit: bool = False
    kinds: tuple[Kind, ...] = ("OpenAI", "AIServices")
    most_changes: int = 25
    trickle: bool = False
    released_for: int | None = None
    """Until so many seconds after the sweep's beginning the brake is released."""
    budget: int = 120
    concurrency: int = 8
    page: int = 100
    fired_before: int | None = None
    """So many minutes before this sweep the timer fired the last time."""
    token_life: int = 86_400
    """For how many seconds a token is good."""


@dataclass(frozen=True, slots=True)
class Example:
    """A tenant, settings and bends: one sweep."""

    subscriptions: tuple[Subscription, ...]
    bends: tuple[Bend, ...] = ()
    options: Options = Options()


_tags = st.sampled_from(("none",) * len(TAGS) + TAGS)
_accounts = st.builds(
    Account,
    group=st.integers(0, 1),
    kind=st.sampled_from(("OpenAI", "OpenAI", "AIServices", "SpeechServices")),
    tag=_tags,
    keys=st.sampled_from(("on", "on", "absent", "null", "off")),
    locked=st.sampled_from((False, False, False, True)),
)
_subscriptions = st.builds(
    Subscription,
    accounts=st.lists(_accounts, min_size=1, max_size=3).map(tuple),
    standing=st.sampled_from(("enabled",) * 6 + ("warned", "disabled", "delegated", "delegated")),
    excluded=st.sampled_from((False, False, False, True)),
    hidden=st.booleans(),
    tag=_tags,
    group_tags=st.tuples(_tags, _tags),
)
_options = st.builds(
    Options,
    audit=st.sampled_from((False, False, False, False, True)),
    scope=st.sampled_from(("all", "all", "group", "names")),
    inherit=st.booleans(),
    kinds=st.sampled_from((("OpenAI", "AIServices"), ("OpenAI", "AIServices"), ("OpenAI",))),
    most_changes=st.sampled_from((25, 25, 2, 1)),
    trickle=st.booleans(),
    released_for=st.sampled_from((None, 3, 20, 600)),
    budget=st.sampled_from((60, 120, 600)),
    concurrency=st.sampled_from((1, 1, 8)),
    page=st.sampled_from((100, 2, 1, 1)),
    fired_before=st.sampled_from((None, 15, 30, 60, 120)),
    token_life=st.sampled_from((86_400, 86_400, 250)),
)


@dataclass(frozen=True, slots=True)
class Focus:
    """Where to bend, and how, when something is looked for that sits there."""

    places: tuple[Place, ...]
    shapes: tuple[Shape, ...] = ()
    fields: tuple[str, ...] = ()
    """Fields to bend, as any of `HOWS`. Neither shapes nor fields: all that there is."""


def _fields(place: Place, only: tuple[str, ...] = ()) -> st.SearchStrategy[Field]:
    """Draw a field: mostly one on which something hangs, and mostly lost."""
    names = tuple(name for name in FIELDS[place] if not only or name in only)
    weighty = tuple(name for name in names if name in _WEIGHTY)
    return st.builds(
        Field,
        st.sampled_from((*names, *weighty, *weighty)),
        st.sampled_from((*HOWS, "dropped", "null", "dropped", "null", "true")),
        st.integers(0, 2),
    )


def _shapes(place: Place) -> st.SearchStrategy[Shape]:
    fields, bodies, manners = _fields(place), st.sampled_from(BODIES), st.sampled_from(MANNERS)
    if place in INGESTION:
        # It is waited for by the real clock: what takes long is drawn seldom.
        drops = st.sampled_from(
            ("drops all", "drops all without a word", "takes no event") * 3 + ("stall",)
        )
        return st.one_of(fields, bodies, manners, drops, drops)
    troubles, refusals = st.sampled_from(TROUBLES), st.sampled_from(REFUSALS)
    if place == "token":
        return st.one_of(fields, bodies, manners, troubles)
    drawn: list[st.SearchStrategy[Shape]] = [fields, fields, bodies, manners, troubles, refusals]
    if place in _GRAPH:
        drawn.append(st.sampled_from(("to itself", "a row repeated", "a row twice")))
    elif place in _LISTS or place == "patch":
        drawn += [
            st.sampled_from(LINKS),
            st.sampled_from((*LINKS, "a row repeated", "a row twice")),
        ]
    return st.one_of(drawn)


def _bends(place: Place, focus: Focus | None) -> st.SearchStrategy[Bend]:
    times, skip = st.sampled_from((1, 1, 2, 4, _ALWAYS)), st.sampled_from((0, 0, 0, 1, 2))
    shapes = _shapes(place)
    if focus is not None and (focus.shapes or focus.fields):
        wanted: list[st.SearchStrategy[Shape]] = []
        if focus.shapes:
            wanted.append(st.sampled_from(focus.shapes))
        if set(focus.fields) & set(FIELDS[place]):
            wanted.append(_fields(place, focus.fields))
        shapes = st.one_of(wanted)
    return st.builds(Bend, st.just(place), shapes, times, skip)


# Where what is decided hangs on the answer.
_OFTEN: tuple[Place, ...] = (
    "account", "account", "accounts", "accounts", "patch", "listing", "census", "subscriptions",
)  # fmt: skip
_WEIGHTY = frozenset(
    {"value", "data", "row", "id", "kind", "tags", "properties", "keysOn", "keysOff", "name"}
)


def examples(focus: Focus | None = None) -> st.SearchStrategy[Example]:
    """Draw examples, whose bends are those of the focus; None: any."""
    where = focus.places if focus else (*PLACES, *_OFTEN)
    bend = st.sampled_from(where).flatmap(lambda place: _bends(place, focus))
    few, one = st.lists(bend, min_size=1, max_size=4), st.lists(bend, min_size=1, max_size=2)
    bends = st.one_of(few, one, one, *([] if focus else [st.just([])]))
    return st.builds(
        Example,
        subscriptions=st.lists(_subscriptions, min_size=1, max_size=4).map(tuple),
        bends=(bends if where else st.just([])).map(tuple),
        options=_options,
    )
