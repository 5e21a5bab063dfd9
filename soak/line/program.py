"""What a person, a colleague and the timer can do to a tenant, as values; and how it is drawn."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

type Where = Literal["one a", "one b", "two a", "three a", "theirs a"]
"""A subscription and a resource group; the last is of another tenant and delegated to ours."""
type Called = Literal["bot", "chat"]
type Tag = Literal[
    "none", "yes", "reason", "long", "long owned", "short owned", "lapsed", "no", "unreadable",
    "near miss", "other",
]  # fmt: skip
type Keys = Literal["on", "absent", "off"]
type Kind = Literal["OpenAI", "AIServices", "Face"]

# The management groups, and the subscriptions below each.
GROUPS = {"mg-left": ("one", "two"), "mg-right": ("three",)}
HOME = ("one", "two", "three")
PLACES: tuple[Where, ...] = Where.__value__.__args__
TAGS: tuple[Tag, ...] = Tag.__value__.__args__


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is there at the beginning."""

    where: Where = "one a"
    called: Called = "bot"
    tag: Tag = "none"
    keys: Keys = "on"
    kind: Kind = "OpenAI"


type Scope = Literal[
    "", "one", "two", "three", "theirs", "one and three", "mg-left", "mg-right", "empty"
]
"""What is said by -s, -m or the settings. `empty`: an option with nothing in it."""
SCOPES: tuple[Scope, ...] = Scope.__value__.__args__


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The app settings that the tenant's platform team has chosen."""

    mode: Literal["", "enforce", "audit"] = ""
    scope: Scope = ""
    excluded: Literal["", "one", "two"] = ""
    tag: Literal["local-auth-exempt", "keeps-keys"] = "local-auth-exempt"
    kinds: Literal["", "OpenAI", "AIServices", "OpenAI,Face"] = ""
    inherit: bool = False
    most_changes: int = 25
    trickle: bool = False
    notice: bool = False
    """Whether ENFORCE_FROM is still to come."""


type From = Literal[
    "nowhere", "the environment", "a file", "a list", "a file in UTF-16", "the Function",
    "nulls", "redacted", "a reference", "encrypted", "another app's", "no JSON", "doubled",
]  # fmt: skip
"""Where a command takes the settings from. From the eighth on: a file that is broken."""
SOURCES: tuple[From, ...] = From.__value__.__args__
BROKEN = frozenset(SOURCES[6:])

type Deed = Literal[
    "keys on", "keys off", "tag", "tag group", "delete", "anew", "create", "other kind", "cost tag",
    "lock", "unlock",
]  # fmt: skip
DEEDS: tuple[Deed, ...] = Deed.__value__.__args__


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody else does something to an account; `myself`: the person does, in the portal."""

    deed: Deed
    account: int = 0
    """Which of the program's accounts, counted round."""
    tag: Tag = "none"
    myself: bool = False


type Interruption = Literal["Ctrl-C", "Ctrl-C twice", "killed", "killed after acting"]
type Trouble = Literal[
    "504 after acting", "cut", "cut after acting", "429", "409", "403", "500", "broken JSON"
]
INTERRUPTIONS: tuple[Interruption, ...] = Interruption.__value__.__args__
TROUBLES: tuple[Trouble, ...] = Trouble.__value__.__args__


@dataclass(frozen=True, slots=True)
class At:
    """A moment of a command: a request of it, or its question."""

    what: Literal["request", "write", "question"] = "write"
    number: int = 1


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What happens at a moment of a command, before the server acts on that request."""

    at: At
    does: Colleague | Interruption | Trouble | Literal["timer"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the person's."""

    verb: Literal["sweep", "exempt", "remove", "undo"]
    named: tuple[int, ...] = ()
    """Which accounts are named: for `sweep`, those of --only."""
    by: Literal["name", "NAME", "group/name", "id", "ID"] = "id"
    settings: From = "nowhere"
    line: Scope = ""
    """What -s or -m says."""
    flags: tuple[str, ...] = ("--yes",)
    answer: Literal["", "y", "n", "Ctrl-C"] = ""
    """What is typed at the question; nothing: nobody is there to be asked."""
    ends: Literal["--open-ended", "--for 1d", "--for 30d", "--for 90d"] = "--for 30d"
    says: tuple[str, ...] = ()
    """For `exempt`: a reason or an owner."""
    document: bool = False
    record: bool = False
    """Whether --record names another place."""
    which: int = 0
    """For `undo`: which of the sweeps before it, the latest first."""
    as_printed: bool = True
    """For `undo`: by the way back that the sweep printed, with the settings and scope in it."""
    meanwhile: tuple[Meanwhile, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """The Function sweeps, with the settings of the platform team."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    minutes: int = 6


type Step = Command | Colleague | Timer | Wait


@dataclass(frozen=True, slots=True)
class Program:
    """All that happens, in order."""

    accounts: tuple[Account, ...]
    steps: tuple[Step, ...]
    app_settings: AppSettings = AppSettings()
    concurrency: int = 1
    log_lag: int = 0
    """How many seconds the change log is behind."""


# How it is drawn

_often = st.sampled_from
_account = st.builds(
    Account,
    _often(("one a", "one a", "one b", "two a", *PLACES)),
    _often(("bot", "bot", "chat")),
    _often(("none",) * 12 + TAGS),
    _often(("on", "on", "on", "absent", "absent", "off")),
    _often(("OpenAI",) * 4 + ("AIServices", "Face")),
)
_tag = _often(TAGS)
_index = st.integers(0, 4)
_colleague = st.builds(
    Colleague,
    _often(("keys on", "keys off", "tag", "tag", "anew", *DEEDS)),
    _index,
    _tag,
    _often((False, False, True)),
)
_moment = st.one_of(
    st.builds(At, st.just("write"), st.integers(1, 3)),
    st.builds(At, st.just("question")),
    st.builds(At, st.just("request"), st.integers(1, 16)),
)
_request = st.one_of(
    st.builds(At, st.just("write"), st.integers(1, 3)),
    st.builds(At, st.just("request"), st.integers(1, 16)),
)
_meanwhile = st.one_of(
    st.builds(Meanwhile, _moment, _colleague),
    st.builds(Meanwhile, _request, _often(INTERRUPTIONS)),
    st.builds(Meanwhile, _request, _often(TROUBLES)),
    st.builds(Meanwhile, st.just(At("question")), st.just("timer")),
)
_happens = st.one_of(st.just(()), st.lists(_meanwhile, min_size=1, max_size=2))
# What is refused is refused at once, and leads nowhere: it is drawn less often.
_sources = _often(("nowhere", "the environment", "a file", "a list", "the Function") * 5 + SOURCES)
_line = _often(("", "", "one", "mg-left", "mg-left") * 5 + SCOPES)
_by = _often(("name", "NAME", "group/name", "id", "id", "ID"))
_answer = _often(("", "y", "y", "n", "Ctrl-C"))
_given = {"settings": _sources, "line": _line, "by": _by, "meanwhile": _happens.map(tuple)}


def _flags(*some: str) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw flags; --yes is the one that most commands have."""
    some_of_them = st.lists(_often(some), max_size=2, unique=True)
    return st.builds(
        lambda yes, others: (*yes, *others),
        _often((("--yes",), ("--yes",), ("--yes",), ())),
        some_of_them,
    )


_sweep = st.builds(
    Command,
    st.just("sweep"),
    st.one_of(st.just(()), st.just(()), st.lists(_index, min_size=1, max_size=2).map(tuple)),
    flags=_flags("--enforce", "--release-brake", "--audit"),
    answer=_answer,
    document=st.booleans(),
    record=st.booleans(),
    **_given,
)
# One that mostly writes, if there is anything to write: without it there is nothing to undo.
_sure = st.builds(
    Command,
    st.just("sweep"),
    settings=_often(("nowhere", "the environment", "a file", "the Function")),
    line=_often(("", "", "mg-left")),
    flags=_often((("--yes", "--enforce", "--release-brake"),) * 2 + (("--yes",),)),
    document=st.booleans(),
    record=st.booleans(),
    meanwhile=_happens.map(tuple),
)
_exempt = st.builds(
    Command,
    st.just("exempt"),
    _index.map(lambda index: (index,)),
    flags=_flags("--replace", "--enable-keys", "--enable-keys"),
    answer=_answer,
    ends=_often(("--open-ended", "--for 1d", "--for 30d", "--for 90d")),
    says=st.lists(
        _often(("--reason=CHG0042", "--owner=web@contoso.com")), max_size=2, unique=True
    ).map(tuple),
    **_given,
)
# An account's id leads anywhere, and what was said bounds it.
_bounded = st.builds(
    Command,
    st.just("exempt"),
    _index.map(lambda index: (index,)),
    line=_often(("mg-left", "mg-right")),
    says=st.just(("--reason=CHG0042",)),
)
_remove = st.builds(Command, st.just("remove"), _index.map(lambda i: (i,)), **_given)
_undo = st.builds(
    Command,
    st.just("undo"),
    which=_often((0, 0, 0, 1)),
    flags=_often((("--yes",), ("--yes",), ("--yes",), (), ("--dry-run",))),
    answer=_answer,
    as_printed=_often((True, True, True, False)),
    **_given,
)
_wait = st.builds(Wait, _often((0, 1, 6, 6, 60, 1500)))
# What leads somewhere more often than steps drawn each for itself.
_round = st.one_of(
    st.tuples(_sweep),
    st.tuples(_sweep, _sweep),
    st.tuples(_exempt),
    st.tuples(_bounded),
    st.tuples(_remove),
    st.tuples(_colleague),
    st.tuples(st.just(Timer())),
    st.tuples(_wait),
    st.tuples(_sure, _undo),
    st.tuples(_sure, _wait, _undo),
    st.tuples(_sure, _colleague, _wait, _undo),
    st.tuples(_sure, _exempt, _wait, _undo),
    st.tuples(_sure, st.just(Timer()), _wait, _undo),
    st.tuples(_exempt, _exempt),
)


def programs(*, most_rounds: int = 4) -> st.SearchStrategy[Program]:
    """Draw programs."""
    return st.builds(
        Program,
        accounts=st.lists(
            _account,
            min_size=2,
            max_size=5,
            unique_by=lambda account: (account.where, account.called),
        ).map(tuple),
        steps=st.lists(_round, min_size=2, max_size=most_rounds).map(
            lambda rounds: tuple(step for steps in rounds for step in steps)
        ),
        app_settings=st.builds(
            AppSettings,
            _often(("", "", "enforce", "audit")),
            _often(("", "", "", "", "one", "mg-left", "mg-right", "one and three")),
            _often(("", "", "", "one", "two")),
            _often(("local-auth-exempt", "local-auth-exempt", "keeps-keys")),
            _often(("", "", "", "", "OpenAI", "AIServices", "OpenAI,Face")),
            st.booleans(),
            _often((25, 25, 1, 1, 2)),
            st.booleans(),
            _often((False, False, False, False, True)),
        ),
        concurrency=_often((1, 1, 8)),
        log_lag=_often((0, 0, 90)),
    )
