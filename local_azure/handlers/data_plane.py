"""The OpenAI data plane of every account, at `/<account>/openai/...` on a host of its own.

Azure gives each account a host name; here the account stands first in the path, and what ARM shows
as `properties.endpoint` says so where `Settings.reachable_endpoints` is on (it is off by default:
then endpoints are as recorded). Authentication is judged first, then the deployment.
"""

import re
from datetime import timedelta

from local_azure.exchange import Answer, Origin
from local_azure.handlers.keys import keys_of
from local_azure.log import SeenRequest
from local_azure.services import Services
from local_azure.sources import behaviour
from local_azure.state.access import Principal
from local_azure.state.account import Account
from local_azure.tokens import Refused

AUDIENCES = ("https://cognitiveservices.azure.com", "https://cognitiveservices.azure.com/")
_MODELS = re.compile(r"/(?P<account>[^/]+)/openai/models/?")
_CHAT = re.compile(
    r"/(?P<account>[^/]+)/openai/deployments/(?P<deployment>[^/]+)/chat/completions/?"
)
_ACTIONS = {
    "models": ("Microsoft.CognitiveServices/accounts/OpenAI/models/read", "GET /openai/models"),
    "chat": (
        "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action",
        "POST /openai/deployments/{deployment-id}/chat/completions",
    ),
}
_WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)


def ask(seen: SeenRequest, services: Services) -> Answer | None:
    """Answer one request; None: it is not modelled."""
    models, chat = _MODELS.fullmatch(seen.path), _CHAT.fullmatch(seen.path)
    if seen.method == "GET" and models is not None:
        account = services.tenant.find_account(models["account"])
        kind, deployment = "models", None
    elif seen.method == "POST" and chat is not None:
        account = services.tenant.find_account(chat["account"])
        kind, deployment = "chat", chat["deployment"]
    else:
        return None
    if account is None:
        return _error(404, "404", "Resource not found")
    answer = _refused(seen, services, account, kind)
    if answer is None and deployment is None:
        answer = Answer(200, {"data": [], "object": "list"}, Origin.PLAIN)
    answer = answer or _complete(services, str(deployment))
    _note(seen, services, account, deployment, answer.status)
    return answer


@behaviour(
    "a call of the data plane is counted in metrics and logged, refused ones too",
    "azure-ai-docs how-to/monitor-openai; whether refused ones are, nobody says",
    "unverified",
)
def _note(
    seen: SeenRequest, services: Services, account: Account, deployment: str | None, status: int
) -> None:
    header = None if "api-key" in seen.headers else seen.headers.get("Authorization")
    bearer = services.tokens.check(header, AUDIENCES)
    services.tenant.calls(
        account,
        by=bearer if isinstance(bearer, Principal) else None,
        first=services.clock.now(),
        status=status,
        deployment=deployment or "",
        operation="Models_List" if deployment is None else "ChatCompletions_Create",
    )


@behaviour(
    "a deployment that doesn't exist: 404 DeploymentNotFound, after authentication",
    "data/errors/dataplane-errors.json, deployment not found",
    "recorded",
)
def _complete(services: Services, deployment: str) -> Answer:
    if deployment not in services.settings.deployments:
        message = (
            "The API deployment for this resource does not exist. If you created the deployment "
            "within the last 5 minutes, please wait a moment and try again."
        )
        return _error(404, "DeploymentNotFound", message)
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant"}}
    body = {"object": "chat.completion", "model": deployment, "choices": [choice]}
    return Answer(200, body, Origin.PLAIN)


@behaviour(
    "a real key of an account with keys off: 403 AuthenticationTypeDisabled, as seen; or 401 as "
    "for a wrong key, as documented (Settings.disabled_key_status)",
    "data/errors/dataplane-errors.json, its first two cases",
    "recorded",
)
@behaviour(
    "a wrong key: 401 with code 401, whether keys are on or off",
    "data/errors/dataplane-errors.json; that the key is looked at before the setting is inferred",
    "inferred",
)
@behaviour(
    "the gateway follows ARM's disableLocalAuth after a while (Settings.gateway_lag)",
    "azure-ai-docs disable-local-auth: minutes, up to several hours",
    "documented",
)
@behaviour(
    "a token without the data action: 401 PermissionDenied, naming the action and the operation",
    "data/errors/dataplane-errors.json, role missing: detailed form",
    "recorded",
)
@behaviour(
    "a token for an account without a custom subdomain: 400, Please provide a custom subdomain",
    "data/errors/dataplane-errors.json",
    "recorded",
)
def _refused(seen: SeenRequest, services: Services, account: Account, kind: str) -> Answer | None:
    key = seen.headers.get("api-key")
    if key is not None:
        if key not in keys_of(account):
            return _error(401, "401", _WRONG_KEY)
        if not _enforced(services, account):
            return None
        if services.settings.disabled_key_status == 401:
            return _error(401, "401", _WRONG_KEY)
        message = "Key based authentication is disabled for this resource."
        return _error(403, "AuthenticationTypeDisabled", message)
    bearer = services.tokens.check(seen.headers.get("Authorization"), AUDIENCES)
    if isinstance(bearer, Refused):
        message = (
            "Unauthorized. Access token is missing, invalid, audience is incorrect "
            "(https://cognitiveservices.azure.com), or have expired."
        )
        return Answer(401, {"statusCode": 401, "message": message}, Origin.PLAIN)
    if account.subdomain is None:
        message = (
            "Please provide a custom subdomain for token authentication, otherwise API key is "
            "required. (Please see https://aka.ms/cogsvc-authenticatewithtoken)"
        )
        return _error(400, "BadRequest", message)
    return _without_role(services, account, bearer, kind)


def _without_role(
    services: Services, account: Account, bearer: Principal, kind: str
) -> Answer | None:
    action, operation = _ACTIONS[kind]
    # Roles of the local Azure are actions only: `*` in a role doesn't give data actions in Azure.
    held = services.tenant.assignments.held(
        bearer.object_id, services.tenant.scopes_above(account.id), services.tenant.now()
    )
    if any(role.covers_data(action) for role in held):
        return None
    message = (
        f"The principal `{bearer.object_id}` lacks the required data action `{action}` to perform "
        f"`{operation}` operation."
    )
    return _error(401, "PermissionDenied", message)


def _enforced(services: Services, account: Account) -> bool:
    lag = timedelta(seconds=services.settings.gateway_lag)
    changed = account.modified_at or account.created_at
    return not account.keys_on and services.clock.now() >= changed + lag


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}}, Origin.PLAIN)
