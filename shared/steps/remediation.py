"""The step that writes: read, decide again, PATCH, read back. One account's failure is its own.

Waiting comes before the read. The second look decides on what ARM says this moment, so an exemption
added a second ago wins, and the PATCH leaves at once after it: sent once, and on a decision at most
five seconds old. A retry is the whole unit again. After a PATCH that was not definitely refused,
the result is what the read-back says; where Azure did not answer, and the read-back shows an
account at rest with its keys on, the whole unit runs once more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import assert_never

from shared.core.deadline import Deadline
from shared.core.decision import Rules, Scope, decide
from shared.core.errors import (
    AzureError,
    Busy,
    Locked,
    NoRole,
    NotFound,
    OutOfTime,
    PolicyDenied,
    Stale,
    Stopped,
    Throttled,
    Unclear,
    Unfinished,
)
from shared.core.exemption import carries
from shared.core.model import (
    Account,
    AccountId,
    Clock,
    Decision,
    Level,
    Outcome,
    Result,
    TagsAbove,
    Verdict,
)
from shared.core.rings import InForce, Rings
from shared.steps.allowance import Allowance
from shared.steps.ports import AccountReads, Accounts, Permits

READ_BACK_PAUSES: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0)
"""Seconds before each read of a read-back, 30 s in all: it may show the old value for a moment."""
FRESH_SECONDS = 5.0
"""No decision is older than this when its PATCH leaves."""
UNIT_SECONDS = 95.0
"""What a unit needs to read its PATCH back: an attempt of 60 s, and 35 s for the read-back."""
# Azure attempts an update in these states and refuses it, with 409, in every other one.
_TERMINAL_STATES = frozenset({"", "succeeded", "failed", "canceled"})
_RESULTS: Mapping[type[AzureError], Result] = {
    NotFound: Result.GONE,
    NoRole: Result.NO_ROLE,
    PolicyDenied: Result.POLICY_DENIED,
    Locked: Result.LOCKED,
    Busy: Result.BUSY,
}


@dataclass(frozen=True, slots=True)
class AccountReader:
    """Reads accounts as ARM shows them now, with the levels above that can exempt them."""

    accounts: AccountReads
    tag: str
    inherit: tuple[Level, ...] = ()

    async def read(self, account_id: AccountId) -> Account:
        """Read an account. Raises AzureError, if the account itself can't be read."""
        account = await self.accounts.account(account_id)
        return await self.with_levels(account) if account.keys_on else account

    async def with_levels(self, account: Account) -> Account:
        """Return an account with the levels above it, as far as its exemption hangs on them.

        Raises Throttled; a level that can't be read otherwise is one that could exempt it.
        """
        above: list[TagsAbove] = []
        for level in self.inherit:
            nearest = above[-1].tags if above else account.tags
            if nearest is None or carries(nearest, self.tag):
                break
            try:
                above.append(TagsAbove(level, await self.accounts.tags_above(account.id, level)))
            except Throttled:
                raise
            except AzureError:
                above.append(TagsAbove(level, None))
        return replace(account, above=tuple(above))


@dataclass(frozen=True, slots=True)
class StillDrift:
    """What a second look found: nothing that a read can show stands in the way of the change."""

    leave_by: float
    """Until when it may be relied on, in seconds of the clock's monotonic count."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Reads an account once more and decides again: the last thing before its change."""

    reader: AccountReader
    clock: Clock
    scope: Scope
    rules: Rules
    rings: Rings

    @property
    def reads(self) -> int:
        """How many requests it sends at most."""
        return 1 + len(self.reader.inherit)

    async def take(self, decision: Decision) -> Outcome | StillDrift:
        """Say what stands in the way of the change, if anything does.

        Raises AzureError, if the account can't be read.
        """
        leave_by = self.clock.monotonic() + FRESH_SECONDS
        account = await self.reader.read(decision.account.id)
        moment = self.clock.now()
        now = decide(account, self.scope, self.rules, moment.date())
        standing = self.rings.standing(account.id.subscription_id, moment)
        match now.verdict:
            case Verdict.OUT_OF_SCOPE:
                return Outcome(decision, Result.OUT_OF_SCOPE, now.reason)
            case Verdict.COMPLIANT:
                return Outcome(decision, Result.ALREADY_OFF, "Its keys are off already.")
            case Verdict.EXEMPT:
                return Outcome(decision, Result.NOW_EXEMPT, now.reason)
            case Verdict.HELD:
                return Outcome(decision, Result.NOW_HELD, now.reason)
            case Verdict.DRIFT if not isinstance(standing, InForce):
                return Outcome(decision, Result.WOULD_DISABLE, str(standing))
            case Verdict.DRIFT if is_at_rest(account):
                return StillDrift(leave_by)
            case Verdict.DRIFT:
                state = account.provisioning_state
                return Outcome(decision, Result.BUSY, f"Its provisioning state is {state}.")
            case _:
                assert_never(now.verdict)


class _NotTaken(Exception):
    """A PATCH that Azure did not answer left its account at rest with its keys on."""

    def __init__(self, unverified: Outcome) -> None:
        """`unverified` is what is said of it if it can't be tried again."""
        super().__init__(unverified.detail)
        self.unverified = unverified


@dataclass(frozen=True, slots=True)
class Remediation:
    """Turns keys off, one account at a time."""

    accounts: Accounts
    permits: Permits
    deadline: Deadline
    second_look: SecondLook
    unit_seconds: float = UNIT_SECONDS
    """With how much time left a unit is still begun."""

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Do what the decision says, if it still holds. Never raises for what Azure answers."""
        try:
            return await self._tried(decision, allowance)
        except _NotTaken as first:
            unverified = first.unverified
        try:
            outcome = await self._tried(decision, allowance)
        except _NotTaken as second:
            return second.unverified
        # Deferred: there was no time to try it again, or the brake let no more through.
        deferred = outcome.result is Result.DEFERRED
        return unverified if deferred else replace(outcome, accepted=True)

    async def _tried(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Run the unit until it ends in something that another read would not mend.

        Raises _NotTaken.
        """
        subscription_id, reads = decision.account.id.subscription_id, self.second_look.reads
        times: Counter[type[AzureError]] = Counter()
        while self.deadline.left > self.unit_seconds:
            try:
                async with self.permits.unit(subscription_id, reads):
                    return await self._allowed(decision, allowance)
            except (OutOfTime, Stopped) as error:
                return Outcome(decision, Result.DEFERRED, error.detail)
            except Throttled:
                # Nothing was changed: the whole unit again, its waiting included.
                continue
            except AzureError as error:
                times[type(error)] += 1
                if times[type(error)] >= _most_times(error):
                    return refused(decision, error)
        return _too_late(decision)

    async def _allowed(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Run the unit if the brake lets one more change through. Raises as `_unit`."""
        if not await allowance.take():
            return Outcome(decision, Result.DEFERRED, "The brake lets no more through.")
        used = True
        try:
            outcome = await self._unit(decision, allowance)
            used = outcome.accepted
        except (AzureError, _NotTaken):
            used = False
            raise
        finally:
            await allowance.give_back(used=used)
        return outcome

    async def _unit(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Read, decide again, write, read back.

        Raises AzureError if nothing was changed, and _NotTaken.
        """
        # Waiting, for the permit and for the allowance, may have taken all the time.
        if self.deadline.left <= self.unit_seconds:
            return _too_late(decision)
        found = await self.second_look.take(decision)
        if isinstance(found, Outcome):
            return found
        clock = self.deadline.clock
        left = allowance.seconds_left(clock.now())
        if left <= 0:
            return Outcome(decision, Result.DEFERRED, "The release of the brake has ended.")
        leave_by = min(found.leave_by, clock.monotonic() + left)
        doubt: AzureError | None = None
        try:
            await self.accounts.disable_local_auth(decision.account.id, leave_by)
        except Unclear as error:
            doubt = error
        return await self._read_back(decision, doubt)

    async def _read_back(self, decision: Decision, doubt: AzureError | None) -> Outcome:
        """Say what came of a PATCH that was sent; `doubt` is what it ended in, if not well.

        Raises _NotTaken.
        """
        last, is_untouched = doubt, False
        detail = "The change was sent, and the account could not be read back."
        for pause in READ_BACK_PAUSES:
            if pause > self.deadline.left:
                break
            await self.deadline.clock.sleep(pause)
            try:
                account = await self.accounts.account(decision.account.id)
            except NotFound:
                return _sent(
                    decision, Result.GONE, "It was deleted after the change was sent.", last
                )
            except AzureError as error:
                last, is_untouched = error, False
                continue
            is_untouched = account.keys_on and is_at_rest(account)
            if account.keys_on:
                detail = "The change was sent, and the account did not read back as off."
            elif is_at_rest(account):
                detail = "Azure took the change and reads back: keys off."
                return _sent(decision, Result.DISABLED, detail, last)
            else:
                # Its operation may yet fail, and take its change back.
                state = account.provisioning_state
                detail = f"It reads back as off, and its provisioning state is still {state}."
        unverified = _sent(decision, Result.UNVERIFIED, detail, last)
        if is_untouched and _is_unanswered(doubt):
            raise _NotTaken(unverified)
        return unverified


def _most_times(error: AzureError) -> int:
    """Return how often a unit may end in this before its account needs a person."""
    match error:
        case Stale():
            return 5
        case NoRole(status=HTTPStatus.UNAUTHORIZED):
            # The next one gets a new token.
            return 2
        case _:
            return 1


def _is_unanswered(doubt: AzureError | None) -> bool:
    """Whether Azure answered a PATCH with a failure of its own, or not at all."""
    if doubt is None or isinstance(doubt, Unfinished):
        return False
    status = doubt.status or HTTPStatus.REQUEST_TIMEOUT
    return status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _too_late(decision: Decision) -> Outcome:
    return Outcome(decision, Result.DEFERRED, "The time budget ended before its turn.")


def _sent(decision: Decision, result: Result, detail: str, error: AzureError | None) -> Outcome:
    """Say what came of a change that was sent, and what went wrong with it last, if anything."""
    if error is None:
        return Outcome(decision, result, detail, accepted=True)
    detail = f"{detail} {error.own_words}".rstrip()
    return Outcome(decision, result, detail, error.azure_code, error.azure_message, accepted=True)


def is_at_rest(account: Account) -> bool:
    """Whether no operation is running on an account, as far as its provisioning state says."""
    return account.provisioning_state.lower() in _TERMINAL_STATES


def refused(decision: Decision, error: AzureError) -> Outcome:
    """Say what a refusal of Azure's means for a drift."""
    result = _RESULTS.get(type(error), Result.FAILED)
    return Outcome(decision, result, error.detail, error.azure_code, error.azure_message)
