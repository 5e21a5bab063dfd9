"""The step that writes: read, decide again, PATCH, read back. One account's failure is its own.

Waiting comes before the read. The decision is made on what ARM says this moment, so an exemption
added a second ago wins, and the PATCH leaves at once after it: sent once, and on a decision at
most five seconds old. A retry is the whole unit again. After a PATCH that was not definitely
refused, the result is what the read-back says; where Azure did not answer, and the read-back shows
an account at rest with its keys on, the whole unit runs once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from shared.steps.allowance import Allowance
from shared.steps.ports import AccountReads, Accounts, Permits

# A read-back may show the old value for a moment; these pauses add up to 30 s.
READ_BACK_PAUSES: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0)
FRESH_SECONDS = 5.0
"""No decision is older than this when its PATCH leaves."""
# A unit that begins with less than this left could not read its PATCH back: an attempt of 60 s,
# and 35 s for the read-back. Of a short budget, half is enough to begin with.
UNIT_SECONDS = 95.0
# Azure attempts an update in these states and refuses it, with 409, in every other one.
_TERMINAL_STATES = frozenset({"", "succeeded", "failed", "canceled"})
_UNAUTHORIZED = 401
_TIMEOUT = 408
_SERVER_ERROR = 500
# An account whose reads take so long that its decision is stale again and again needs a person.
_MOST_STALE = 5


@dataclass(frozen=True, slots=True)
class StillDrift:
    """What a second look found: nothing that a read can show stands in the way of the change."""

    leave_by: float
    """Until when it may be relied on, in seconds of the clock's monotonic count."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Reads an account once more and decides again: the last thing before a change."""

    accounts: AccountReads
    clock: Clock
    scope: Scope
    rules: Rules
    inherit: tuple[Level, ...] = ()

    async def look(self, decision: Decision) -> Outcome | StillDrift:
        """Say what stands in the way of the change, if anything does.

        Raises AzureError, if the account can't be read.
        """
        leave_by = self.clock.monotonic() + FRESH_SECONDS
        account = await self.read(decision.account.id)
        now = decide(account, self.scope, self.rules, self.clock.now().date())
        return _in_the_way(decision, account, now) or StillDrift(leave_by)

    async def read(self, account_id: AccountId) -> Account:
        """Read an account, and the levels above it as far as they can matter.

        Raises AzureError, if the account itself can't be read.
        """
        account = await self.accounts.account(account_id)
        return await self.with_levels(account) if account.keys_on else account

    async def with_levels(self, account: Account) -> Account:
        """Return an account with the levels above it, as far as its exemption hangs on them.

        Raises Throttled; a level that can't be read otherwise is one that could exempt it.
        """
        above: list[TagsAbove] = []
        for level in self.inherit:
            nearest = above[-1].tags if above else account.tags
            if nearest is None or carries(nearest, self.rules.tag):
                break
            try:
                above.append(TagsAbove(level, await self.accounts.tags_above(account.id, level)))
            except Throttled:
                raise
            except AzureError:
                above.append(TagsAbove(level, None))
        return replace(account, above=tuple(above))


@dataclass(frozen=True, slots=True)
class _NotTaken:
    """A PATCH that Azure did not answer, and that left its account at rest with its keys on."""

    outcome: Outcome
    """What is said of it if it can't be tried again."""


@dataclass(frozen=True, slots=True)
class Remediation:
    """Turns keys off, one account at a time."""

    accounts: Accounts
    permits: Permits
    clock: Clock
    deadline: Deadline
    scope: Scope
    rules: Rules
    inherit: tuple[Level, ...] = ()
    unit_seconds: float = UNIT_SECONDS

    async def remediate(self, decision: Decision, allowance: Allowance) -> Outcome:
        """Do what the decision says, if it still holds. Never raises for what Azure answers."""
        first = await self._tried(decision, allowance)
        if not isinstance(first, _NotTaken):
            return first
        again = await self._tried(decision, allowance)
        if isinstance(again, _NotTaken):
            return again.outcome
        if again.result is Result.DEFERRED:
            # There was no time for it, or the brake let no more through.
            return first.outcome
        return replace(again, accepted=True)

    async def _tried(self, decision: Decision, allowance: Allowance) -> Outcome | _NotTaken:
        """Run the unit until it ends in something that another read would not mend."""
        subscription, reads = decision.account.id.subscription_id, 1 + len(self.inherit)
        refused_token, stale = False, 0
        while self.deadline.left > self.unit_seconds:
            try:
                async with self.permits.unit(subscription, reads):
                    return await self._allowed(decision, allowance)
            except (OutOfTime, Stopped) as error:
                return Outcome(decision, Result.DEFERRED, error.detail)
            except Stale as error:
                stale += 1
                if stale == _MOST_STALE:
                    return refused(decision, error)
            except Throttled:
                # Nothing was changed: the whole unit again, its waiting included.
                continue
            except NoRole as error:
                if error.status != _UNAUTHORIZED or refused_token:
                    return refused(decision, error)
                refused_token = True
            except AzureError as error:
                return refused(decision, error)
        return _too_late(decision)

    async def _allowed(self, decision: Decision, allowance: Allowance) -> Outcome | _NotTaken:
        """Do it if the brake lets one more through. Raises as `_unit`."""
        if not await allowance.take():
            return Outcome(decision, Result.DEFERRED, "The brake lets no more through.")
        used = True
        try:
            # Waiting, for the permit and for the allowance, may have taken all the time.
            if self.deadline.left <= self.unit_seconds:
                used = False
                return _too_late(decision)
            done = await self._unit(decision, allowance)
            used = not isinstance(done, _NotTaken) and done.accepted
        except AzureError:
            used = False
            raise
        finally:
            await allowance.give_back(used=used)
        return done

    async def _unit(self, decision: Decision, allowance: Allowance) -> Outcome | _NotTaken:
        """Read, decide again, write, read back. Raises Refused if nothing was changed."""
        look = SecondLook(self.accounts, self.clock, self.scope, self.rules, self.inherit)
        found = await look.look(decision)
        if isinstance(found, Outcome):
            return found
        left = allowance.seconds_left(self.clock.now())
        if left <= 0:
            return Outcome(decision, Result.DEFERRED, "The release of the brake has ended.")
        leave_by = min(found.leave_by, self.clock.monotonic() + left)
        doubt: AzureError | None = None
        try:
            await self.accounts.disable_local_auth(decision.account.id, leave_by)
        except Unclear as error:
            doubt = error
        return await self._read_back(decision, doubt)

    async def _read_back(self, decision: Decision, doubt: AzureError | None) -> Outcome | _NotTaken:
        last = doubt

        def outcome(result: Result, detail: str) -> Outcome:
            if last is None:
                return Outcome(decision, result, detail, accepted=True)
            detail = f"{detail} {last.own_words}".rstrip()
            code, message = last.azure_code, last.azure_message
            return Outcome(decision, result, detail, code, message, accepted=True)

        detail = "The change was sent, and the account could not be read back."
        is_untouched = False
        for pause in READ_BACK_PAUSES:
            if pause > self.deadline.left:
                break
            await self.clock.sleep(pause)
            try:
                account = await self.accounts.account(decision.account.id)
            except NotFound:
                return outcome(Result.GONE, "It was deleted after the change was sent.")
            except AzureError as error:
                is_untouched, last = False, error
                continue
            is_untouched = account.keys_on and is_at_rest(account)
            if account.keys_on:
                detail = "The change was sent, and the account did not read back as off."
            elif is_at_rest(account):
                return outcome(Result.DISABLED, "Azure took the change and reads back: keys off.")
            else:
                # Its operation may yet fail, and take its change back.
                state = account.provisioning_state
                detail = f"It reads back as off, and its provisioning state is still {state}."
        unverified = outcome(Result.UNVERIFIED, detail)
        return _NotTaken(unverified) if is_untouched and _is_unanswered(doubt) else unverified


def _is_unanswered(doubt: AzureError | None) -> bool:
    """Whether Azure answered a PATCH with a failure of its own, or not at all."""
    if doubt is None or isinstance(doubt, Unfinished):
        return False
    return doubt.status is None or doubt.status >= _SERVER_ERROR or doubt.status == _TIMEOUT


def _too_late(decision: Decision) -> Outcome:
    return Outcome(decision, Result.DEFERRED, "The time budget ended before its turn.")


def _in_the_way(decision: Decision, account: Account, now: Decision) -> Outcome | None:
    """Say what the read just before the change found; None: still the drift that was decided on."""
    match now.verdict:
        case Verdict.OUT_OF_SCOPE:
            return Outcome(decision, Result.OUT_OF_SCOPE, now.reason)
        case Verdict.COMPLIANT:
            return Outcome(decision, Result.ALREADY_OFF, "Its keys are off already.")
        case Verdict.EXEMPT:
            return Outcome(decision, Result.NOW_EXEMPT, now.reason)
        case Verdict.HELD:
            return Outcome(decision, Result.NOW_HELD, now.reason)
        case Verdict.DRIFT:
            if not is_at_rest(account):
                state = account.provisioning_state
                return Outcome(decision, Result.BUSY, f"Its provisioning state is {state}.")
            return None
        case _:
            assert_never(now.verdict)


def is_at_rest(account: Account) -> bool:
    """Whether no operation is running on an account, as far as its provisioning state says."""
    return account.provisioning_state.lower() in _TERMINAL_STATES


def refused(decision: Decision, error: AzureError) -> Outcome:
    """Say what a refusal of Azure's means for a drift."""
    match error:
        case NotFound():
            result = Result.GONE
        case NoRole():
            result = Result.NO_ROLE
        case PolicyDenied():
            result = Result.POLICY_DENIED
        case Locked():
            result = Result.LOCKED
        case Busy():
            result = Result.BUSY
        case _:
            result = Result.FAILED
    return Outcome(decision, result, error.detail, error.azure_code, error.azure_message)
