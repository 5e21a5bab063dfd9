"""Gives accounts their exemption, several at a time: each is tagged, and the tag read back."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from keysweep.advice import for_person
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS, STOPPED
from keysweep.session import Session
from keysweep.stopping import worked_through
from keysweep.wish import Wish
from keysweep.words import counted, the_first, where
from keysweep.writer import KEYS, TAG, AccountWriter, Steps
from shared.core.errors import KeysweepError, Stopped
from shared.core.model import Account


@dataclass(frozen=True, slots=True)
class Grant:
    """An account, as a person was shown it, and what its tag is to say."""

    account: Account
    wish: Wish


@dataclass(slots=True)
class Granting:
    """Gives exemptions, and says of each what became of it, as it happens."""

    session: Session
    tell: Callable[[str], None]
    """Takes what was done, a sentence each."""
    enable_keys: bool = False
    """Whether keys go on after that."""
    done: list[Grant] = field(default_factory=list)
    """The exemptions that read back."""
    _errors: dict[str, KeysweepError] = field(default_factory=dict)
    _steps: dict[str, Steps] = field(default_factory=dict)
    """How far each account is that was taken in hand, by `AccountId.key`."""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def give(self, grants: Sequence[Grant]) -> int:
        """Give them. Returns the exit code.

        Raises KeysweepError where it is about one account alone, and nothing was begun with it.
        """
        screen = self.session.screen

        async def work(grant: Grant) -> str:
            await self._give_one(grant, is_alone=len(grants) == 1)
            return ""

        if not await worked_through(
            screen,
            self._stop,
            "Exempting",
            grants,
            lambda grant: grant.account.id.subscription_id,
            work,
        ):
            self._stop.set()
        (only, *more) = grants
        error = None if more else self._errors.get(only.account.id.key)
        if error is not None and not self._steps[only.account.id.key].have_begun:
            raise error
        if self._stop.is_set():
            return self._stopped(grants)
        if more:
            failed = f" {len(self._errors)} could not be." if self._errors else ""
            screen.say(f"{counted(len(self.done), 'account')} exempt.{failed}")
        return NOT_WHOLE if self._errors else FINE

    def became(self, grant: Grant) -> tuple[str, str]:
        """Return what became of an account, in one word, and what stood in the way."""
        error = self._errors.get(grant.account.id.key)
        if error is not None:
            steps = self._steps[grant.account.id.key]
            return "FAILED", f"{for_person(error)} {steps}."
        return "EXEMPT" if grant in self.done else "NOT_ATTEMPTED", ""

    async def _give_one(self, grant: Grant, *, is_alone: bool) -> None:
        account_id = grant.account.id
        steps = Steps.of(TAG, KEYS) if self.enable_keys else Steps.of(TAG)
        self._steps[account_id.key] = steps
        try:
            await self._write(grant, AccountWriter(self.session, steps, self._stop))
        except Stopped:
            raise
        except KeysweepError as error:
            self._errors[account_id.key] = error
            if not is_alone:
                self.session.screen.problem(f"{where(account_id)}: {for_person(error)}\n{steps}.")
            elif steps.have_begun:
                self.session.screen.problem(f"{for_person(error)}\n{steps}.")

    async def _write(self, grant: Grant, writer: AccountWriter) -> None:
        """Tag it, and with `enable_keys` turn its keys on. Raises as the writer does."""
        name, until = where(grant.account.id), grant.wish.until
        found = await writer.grant(grant.account, grant.wish)
        self.done.append(grant)
        ends = f"until {until}" if until else "without an end"
        self.tell(f"{name} is exempt {ends}: the tag reads back.")
        if self.enable_keys:
            await writer.enable_keys(found)
            self.tell(
                f"{name} accepts keys again: Azure Resource Manager says so. The gateway usually "
                "follows within minutes, and can take several hours."
            )
        elif not found.keys_on:
            self.session.screen.note(f"The keys of {name} are off. --enable-keys turns them on.")

    def _stopped(self, grants: Sequence[Grant]) -> int:
        """Say how far it was when a person stopped it. Returns the exit code."""
        screen = self.session.screen
        if len(grants) == 1:
            steps = self._steps.get(grants[0].account.id.key, Steps.of(TAG))
            screen.problem(f"Stopped. {steps}.")
            return NOT_WHOLE if steps.have_begun else STOPPED
        begun = [
            (grant, self._steps[grant.account.id.key])
            for grant in grants
            if grant.account.id.key in self._steps and self._steps[grant.account.id.key].have_begun
        ]
        in_hand = [
            f"{where(grant.account.id)} ({steps})" for grant, steps in begun if not steps.are_done
        ]
        left = len(grants) - len(begun)
        said = f"Stopped. Exempt: {counted(len(self.done), 'account')}."
        if in_hand:
            said += f" In hand: {the_first(in_hand)}."
        screen.problem(f"{said} Not attempted, or refused: {counted(left, 'account')}.")
        if in_hand or self._errors:
            return NOT_WHOLE
        return REMAINS if self.done else STOPPED
