"""The real SDKs, pointed at a local Azure and living on its clock."""

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.cognitiveservices.aio import CognitiveServicesManagementClient
from azure.mgmt.resourcegraph.aio import ResourceGraphClient

from local_azure import LocalAzure
from local_azure.clock import Clock


class ClockTransport(AioHttpTransport):  # type: ignore[misc]
    """azure-core sleeps through its transport, so this is where its time comes from."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    async def sleep(self, duration: float) -> None:
        """Sleep by the clock."""
        await self._clock.sleep(duration)


def credential(azure: LocalAzure) -> ManagedIdentityCredential:
    """Return the Function's managed identity. Its endpoint has to be in os.environ."""
    return ManagedIdentityCredential(client_id=azure.environ["AZURE_CLIENT_ID"])


def options(azure: LocalAzure) -> dict[str, Any]:
    """Return what every management client needs."""
    return {
        "base_url": azure.environ["ARM_ENDPOINT"],
        "credential_scopes": [azure.environ["ARM_SCOPE"]],
        "transport": ClockTransport(azure.clock),
    }


def accounts_client(
    azure: LocalAzure, identity: ManagedIdentityCredential, subscription_id: str
) -> CognitiveServicesManagementClient:
    """Return a client of the accounts of one subscription."""
    return CognitiveServicesManagementClient(identity, subscription_id, **options(azure))


def graph_client(azure: LocalAzure, identity: ManagedIdentityCredential) -> ResourceGraphClient:
    """Return a client of Resource Graph."""
    return ResourceGraphClient(identity, **options(azure))
