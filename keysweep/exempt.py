"""`keysweep exempt`: give an account its exemption, take it away, or list them all.

Always in this order: the tag is merged, read back, and judged as a sweep judges it; only then are
keys turned on. A sweep in between finds the tag.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from datetime import date, timedelta
from typing import assert_never

from rich.text import Text

from keysweep.border.operator import Operator
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS, STOPPED
from keysweep.in_force import in_force
from keysweep.names import distinct, resolve, scope_of, where
from keysweep.screen import Screen, counted, grid, shown
from keysweep.session import Given, UsageProblem, interrupts, told, unless_stopped
from shared.core.decision import decide
from shared.core.errors import (
    AzureError,
    KeysweepError,
    OutOfTime,
    Refused,
    Stale,
    Stopped,
    Throttled,
    Unclear,
)
from shared.core.exemption import exact, nearest_exemption, read_exemption
from shared.core.model import (
    Account,
    AccountId,
    Decision,
    Exempt,
    Lapsed,
    Level,
    NotExempt,
    Unreadable,
    Verdict,
)
from shared.steps.remediation import FRESH_SECONDS, READ_BACK_PAUSES, is_at_rest
from shared.workspace import Parts

LONGEST_VALUE = 256
MOST_TAGS = 50
"""Azure's limits (azure-docs, tag-resources)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person wants the tag to say. No day: open-ended."""

    until: date | None
    reason: str
    owner: str

    def value(self, tag: str, today: date) -> str:
        """Write the tag's value. Raises UsageProblem if it would not exempt, or not fit."""
        if self.until is not None and self.until < today:
            raise UsageProblem(f"{self.until} has passed: an exemption ends in the future.")
        for name, text in (("--reason", self.reason), ("--owner", self.owner)):
            if ";" in text or not text.isprintable():
                raise UsageProblem(
                    f"{name} can't hold a semicolon or a control character: {text!r}."
                )
        fields = {
            "until": self.until.isoformat() if self.until else "",
            "reason": self.reason.strip(),
            "owner": self.owner.strip(),
        }
        value = "; ".join(f"{name}={text}" for name, text in fields.items() if text) or "true"
        if len(value) > LONGEST_VALUE:
            raise UsageProblem(
                f"The tag's value would have {len(value)} characters, and Azure takes "
                f"{LONGEST_VALUE}: shorten --reason by {len(value) - LONGEST_VALUE}."
            )
        if read_exemption({tag: value}, tag, today) != Exempt(
            self.until, fields["reason"], fields["owner"]
        ):
            raise UsageProblem(f"A sweep would not read {value!r} as this exemption.")
        return value


class ChangedMeanwhile(KeysweepError):
    """What a person was shown is not so any more: nothing was sent."""


@dataclass(slots=True)
class Steps:
    """The changes that a command sets out to make to an account, and how far each of them is."""

    states: dict[str, str]

    @classmethod
    def of(cls, *names: str) -> "Steps":
        """Set out to make these."""
        return cls(dict.fromkeys(names, "not begun"))

    @contextmanager
    def sending(self, name: str) -> Iterator[None]:
        """Note that one is sent; what Azure refuses has not begun."""
        self.states[name] = "sent, and not read back"
        try:
            yield
        except (Refused, UsageProblem):
            self.states[name] = "not begun"
            raise

    def done(self, name: str) -> None:
        """Say that one reads back."""
        self.states[name] = "done"

    @property
    def have_begun(self) -> bool:
        """Whether any of them was sent, and not refused."""
        return any(state != "not begun" for state in self.states.values())

    def __str__(self) -> str:
        return "; ".join(f"{name}: {state}" for name, state in self.states.items())


_TAG, _KEYS, _REMOVAL = "the tag", "turning keys on", "taking the tag away"


@dataclass(frozen=True, slots=True)
class Exempting:
    """Writes exemptions and turns keys on: one account at a time, read back each time.

    Once `stop` is set nothing more is begun, and every wait ends: Stopped is raised.
    """

    parts: Parts
    azure: Operator
    steps: Steps = field(default_factory=Steps.of)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def _tag(self) -> str:
        return self.parts.settings.rules.tag

    async def grant(self, shown: Account, wish: Wish) -> Account:
        """Merge the tag, and return the account once it reads back as exempt.

        Raises ChangedMeanwhile if the account is not as it was shown, UsageProblem if a sweep would
        hold it all the same, AzureError.
        """
        today = self.parts.clock.now().date()
        value = wish.value(self._tag, today)
        self.check_it_counts(shown.id, value, today)

        async def merge(account: Account, leave_by: float) -> None:
            self._check_it_is_as(shown, await self.parts.second_look().with_levels(account))
            with self.steps.sending(_TAG):
                await self.merge(account, value, leave_by)

        await self.unit(shown.id, merge)
        found = await self.reads_back(shown.id, value)
        self.steps.done(_TAG)
        return found

    def _check_it_is_as(self, shown: Account, now: Account) -> None:
        """Raise ChangedMeanwhile for an account that is not the one that a person was shown."""
        self._check_it_is(shown, now)
        before, after = self._ours(shown), self._ours(now)
        if before != after:
            raise ChangedMeanwhile(
                f"{where(now.id)}: its tag was {_tags(before)} when it was shown, and is "
                f"{_tags(after)} now. Nothing was sent: run this again."
            )
        if self._above(shown) != self._above(now):
            raise ChangedMeanwhile(
                f"{where(now.id)}: what its resource group or subscription says of exemptions is "
                "not as it was when it was shown. Nothing was sent: run this again."
            )

    def _check_it_is(self, shown: Account, now: Account) -> None:
        """Raise ChangedMeanwhile for another account of the same name, or one out of scope."""
        problem = self.parts.settings.scope.leaves_out(now)
        if shown.created_at != now.created_at:
            problem = "It was deleted and created again meanwhile."
        if problem:
            raise ChangedMeanwhile(f"{where(now.id)}: {problem} Nothing more was sent.")

    async def merge(self, account: Account, value: str, leave_by: float) -> None:
        """Send the tag, spelled as it is spelled there.

        Raises UsageProblem if the account has no room for it, AzureError.
        """
        spelled = list(self._ours(account))
        if not spelled and len(account.tags) >= MOST_TAGS:
            raise UsageProblem(
                f"{account.id.name} has {len(account.tags)} tags, and Azure takes {MOST_TAGS}: "
                "take one away first."
            )
        name = spelled[0] if spelled else self._tag
        await self.azure.merge_tag(account.id, name, value, leave_by)

    async def reads_back(self, account_id: AccountId, value: str) -> Account:
        """Return the account once its tag has this value. Raises AzureError."""
        return await self.until(
            account_id,
            lambda account: value in self._ours(account).values(),
            "The tag was sent, and does not read back yet.",
        )

    async def withdraw(self, shown: Account) -> None:
        """Take the tag away that was shown.

        Raises ChangedMeanwhile if the account is not as it was shown, AzureError.
        """

        async def delete(account: Account, leave_by: float) -> None:
            self._check_it_is_as(shown, account)
            with self.steps.sending(_REMOVAL):
                await self.azure.delete_tags(account.id, self._ours(account), leave_by)

        await self.unit(shown.id, delete)
        await self.until(
            shown.id,
            lambda account: not self._ours(account),
            "The tag was taken away, and still reads back: perhaps somebody changed it meanwhile.",
        )
        self.steps.done(_REMOVAL)

    async def enable_keys(self, exempted: Account) -> None:
        """Turn keys on, if this moment's read says exempt, and read back.

        Raises ChangedMeanwhile if the account is another than was exempted, AzureError.
        """
        account_id = exempted.id

        async def enable(account: Account, leave_by: float) -> None:
            today = self.parts.clock.now().date()
            exemption = read_exemption(account.tags, self._tag, today)
            if not isinstance(exemption, Exempt):
                raise Refused(
                    "Turning local auth on for",
                    str(account_id),
                    code="NotExempt",
                    message="Its exemption is not there any more. Nothing was sent.",
                )
            self._check_it_is(exempted, account)
            if not account.keys_on:
                with self.steps.sending(_KEYS):
                    await self.azure.enable_local_auth(account_id, leave_by)

        await self.unit(account_id, enable)
        await self.accepts_keys(account_id)
        self.steps.done(_KEYS)

    async def accepts_keys(self, account_id: AccountId) -> None:
        """Return once the account accepts keys, and no operation may yet undo that.

        Raises AzureError.
        """
        await self.until(
            account_id,
            lambda account: account.keys_on and is_at_rest(account),
            "The change was sent, and keys read off, or its operation is still running.",
        )

    def _ours(self, account: Account) -> dict[str, str]:
        return exact(account.tags, self._tag)

    def _above(self, account: Account) -> list[dict[str, str] | None]:
        """Return our tag at each level above that was read; None: it can't be."""
        return [
            None if level.tags is None else exact(level.tags, self._tag) for level in account.above
        ]

    def check_it_counts(self, account_id: AccountId, value: str, today: date) -> None:
        """Judge the tag as a sweep would. Raises UsageProblem if it would be held."""
        settings = self.parts.settings
        kind = settings.scope.kinds[0]
        tagged = Account(account_id, kind, "", keys_on=True, tags={self._tag: value})
        decision = decide(tagged, settings.scope, settings.rules, today)
        if decision.verdict is not Verdict.EXEMPT:
            raise UsageProblem(f"A sweep would hold the account all the same: {decision.reason}")

    async def unit(
        self, account_id: AccountId, write: Callable[[Account, float], Awaitable[None]]
    ) -> None:
        """Wait, read, write: no write leaves on a read that is older than five seconds.

        A write that Azure did not answer clearly is read back by who asked for it. Raises
        AzureError; OutOfTime where Azure asks to wait for longer than there is time, Stopped where
        a person did not want it any more.
        """
        while True:
            try:
                async with AsyncExitStack() as permit:
                    async with unless_stopped(self.stop):
                        await permit.enter_async_context(
                            self.parts.pace.unit(account_id.subscription_id, reads=1)
                        )
                        leave_by = self.parts.clock.monotonic() + FRESH_SECONDS
                        account = await self.azure.account(account_id)
                    if self.stop.is_set():
                        raise Stopped
                    with contextlib.suppress(Unclear):
                        await write(account, leave_by)
                    return
            except OutOfTime:
                raise
            except (Stale, Throttled):
                if self.parts.deadline.left <= 0:
                    raise

    async def until(
        self, account_id: AccountId, holds: Callable[[Account], bool], otherwise: str
    ) -> Account:
        """Read an account back until something holds of it. Raises AzureError."""
        for pause in READ_BACK_PAUSES:
            async with unless_stopped(self.stop):
                await self.parts.clock.sleep(pause)
                account = await self.azure.account(account_id)
            if holds(account):
                return account
        raise Unclear("Reading back", str(account_id), code="NotReadBack", message=otherwise)


async def exempt(
    parts: Parts,
    screen: Screen,
    given: Given,
    name: str,
    wish: Wish,
    *,
    enable_keys: bool,
    yes: bool,
    replace: bool,
) -> int:
    """Exempt one account; with `enable_keys`, turn its keys on after that. Returns the exit code.

    Raises UsageProblem, ChangedMeanwhile, AzureError.
    """
    today, tag = parts.clock.now().date(), parts.settings.rules.tag
    wish.value(tag, today)
    found = await resolve(parts, await scope_of(parts), name)
    account = await parts.second_look().with_levels(found)
    wish, question = _over(account, tag, wish, today)
    screen.say(await in_force(parts, given))
    if question is not None and not _agreed(screen, question, yes=yes, replace=replace):
        screen.say("Nothing was changed.")
        return REMAINS
    # However long the person thought, the time budget begins now.
    parts = parts.again()
    steps = Steps.of(_TAG, _KEYS) if enable_keys else Steps.of(_TAG)
    exempting = Exempting(parts, Operator(parts), steps)

    async def work() -> None:
        found = await exempting.grant(account, wish)
        until = f"until {wish.until}" if wish.until else "without an end"
        screen.show(f"{where(account.id)} is exempt {until}: the tag reads back.")
        if not enable_keys:
            if not found.keys_on:
                screen.note("Its keys are off. --enable-keys turns them on.")
            return
        await exempting.enable_keys(found)
        screen.show(
            f"{where(account.id)} accepts keys again: Azure Resource Manager says so, and the "
            "gateway follows within minutes, at most hours."
        )

    return await _run(screen, exempting, work())


async def _run(screen: Screen, exempting: Exempting, work: Awaitable[None]) -> int:
    """Do it, or say how far it was when a person stopped it, or something else did.

    Raises as `work`, where nothing was begun.
    """
    running = asyncio.ensure_future(work)
    try:
        with interrupts(screen, exempting.stop, running):
            await running
    except (Stopped, asyncio.CancelledError):
        screen.problem(f"Stopped. {str(exempting.steps).capitalize()}.")
        return NOT_WHOLE if exempting.steps.have_begun else STOPPED
    except KeysweepError as error:
        if not exempting.steps.have_begun:
            raise
        screen.problem(f"{told(error)}\n{str(exempting.steps).capitalize()}.")
        return NOT_WHOLE
    return FINE


@dataclass(frozen=True, slots=True)
class _Question:
    """What stands on an account, what would stand there, and what that takes away."""

    text: str
    takes_away: str
    """What the exemption loses, in a sentence; empty: nothing."""


def _over(account: Account, tag: str, wish: Wish, today: date) -> tuple[Wish, _Question | None]:
    """Lay a wish over the exemption that is there: what was not given is kept.

    A tag of the account itself is replaced; one of a level above it counts no more beside it.
    Returns the wish, and the question that the person has to answer; None if nothing is lost.
    """
    there = list(exact(account.tags, tag).values())
    old = nearest_exemption(account.tags, account.above, tag, today)
    if isinstance(old, Level):
        text = f"{where(account.id)}: the tags of its {old} can't be read, and could exempt it."
        return wish, _Question(text, "It may end sooner then.") if wish.until is not None else None
    if there:
        now = f"{tag}={there[0]!r}"
    elif isinstance(old, Exempt):
        ends = f"until {old.until}" if old.until is not None else "open-ended"
        now = f"exempt {ends} by the tag of its {old.level}"
    else:
        return wish, None
    kept = old if isinstance(old, Exempt | Lapsed) else Exempt()
    wish = replace_fields(wish, reason=wish.reason or kept.reason, owner=wish.owner or kept.owner)
    try:
        new = wish.value(tag, today)
    except UsageProblem as error:
        raise UsageProblem(
            f"{where(account.id)} has this now: {now}. Its reason and owner can't be kept as they "
            f"are: give --reason and --owner. {error}"
        ) from error
    if new in there:
        return wish, None
    match old:
        case Exempt(until):
            ends_first = until is None or (wish.until is not None and wish.until < until)
            takes = "It ends sooner then." if wish.until is not None and ends_first else ""
        case Unreadable():
            takes = "It can't be read: what it was to say is lost then."
        case Lapsed() | NotExempt():
            takes = ""
        case _:
            assert_never(old)
    if not there and not takes:
        return wish, None
    text = (
        f"{where(account.id)} has {'this tag' if there else 'an exemption'} already:\n"
        f"  now:  {now}\n"
        f"  then: {tag}={new!r}"
    )
    return wish, _Question(text, takes)


def _agreed(screen: Screen, question: _Question, *, yes: bool, replace: bool) -> bool:
    """Ask whether a tag may be replaced; --yes answers for what takes nothing away.

    Raises UsageProblem if nobody is there to be asked.
    """
    screen.say(question.text)
    if replace or (yes and not question.takes_away):
        return True
    if not screen.can_ask:
        flag = "--replace" if question.takes_away else "--yes"
        raise UsageProblem(
            f"Nobody is there to be asked: say {flag}. {question.takes_away}".strip()
        )
    return screen.ask(f"{question.takes_away} Replace it?".strip())


async def remove(parts: Parts, screen: Screen, given: Given, name: str) -> int:
    """Take one account's exemption away, and say what the next sweep makes of it.

    Returns the exit code. Raises UsageProblem, ChangedMeanwhile, AzureError.
    """
    account = await resolve(parts, await scope_of(parts), name)
    settings = parts.settings
    held = exact(account.tags, settings.rules.tag)
    if not held:
        raise UsageProblem(f"{where(account.id)} has no tag {settings.rules.tag!r}.")
    screen.say(await in_force(parts, given))
    exempting = Exempting(parts, Operator(parts), Steps.of(_REMOVAL))

    async def work() -> None:
        await exempting.withdraw(account)
        taken = f"The tag of {where(account.id)} was taken away ({_tags(held)})."
        try:
            async with unless_stopped(exempting.stop):
                found = await parts.second_look().read(account.id)
        except Stopped:
            raise
        except AzureError as error:
            screen.show(f"{taken} What the next sweep makes of it can't be told: {told(error)}")
            return
        now = decide(found, settings.scope, settings.rules, parts.clock.now().date())
        screen.show(f"{taken} {_next(now)}")

    return await _run(screen, exempting, work())


def _tags(tags: Mapping[str, str]) -> str:
    """Write tags as a person reads them."""
    return ", ".join(f"{name}={value!r}" for name, value in tags.items()) or "not there"


def _next(now: Decision) -> str:
    """Say what the next sweep makes of an account."""
    match now.verdict:
        case Verdict.DRIFT:
            return "Its keys are on: the next sweep that enforces turns them off."
        case Verdict.COMPLIANT:
            return "Its keys are off."
        case Verdict.EXEMPT:
            return f"It is still exempt: {now.reason}"
        case Verdict.HELD:
            return f"The next sweep holds it: {now.reason}"
        case Verdict.OUT_OF_SCOPE:
            return f"It is out of scope: {now.reason}"
        case _:
            assert_never(now.verdict)


async def listing(parts: Parts, screen: Screen) -> int:
    """Show every account with a tag of ours, and the days that it has left.

    Returns the exit code.
    """
    today, rules = parts.clock.now().date(), parts.settings.rules
    with screen.spinner() as progress:
        progress.add_task("Looking for exemptions")
        inventory = await parts.discovery().discover()
    drawn = grid("days left", "until", "keys", "account", "reason")
    covered = [coverage.subscription for coverage in inventory.coverage]
    names = distinct({subscription.id: subscription.name for subscription in covered})
    found = sorted(
        (decide(account, parts.settings.scope, rules, today) for account in inventory.accounts),
        key=lambda decision: (_last_day(decision.exemption), decision.account.id.key),
    )
    count = 0
    for decision in found:
        cells = _cells(decision, today, names)
        if cells is not None:
            count += 1
            drawn.add_row(*cells)
    if count:
        screen.show(drawn, "")
    screen.show(shown(f"{counted(count, 'account')} with the tag {rules.tag}.", "bold"))
    for gap in inventory.gaps:
        screen.problem(f"Not seen: {gap.kind} {gap.name}: {told(gap.problem)}")
    return NOT_WHOLE if inventory.gaps else FINE


def _cells(decision: Decision, today: date, names: Mapping[str, str]) -> tuple[Text, ...] | None:
    account, style = decision.account, ""
    match decision.exemption:
        case Exempt(until, reason, owner):
            left = str((until - today).days) if until else "open-ended"
        case Lapsed(until, reason, owner):
            left, style = str((until - today).days), "red"
        case Unreadable(raw, problem):
            until, owner, reason = None, "", f"{raw!r}: {problem}"
            left, style = "unreadable", "red"
        case NotExempt():
            return None
        case _:
            assert_never(decision.exemption)
    place = names.get(account.id.subscription_id, account.id.subscription_id)
    because = shown(reason)
    if owner:
        because.append(shown(f" ({owner})" if reason else owner, "dim"))
    return (
        shown(left, style),
        shown(until or ""),
        shown("on" if account.keys_on else "off", "" if account.keys_on else "dim"),
        shown(account.id.name).append(shown(f" {account.id.resource_group} · {place}", "dim")),
        because,
    )


def _last_day(exemption: object) -> date:
    until = exemption.until if isinstance(exemption, Exempt | Lapsed) else date.min
    return until or date.max


def days(text: str) -> timedelta:
    """Read a span such as `14d` or `2w`. Raises ValueError."""
    number, unit = text[:-1], text[-1:].lower()
    if not (number.isascii() and number.isdigit() and unit in {"d", "w"} and int(number) > 0):
        raise ValueError(text)
    return timedelta(days=int(number) * (7 if unit == "w" else 1))
