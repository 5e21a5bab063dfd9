"""The managed identity endpoint of App Service and Functions (2019-08-01)."""

from local_azure.exchange import Answer, Origin
from local_azure.log import SeenRequest
from local_azure.services import Services
from local_azure.sources import behaviour

VERSION = "2019-08-01"


@behaviour(
    "a token for `resource`, of the identity with `client_id` or of the only one; expires_on is a "
    "string of unix seconds",
    "App Service documentation, overview-managed-identity (REST endpoint reference); read by "
    "azure-identity 1.27, sync and aio",
    "documented",
)
@behaviour(
    "no such identity: 400 with StatusCode, Message and CorrelationId in capitals",
    "quoted in a public repository's tests (file index id 700924405)",
    "recorded",
)
@behaviour(
    "a wrong or missing X-IDENTITY-HEADER is refused with 401; a missing resource with 400",
    "App Service documentation names the header as required; the answers' texts are ours",
    "unverified",
)
def token(request: SeenRequest, services: Services) -> Answer:
    """Answer with a token."""
    query = {name.lower(): value for name, value in request.query.items()}
    if request.headers.get("X-IDENTITY-HEADER") != services.settings.identity_header:
        return _refused(401, "The X-IDENTITY-HEADER is missing or wrong.", request)
    if query.get("api-version") != VERSION:
        return _refused(
            400, f"The api-version '{query.get('api-version')}' is not supported.", request
        )
    resource = query.get("resource")
    if not resource:
        return _refused(400, "The resource parameter is required.", request)
    wanted = query.get("client_id")
    found = [
        p for p in services.identities if wanted is None or p.client_id.lower() == wanted.lower()
    ]
    if not found:
        text = "No Managed Identity found for specified ClientId/ResourceId/PrincipalId."
        return _refused(400, text, request)
    value, expires = services.tokens.issue(found[0], resource)
    body = {
        "access_token": value,
        "expires_on": str(expires),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": found[0].client_id,
    }
    return Answer(200, body, Origin.PLAIN)


def _refused(status: int, message: str, request: SeenRequest) -> Answer:
    correlation = f"0507ee4d-c15f-421a-b96b-{request.ordinal:012x}"
    body = {"StatusCode": status, "Message": message, "CorrelationId": correlation}
    return Answer(status, body, Origin.PLAIN)
