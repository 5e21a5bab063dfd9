"""Writes a person's changes of an account: the tag, and keys on. Each is read back."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field

from keysweep.advice import UsageProblem
from keysweep.session import Session
from keysweep.stopping import unless_stopped
from keysweep.wish import Wish, check_it_counts, check_it_has_room, in_words
from keysweep.words import where
from shared.core.errors import (
    KeysweepError,
    OutOfTime,
    Refused,
    Stale,
    Stopped,
    Throttled,
    Unclear,
)
from shared.core.exemption import exact, read_exemption
from shared.core.model import Account, AccountId, Exempt
from shared.steps.remediation import FRESH_SECONDS, READ_BACK_PAUSES, is_at_rest


class ChangedMeanwhile(KeysweepError):
    """What a person was shown is not so any more: nothing was sent."""


@dataclass(slots=True)
class Steps:
    """The changes that a command sets out to make to an account, and how far they are."""

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

    @property
    def are_done(self) -> bool:
        """Whether each of them reads back."""
        return all(state == "done" for state in self.states.values())

    def __str__(self) -> str:
        return "; ".join(f"{name}: {state}" for name, state in self.states.items()).capitalize()


TAG, KEYS, REMOVAL = "the tag", "turning keys on", "taking the tag away"


@dataclass(frozen=True, slots=True)
class AccountWriter:
    """Writes exemptions and turns keys on: one account at a time, read back each time.

    Once `stop` is set nothing more is begun, and every wait ends: Stopped is raised. Everything
    here raises AzureError, and ChangedMeanwhile where an account is not as a person was shown it.
    """

    session: Session
    steps: Steps = field(default_factory=Steps.of)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def _tag(self) -> str:
        return self.session.settings.rules.tag

    async def grant(self, shown: Account, wish: Wish) -> Account:
        """Merge the tag, and return the account once it reads back as exempt.

        Raises UsageProblem if a sweep would hold it all the same.
        """
        settings, today = self.session.settings, self.session.today
        value = wish.value(self._tag, today)
        check_it_counts(shown.id, value, settings.scope, settings.rules, today)

        async def merge(account: Account, leave_by: float) -> None:
            reader = self.session.parts.account_reader()
            self._check_as_shown(shown, await reader.with_levels(account))
            with self.steps.sending(TAG):
                await self.merge(account, value, leave_by)

        await self.unit(shown.id, merge)
        found = await self.reads_back(shown.id, value)
        self.steps.done(TAG)
        return found

    def _check_as_shown(self, shown: Account, now: Account) -> None:
        """Raise ChangedMeanwhile for an account that is not the one that a person was shown."""
        self._check_same_account(shown, now)
        before, after = self._ours(shown), self._ours(now)
        if before != after:
            raise ChangedMeanwhile(
                f"{where(now.id)}: its tag was {in_words(before)} when it was shown, and is "
                f"{in_words(after)} now. Nothing was sent: run this again."
            )
        if self._above(shown) != self._above(now):
            raise ChangedMeanwhile(
                f"{where(now.id)}: what its resource group or subscription says of exemptions is "
                "not as it was when it was shown. Nothing was sent: run this again."
            )

    def _check_same_account(self, shown: Account, now: Account) -> None:
        """Raise ChangedMeanwhile for another account of the same name, or one out of scope."""
        problem = self.session.settings.scope.leaves_out(now)
        if shown.created_at != now.created_at:
            problem = "It was deleted and created again meanwhile."
        if problem:
            raise ChangedMeanwhile(f"{where(now.id)}: {problem} Nothing more was sent.")

    async def merge(self, account: Account, value: str, leave_by: float) -> None:
        """Send the tag, spelled as it is spelled there.

        Raises UsageProblem if the account has no room for it.
        """
        spelled = list(self._ours(account))
        check_it_has_room(account, self._tag)
        name = spelled[0] if spelled else self._tag
        await self.session.azure.merge_tag(account.id, name, value, leave_by)

    async def reads_back(self, account_id: AccountId, value: str) -> Account:
        """Return the account once its tag has this value."""
        return await self._until(
            account_id,
            lambda account: value in self._ours(account).values(),
            "The tag was sent, and does not read back yet.",
        )

    async def withdraw(self, shown: Account) -> None:
        """Take the tag away that was shown."""

        async def delete(account: Account, leave_by: float) -> None:
            self._check_as_shown(shown, account)
            with self.steps.sending(REMOVAL):
                await self.session.azure.delete_tags(account.id, self._ours(account), leave_by)

        await self.unit(shown.id, delete)
        await self._until(
            shown.id,
            lambda account: not self._ours(account),
            "The tag was taken away, and still reads back: perhaps somebody changed it meanwhile.",
        )
        self.steps.done(REMOVAL)

    async def enable_keys(self, exempted: Account) -> None:
        """Turn keys on, if this moment's read says exempt, and read back."""
        account_id = exempted.id

        async def enable(account: Account, leave_by: float) -> None:
            today = self.session.today
            if not isinstance(read_exemption(account.tags, self._tag, today), Exempt):
                raise Refused(
                    "Turning local auth on for",
                    str(account_id),
                    code="NotExempt",
                    message="Its exemption is not there any more. Nothing was sent.",
                )
            self._check_same_account(exempted, account)
            if not account.keys_on:
                with self.steps.sending(KEYS):
                    await self.session.azure.enable_local_auth(account_id, leave_by)

        await self.unit(account_id, enable)
        await self.accepts_keys(account_id)
        self.steps.done(KEYS)

    async def accepts_keys(self, account_id: AccountId) -> None:
        """Return once the account accepts keys, and no operation may yet undo that."""
        await self._until(
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

    async def unit(
        self, account_id: AccountId, write: Callable[[Account, float], Awaitable[None]]
    ) -> None:
        """Wait, read, write: no write leaves on a read that is older than five seconds.

        A write that Azure did not answer clearly is read back by who asked for it. Raises OutOfTime
        where Azure asks to wait for longer than there is time.
        """
        parts = self.session.parts
        while True:
            try:
                async with AsyncExitStack() as permit:
                    async with unless_stopped(self.stop):
                        await permit.enter_async_context(
                            parts.pace.unit(account_id.subscription_id, reads=1)
                        )
                        leave_by = parts.clock.monotonic() + FRESH_SECONDS
                        account = await self.session.azure.account(account_id)
                    if self.stop.is_set():
                        raise Stopped
                    with contextlib.suppress(Unclear):
                        await write(account, leave_by)
                    return
            except OutOfTime:
                raise
            except (Stale, Throttled):
                if parts.deadline.left <= 0:
                    raise

    async def _until(
        self, account_id: AccountId, holds: Callable[[Account], bool], otherwise: str
    ) -> Account:
        """Read an account back until something holds of it."""
        for pause in READ_BACK_PAUSES:
            async with unless_stopped(self.stop):
                await self.session.clock.sleep(pause)
                account = await self.session.azure.account(account_id)
            if holds(account):
                return account
        raise Unclear("Reading back", str(account_id), code="NotReadBack", message=otherwise)
