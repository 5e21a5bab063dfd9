"""What ARM says of the cloud that it is in."""

from local_azure.exchange import Answer, Call
from local_azure.sources import behaviour


@behaviour(
    "its metadata names the host that stands for the regional ones of metrics, with the region in "
    "its path; no cloud's metadata is known to name any",
    "ours: clients of public clouds put the region into the host's name",
    "unverified",
)
@behaviour(
    "ARM's metadata names the cloud's other addresses, that of Log Analytics among them, which is "
    "the audience of its tokens too; only the members that Keysweep reads",
    "hashicorp/go-azure-sdk sdk/internal/metadata/client.go (its model of api-version 2022-09-01)",
    "inferred",
)
def metadata(call: Call) -> Answer:
    """Return the addresses."""
    services = call.services
    body = {
        "name": "LocalAzure",
        "resourceManager": services.arm_url(),
        "logAnalyticsResourceId": services.logs_url(),
        "metricsEndpoint": f"{services.metrics_url()}/{{region}}",
    }
    return Answer(200, body)
