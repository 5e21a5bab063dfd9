"""What is known of who uses an account's keys, and what is not: values that say both. Pure.

Each kind of evidence is either what was read, with what it leaves open (`doubts`, a sentence each),
or `Unread`. Nothing stands for "none" but a reading that was whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from keysweep.impact.callers import NOBODYS_USE
from shared.core.model import Account, AccountId

LATE = timedelta(hours=2)
"""How late a row of the request log may come (azure-monitor-docs, logs/data-ingestion-time.md)."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """The time that is asked about: whole days, up to the moment before which the log is there."""

    end: datetime
    days: int

    @classmethod
    def before(cls, now: datetime, days: int) -> "Asked":
        """Return so many days, up to the moment before which no row of the log is still to come.

        It ends on a minute: metrics floor the begin of a span to one (recorded exchanges, fact 62).
        """
        return cls((now - LATE).replace(second=0, microsecond=0), days)

    @property
    def begin(self) -> datetime:
        """When it begins."""
        return self.end - self.days * _DAY

    def day(self, moment: datetime) -> int:
        """Return the day of a moment, counted from 0 at the begin; `days` is what comes after."""
        return min((moment - self.begin) // _DAY, self.days)

    def begin_of(self, day: int) -> datetime:
        """Return when a day begins."""
        return self.begin + day * _DAY


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read, and why."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what} could not be read: {self.why}"


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many calls the metrics count: of one day, deployment and status."""

    day: int
    deployment: str
    status: str
    """Empty: the metric does not say."""
    calls: int


@dataclass(frozen=True, slots=True)
class CallCounts:
    """The calls that an account had, as the metrics count them."""

    counts: tuple[CallCount, ...] = ()
    doubts: tuple[str, ...] = ()

    def used(self, day: int) -> int:
        """Count the calls of a day that were somebody's."""
        return sum(count.calls for count in self._used if count.day == day)

    def used_of(self, deployment: str | None) -> tuple[CallCount, ...]:
        """Return the counts of calls that were somebody's: of one deployment, or of all (None)."""
        return tuple(
            count for count in self._used if deployment in {None, count.deployment.casefold()}
        )

    @property
    def calls(self) -> int:
        """The calls that were somebody's."""
        return sum(count.calls for count in self._used)

    @property
    def refused(self) -> int:
        """The calls that were refused because nobody was known."""
        return sum(count.calls for count in self.counts if count.status == NOBODYS_USE)

    @property
    def _used(self) -> Iterable[CallCount]:
        return (count for count in self.counts if count.status != NOBODYS_USE)


class Caller(StrEnum):
    """Who made a call, as far as the request log tells."""

    KEY = "key"
    """The log has an object id, and it is empty."""
    IDENTITY = "identity"
    UNKNOWN = "unknown"
    """The row can't be parsed, or it has no object id at all."""


@dataclass(frozen=True, slots=True)
class LoggedCalls:
    """Calls of the request log that are alike, of one day."""

    day: int
    caller: Caller
    operation: str
    deployment: str
    status: str
    addresses: tuple[str, ...]
    """Client addresses, masked by Azure; empty where it gives none."""
    calls: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class RequestLog:
    """What the request log shows of the time that is asked about."""

    rows: tuple[LoggedCalls, ...] = ()
    doubts: tuple[str, ...] = ()

    def by(self, caller: Caller) -> int:
        """Count the calls that were somebody's, by who made them."""
        return sum(row.calls for row in self.used(caller))

    def used(self, caller: Caller) -> tuple[LoggedCalls, ...]:
        """Return the rows of calls that were somebody's, by who made them."""
        return tuple(row for row in self.rows if row.caller is caller and row.status != NOBODYS_USE)

    @property
    def since(self) -> datetime | None:
        """When the first row is of; None: there is none."""
        return min((row.first for row in self.rows), default=None)

    @property
    def last_keyed(self) -> datetime | None:
        """When the last call with a key was made; None: it shows none."""
        return max((row.last for row in self.used(Caller.KEY)), default=None)


@dataclass(frozen=True, slots=True)
class Logged:
    """The account's request log goes to these workspaces now."""

    workspaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotLogged:
    """The account's request log goes to no workspace now."""

    elsewhere: tuple[str, ...] = ()
    """Where it does go: storage, an event hub."""


@dataclass(frozen=True, slots=True)
class KeyFetch:
    """Somebody fetched the keys of an account."""

    at: datetime
    by: str
    client: str
    address: str = ""

    @property
    def who(self) -> str:
        """Who it was, in words."""
        return f"{self.by} with {self.client}" if self.client else self.by


@dataclass(frozen=True, slots=True)
class KeyFetches:
    """Who fetched keys, the last one first."""

    fetches: tuple[KeyFetch, ...] = ()


class Holds(StrEnum):
    """Whether a connection holds a key."""

    KEY = "key"
    NO_KEY = "noKey"
    UNKNOWN = "unknown"
    """Its kind of authentication is none that we know."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of a Foundry account or project that leads to an account."""

    name: str
    holder: AccountId
    project: str
    """Empty: it is the account's own."""
    category: str
    auth_type: str
    holds: Holds

    @property
    def place(self) -> str:
        """Where it is, in words."""
        project = f", project {self.project}" if self.project else ""
        return f"{self.holder.name}{project}"


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections in scope that lead to an account."""

    found: tuple[Connection, ...] = ()
    doubts: tuple[str, ...] = ()

    def holding(self, holds: Holds) -> tuple[Connection, ...]:
        """Return those that hold a key, that do not, or of which nobody knows."""
        return tuple(connection for connection in self.found if connection.holds is holds)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a role that lets them use an account without a key."""

    principal: str
    kind: str
    """`User`, `ServicePrincipal`, `Group`: whoever is in a group is not seen."""
    role: str
    scope: str


@dataclass(frozen=True, slots=True)
class EntraUse:
    """Whether anybody could use an account with Entra ID."""

    holders: tuple[Holder, ...]
    has_subdomain: bool
    network: str = ""
    """Who reaches it, in words; empty: it is not known."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one account."""

    account: Account
    asked: Asked
    calls: CallCounts | Unread
    log: RequestLog | Unread
    logging: Logged | NotLogged | Unread
    fetches: KeyFetches | Unread
    connections: Connections | Unread
    entra: EntraUse | Unread

    @property
    def parts(self) -> Sequence[object]:
        """Each kind of evidence, in the order of the table in docs/impact.md."""
        return (
            *(self.calls, self.log, self.logging),
            *(self.fetches, self.connections, self.entra),
        )

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read."""
        return tuple(part for part in self.parts if isinstance(part, Unread))
