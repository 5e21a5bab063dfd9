"""Border: the one write, in a class of its own that only what may write is handed.

It goes through the SDK, which follows the operation that Azure starts for it.
"""

from typing import Any

from azure.core.polling import AsyncLROPoller
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import Account, AccountProperties
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

from shared.border.answers import an_object_or_nothing
from shared.border.arm import ArmReader
from shared.border.pacing import Pace
from shared.border.refusals import AFTER_A_WRITE, azure_error, code_and_message, is_azures
from shared.border.tokens import NoCredential, TokenCache
from shared.border.transport import Pipeline
from shared.core.deadline import within
from shared.core.errors import OutsideRings, Refused, Unfinished
from shared.core.model import AccountId
from shared.core.rings import InForce, Rings

_POLL_SECONDS = 3
# Longer than any update of an account that was recorded (40 s); after it the read-back decides.
_OPERATION_SECONDS = 120.0
# What the read-back needs of the time that is left.
_READ_BACK_SECONDS = 35.0


def polling() -> AsyncARMPolling:
    """Return how an operation is followed: the SDKs' own way looks every 30 s."""
    return AsyncARMPolling(timeout=_POLL_SECONDS, expects=an_object_or_nothing)


class ArmWriter(ArmReader):
    """Also turns local auth off, in the rings in force. Only a sweep that enforces has one."""

    def __init__(
        self,
        endpoint: str,
        scope: str,
        pipeline: Pipeline,
        tokens: TokenCache,
        pace: Pace,
        rings: Rings,
    ) -> None:
        super().__init__(endpoint, scope, pipeline, tokens, pace)
        self._rings = rings
        self._clients: dict[str, CognitiveServicesManagementClient] = {}

    async def disable_local_auth(self, account_id: AccountId, leave_by: float) -> None:
        """PATCH the one property, once, and follow the operation to its end.

        The body is exactly `{"properties": {"disableLocalAuth": true}}` (docs/facts.md, 1).
        `leave_by` is the moment before which it has to leave, on the clock's monotonic count: that
        is looked at as the last step before it does.

        Raises Refused if Azure definitely did not do it (Stale if it was not even sent; nor is it,
        with OutsideRings, for an account outside the rings in force), Unclear if it may have
        (Unfinished if it was accepted, and may still fail).
        """
        now = self._deadline.clock.now()
        standing = self._rings.standing(account_id.subscription_id, now)
        if not isinstance(standing, InForce):
            raise OutsideRings(str(account_id), str(standing))
        properties = AccountProperties(disable_local_auth=True)
        await self._update("Turning local auth off for", account_id, properties, leave_by)

    async def _update(
        self, action: str, account_id: AccountId, properties: AccountProperties, leave_by: float
    ) -> None:
        try:
            poller = await self._client(account_id.subscription_id).accounts.begin_update(
                account_id.resource_group,
                account_id.name,
                Account(properties=properties),
                # Our pipeline has no retry policy of azure-core: it would re-send a PATCH after
                # 429 and 503 by itself (docs/facts.md, 2).
                polling=polling(),
                leave_by=leave_by,
            )
        except AFTER_A_WRITE as error:
            raise azure_error(action, str(account_id), error) from error
        await self._finish(action, str(account_id), poller)

    async def _finish(self, action: str, resource: str, poller: AsyncLROPoller[Any]) -> None:
        """Follow an operation to its end. Raises Unfinished: whatever it says, it was accepted."""
        seconds = min(_OPERATION_SECONDS, max(self._deadline.left - _READ_BACK_SECONDS, 1.0))
        try:
            await within(self._deadline.clock, seconds, poller.result())
        except TimeoutError:
            message = f"The operation is still running after {seconds:.0f} s."
            raise Unfinished(action, resource, message=message) from None
        except (*AFTER_A_WRITE, Refused) as error:
            code, message = code_and_message(error)
            raise Unfinished(
                action, resource, code=code, message=message, is_azures=is_azures(error)
            ) from error

    def _client(self, subscription_id: str) -> CognitiveServicesManagementClient:
        """Return the client of a subscription: to make one takes more than a millisecond."""
        if subscription_id not in self._clients:
            self._clients[subscription_id] = CognitiveServicesManagementClient(
                subscription_id=subscription_id, **self._sdk
            )
        return self._clients[subscription_id]

    @property
    def _sdk(self) -> dict[str, Any]:
        """What every client of the SDKs is made with: the pipeline holds the credential."""
        return {
            "credential": NoCredential(),
            "base_url": self._endpoint,
            "credential_scopes": [self._scope],
            "pipeline": self._pipeline,
        }
