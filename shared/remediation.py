"""The step that writes: read, decide again, PATCH, read back. One account's failure is its own.

Waiting comes before the read. The decision is made on what ARM says this moment, so an exemption
added a second ago wins, and the PATCH leaves at once after it. What the PATCH did is what the
read-back says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.decision import Rules, decide
from shared.errors import (
    AzureError,
    Busy,
    Locked,
    NoRole,
    NotFound,
    PolicyDenied,
    Unclear,
)
from shared.model import Account, AccountId, Clock, Decision, Outcome, Result, Verdict

# No decision is older than this when its PATCH leaves.
FRESH_SECONDS = 5.0
_MOST_READS = 5
# A read-back may show the old value for a moment; these pauses add up to 30 s.
READ_BACK_PAUSES: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0)
# Azure attempts an update in these states and refuses it, with 409, in every other one.
_TERMINAL_STATES = frozenset({"", "succeeded", "failed", "canceled"})


class Accounts(Protocol):
    """What remediation reads and the one thing that it writes."""

    async def account(self, account_id: AccountId) -> Account:
        """Read one account. Raises AzureError; NotFound if it is gone."""
        ...

    async def disable_local_auth(self, account_id: AccountId) -> None:
        """Turn its keys off. Raises Refused if that did not happen, Unclear if it may have."""
        ...


@dataclass(frozen=True, slots=True)
class Remediation:
    """Turns keys off, one account at a time."""

    accounts: Accounts
    clock: Clock
    rules: Rules

    async def remediate(self, decision: Decision) -> Outcome:
        """Do what the decision says, if it still holds. Never raises for what Azure answers."""
        for _ in range(_MOST_READS):
            read_at = self.clock.monotonic()
            try:
                account = await self.accounts.account(decision.account.id)
            except AzureError as error:
                return _refused(decision, error)
            today = self.clock.now().date()
            changed = _no_longer(decision, account, decide(account, self.rules, today))
            if changed is not None:
                return changed
            if self.clock.monotonic() - read_at <= FRESH_SECONDS:
                return await self._write(decision)
        detail = f"Each of {_MOST_READS} reads took longer than {FRESH_SECONDS:.0f} s."
        return Outcome(decision, Result.FAILED, detail)

    async def _write(self, decision: Decision) -> Outcome:
        account_id = decision.account.id
        doubt: AzureError | None = None
        try:
            await self.accounts.disable_local_auth(account_id)
        except Unclear as error:
            doubt = error
        except AzureError as error:
            return _refused(decision, error)
        return await self._read_back(decision, doubt)

    async def _read_back(self, decision: Decision, doubt: AzureError | None) -> Outcome:
        code, message = (doubt.code, doubt.message) if doubt else ("", "")

        def outcome(result: Result, detail: str) -> Outcome:
            return Outcome(decision, result, detail, code, message, accepted=True)

        for pause in READ_BACK_PAUSES:
            await self.clock.sleep(pause)
            try:
                account = await self.accounts.account(decision.account.id)
            except NotFound:
                return outcome(Result.GONE, "It was deleted after the change was sent.")
            except AzureError as error:
                code, message = error.code, error.message
                continue
            if not account.keys_on:
                return outcome(Result.DISABLED, "Azure took the change and reads back: keys off.")
        detail = "The change was sent, and for 30 s the account did not read back as off."
        return outcome(Result.UNVERIFIED, detail)


def _no_longer(decision: Decision, account: Account, now: Decision) -> Outcome | None:
    """Say what the re-read found, if it is not the drift that was decided on."""
    match now.verdict:
        case Verdict.COMPLIANT:
            return Outcome(decision, Result.ALREADY_OFF, "Its keys are off already.")
        case Verdict.EXEMPT:
            return Outcome(decision, Result.NOW_EXEMPT, now.reason)
        case Verdict.HELD:
            return Outcome(decision, Result.NOW_HELD, now.reason)
        case Verdict.DRIFT:
            state = account.provisioning_state
            if state.lower() not in _TERMINAL_STATES:
                return Outcome(decision, Result.BUSY, f"Its provisioning state is {state}.")
            return None


def _refused(decision: Decision, error: AzureError) -> Outcome:
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
    return Outcome(decision, result, error.advice, error.code, error.message)
