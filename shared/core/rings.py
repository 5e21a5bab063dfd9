"""Where keys are turned off, and from when on: which ring decides for a subscription. Pure.

`ENFORCE_SCOPES` lists the rings: management groups and subscriptions, each with an optional moment.
A subscription that is listed itself decides for itself. Otherwise the latest moment of the listed
groups that contain it counts. In none of them it is audited. What could not be read never makes
more of it: a group that might put a subscription off keeps it audited until it can be read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar, Self

_ALWAYS = datetime.min.replace(tzinfo=UTC)
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InForce:
    """Keys go off."""

    mode: ClassVar[str] = "enforce"
    coming: ClassVar[datetime | None] = None
    ring: str
    """Which entry of ENFORCE_SCOPES decides; empty: there is none, and it is everywhere."""

    def __str__(self) -> str:
        return f"Ring {self.ring} is in force." if self.ring else "SWEEP_MODE is enforce."


@dataclass(frozen=True, slots=True)
class ToCome:
    """Keys go off from a moment on. Until then it is an audit."""

    mode: ClassVar[str] = "audit"
    coming: datetime
    ring: str
    """As above."""

    def __str__(self) -> str:
        what = f"Ring {self.ring} begins" if self.ring else "ENFORCE_FROM is"
        return f"{what} {written(self.coming)}: audit until then."


@dataclass(frozen=True, slots=True)
class Audited:
    """Keys stay on, and are reported."""

    mode: ClassVar[str] = "audit"
    coming: ClassVar[datetime | None] = None
    ring: ClassVar[str] = ""
    why: str
    """One sentence."""

    def __str__(self) -> str:
        return self.why


type Standing = InForce | ToCome | Audited
"""What is done about drift in a subscription."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One entry of `ENFORCE_SCOPES`."""

    name: str
    """A management group's id as it is written, or a subscription's in lower case."""
    begins: datetime | None = None
    """From when on it is in force; None: the moment of `ENFORCE_FROM`, or at once."""
    is_group: bool = True

    @property
    def key(self) -> str:
        """The name to compare by."""
        return self.name.lower()

    def __str__(self) -> str:
        return self.name if self.begins is None else f"{self.name}@{written(self.begins)}"


@dataclass(frozen=True, slots=True)
class Rings:
    """All that decides where keys are turned off. As it is made without arguments: nowhere."""

    enforces: bool = False
    """False: `SWEEP_MODE` is audit, which always wins."""
    begins: datetime | None = None
    """`ENFORCE_FROM`: from when on the rings that name no moment are in force."""
    listed: tuple[Ring, ...] = ()
    """`ENFORCE_SCOPES`; empty: everywhere in scope."""
    below: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The subscriptions below each ring, by its `key`; below one that is a subscription, itself.
    What is not here could not be read: an id that nobody knows may be a group's, too."""

    @property
    def groups(self) -> tuple[Ring, ...]:
        """The management groups among them."""
        return tuple(ring for ring in self.listed if ring.is_group)

    @property
    def subscriptions(self) -> tuple[Ring, ...]:
        """The subscriptions that are listed themselves."""
        return tuple(ring for ring in self.listed if not ring.is_group)

    def knowing(self, below: Mapping[str, frozenset[str]]) -> Self:
        """Return the same rings, with what was read of their groups."""
        return replace(self, below=below)

    def standing(self, subscription_id: str, now: datetime) -> Standing:
        """Say what is done about drift in a subscription; its id in lower case."""
        if not self.enforces:
            return Audited("Audit mode changes nothing.")
        if not self.listed:
            return self._from(None, now)
        own, found, unread = self._sorted_out(subscription_id)
        if own:
            return self._by_the_latest(own, now)
        if not found:
            return Audited(_outside(unread))
        later = [ring for ring in unread if self._moment(ring) > now]
        if later:
            return Audited(f"{_named(later)} could not be read, and could put it off.")
        return self._by_the_latest(found, now)

    def in_the_end(self, subscription_id: str) -> Standing:
        """Say what is done once every moment has come, if SWEEP_MODE is enforce by then."""
        return replace(self, enforces=True).standing(subscription_id, _AFTER_ALL)

    def at(self, now: datetime) -> "Standings":
        """Return how they stand at a moment."""
        return Standings(self, now)

    def notice(self, now: datetime) -> datetime | None:
        """Return when the first of them comes into force, if none is yet."""
        first = min(map(self._moment, self.listed or (None,)))
        return first if self.enforces and now < first else None

    def may_write(self, now: datetime) -> bool:
        """Whether any of them is in force."""
        return self.enforces and self.notice(now) is None

    def _sorted_out(self, subscription_id: str) -> tuple[list[Ring], list[Ring], list[Ring]]:
        """Return the rings that are the subscription, that contain it, and that may contain it."""
        own, found, unread = list[Ring](), list[Ring](), list[Ring]()
        for ring in self.listed:
            key = ring.key
            if not ring.is_group and key == subscription_id:
                own.append(ring)
            elif key not in self.below:
                unread.append(ring)
            elif subscription_id in self.below[key]:
                found.append(ring)
        return own, found, unread

    def _moment(self, ring: Ring | None) -> datetime:
        """Return from when on a ring is in force; None: everywhere in scope."""
        own = ring.begins if ring is not None else None
        return own or self.begins or _ALWAYS

    def _by_the_latest(self, rings: Iterable[Ring], now: datetime) -> Standing:
        return self._from(max(rings, key=self._moment), now)

    def _from(self, ring: Ring | None, now: datetime) -> Standing:
        moment, name = self._moment(ring), str(ring or "")
        return ToCome(moment, name) if now < moment else InForce(name)


@dataclass(frozen=True, slots=True)
class Standings:
    """The rings as they stand at one moment, such as the beginning of a sweep."""

    rings: Rings
    now: datetime

    def of(self, subscription_id: str) -> Standing:
        """Say what is done about drift in a subscription."""
        return self.rings.standing(subscription_id, self.now)

    def in_force(self, subscription_ids: Iterable[str]) -> frozenset[str]:
        """Return the subscriptions in which keys go off."""
        return frozenset(name for name in subscription_ids if isinstance(self.of(name), InForce))

    def first_to_write(self, subscription_ids: Iterable[str]) -> frozenset[str]:
        """Return the subscriptions in which enforcing would change something first.

        Those where it would do so now, whatever SWEEP_MODE says; if there are none, those of the
        first moment to come.
        """
        enforced = replace(self.rings, enforces=True).at(self.now)
        standings = {name: enforced.of(name) for name in subscription_ids}
        coming = {name: found.coming for name, found in standings.items() if found.coming}
        first = min(coming.values(), default=None)
        return enforced.in_force(standings) or frozenset(
            name for name, moment in coming.items() if moment == first
        )


def written(moment: datetime) -> str:
    """Write a moment as `ENFORCE_SCOPES` takes it."""
    return f"{moment:%Y-%m-%dT%H:%M}Z" if moment.second == 0 else f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _outside(unread: Iterable[Ring]) -> str:
    names = _named(unread)
    if names:
        return f"It is in no ring of ENFORCE_SCOPES that could be read; {names} could not."
    return "It is in no ring of ENFORCE_SCOPES."


def _named(rings: Iterable[Ring]) -> str:
    return ", ".join(str(ring) for ring in rings)
