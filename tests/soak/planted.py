"""Five bugs, each planted into the product by a patch that only tests apply.

The judge of `laws` has to find every one of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from enum import StrEnum
from typing import Any
from unittest import mock

from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncRetryPolicy

from shared import discovery, exemption, pacing, remediation, transport
from shared.errors import AzureError, Unclear
from shared.model import (
    Decision,
    Exempt,
    Exemption,
    GapKind,
    Lapsed,
    LeftAlone,
    Outcome,
    Result,
    Subscription,
)


class Bug(StrEnum):
    """What is wrong."""

    NO_RE_READ = "no re-read"
    RESENT_PATCH = "a PATCH re-sent by the pipeline"
    NO_READ_BACK = "no read-back"
    EMPTY_IS_WHOLE = "an empty scope counted as whole"
    LAPSED_HONOURED = "a lapsed tag honoured"


BREAKS = {
    Bug.NO_RE_READ: "protected",
    Bug.RESENT_PATCH: "protected",
    Bug.NO_READ_BACK: "done is done",
    Bug.EMPTY_IS_WHOLE: "counts",
    Bug.LAPSED_HONOURED: "converges",
}
"""The law that each breaks."""


@contextmanager
def plant(bug: Bug) -> Iterator[None]:
    """Make the product have it."""
    with ExitStack() as stack:
        for target, name, replacement in _PATCHES[bug]:
            stack.enter_context(mock.patch.object(target, name, replacement))
        yield


async def _unit(self: remediation.Remediation, decision: Decision) -> Outcome:
    """Change what discovery saw, however long ago."""
    doubt: AzureError | None = None
    try:
        await self.accounts.disable_local_auth(decision.account.id)
    except Unclear as error:
        doubt = error
    return await self._read_back(decision, doubt)


async def _send(self: pacing.Freshness, request: Any) -> Any:
    """Ask nothing of a decision's age."""
    return await self.next.send(request)


def _pipeline(transport_used: Any, policies: list[Any]) -> Any:
    """Retry as azure-core does by itself, a PATCH after 500, 503 and 429 included."""
    return AsyncPipeline(transport_used, [*policies[:-1], AsyncRetryPolicy(), policies[-1]])


async def _read_back(
    _: remediation.Remediation, decision: Decision, __: AzureError | None
) -> Outcome:
    """Believe that what was sent was done."""
    return Outcome(decision, Result.DISABLED, accepted=True)


_subscriptions = discovery.Discovery._subscriptions


async def _no_gap(
    self: discovery.Discovery, found: discovery._Findings
) -> tuple[list[Subscription], LeftAlone]:
    """Find nothing wrong with an empty list."""
    answer = await _subscriptions(self, found)
    found.gaps = [
        gap
        for gap in found.gaps
        if gap.kind is not GapKind.TENANT or "no subscription is in scope" not in gap.problem
    ]
    return answer


_until = exemption._until


def _never_lapses(raw: str, text: str, today: date, reason: str = "", owner: str = "") -> Exemption:
    said = _until(raw, text, today, reason, owner)
    return Exempt(said.until, reason, owner) if isinstance(said, Lapsed) else said


_PATCHES: dict[Bug, tuple[tuple[Any, str, Any], ...]] = {
    Bug.NO_RE_READ: (
        (remediation.Remediation, "_unit", _unit),
        (pacing.Freshness, "send", _send),
    ),
    Bug.RESENT_PATCH: ((transport, "AsyncPipeline", _pipeline),),
    Bug.NO_READ_BACK: ((remediation.Remediation, "_read_back", _read_back),),
    Bug.EMPTY_IS_WHOLE: ((discovery.Discovery, "_subscriptions", _no_gap),),
    Bug.LAPSED_HONOURED: ((exemption, "_until", _never_lapses),),
}
