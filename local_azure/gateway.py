"""ARM's front door: judges a request in ARM's order, has it handled, and dresses the answer.

The order: the api-version is there (400); authentication (401); the version is known (400); the
subscription exists (404); authorization (403); then the handlers: existence (404), locks and
policies (409, 403), and the provider's own refusals (409, 400).
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

from local_azure.exchange import Answer, Call, Origin, Refusal
from local_azure.log import SeenRequest
from local_azure.routes import Route
from local_azure.services import Services
from local_azure.sources import NotModelledError, behaviour
from local_azure.state import ids
from local_azure.state.access import Principal
from local_azure.state.containers import Subscription
from local_azure.tokens import ARM_AUDIENCES, Refused

# Who has a request-id of his own, and whose reads have an operation's identifier too (fact 76).
_PROVIDERS = {
    Origin.PROVIDER,
    Origin.REGIONS,
    Origin.MONITOR,
    Origin.DIAGNOSTICS,
    Origin.CONNECTIONS,
}
_IDENTIFIED = {Origin.MONITOR, Origin.CONNECTIONS}
# Namespaces whose api-versions are ARM's own; /metadata has none.
_OF_ARM_ITSELF = {"", "Microsoft.Resources"}
# What a path of ARM can begin with.
_ROOTS = {"subscriptions", "providers", "tenants", "batch"}


def not_modelled(request: SeenRequest, detail: str = "") -> Answer:
    """Return the loud answer to what the local Azure doesn't know."""
    what = f"{request.method} {request.path}" + (f" ({detail})" if detail else "")
    message = f"The local Azure doesn't model {what}."
    return Answer(501, {"error": {"code": "NotModelled", "message": message}}, Origin.PLAIN)


class Gateway:
    """ARM, from the request to the answer with all its headers."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def principal(self, request: SeenRequest) -> Principal | Refused:
        """Who asks."""
        header = request.headers.get("Authorization")
        return self._services.tokens.check(header, ARM_AUDIENCES)

    def answer(
        self, request: SeenRequest, route: Route | None, params: Mapping[str, str]
    ) -> Answer:
        """Judge, handle, dress."""
        correlation_id = _correlation(request)
        if route is None:
            return self._unknown(request, correlation_id)
        principal: Principal | None = None
        try:
            principal = self._authenticated(request)
            call = Call(request, self._services, params, principal, correlation_id)
            if route.slow:
                self._judge(call, route)
                answer = route.handler(call)
            else:
                with self._services.tenant.guard:
                    self._services.tenant.settle()
                    self._judge(call, route)
                    answer = route.handler(call)
        except Refusal as refusal:
            answer = refusal.answer
        except NotModelledError as e:
            return not_modelled(request, str(e))
        return self._dressed(answer, request, route, principal, correlation_id)

    @behaviour(
        "a path that begins with neither a subscription nor a provider: 404 MissingSubscription",
        "data/recorded metrics-error-02",
        "recorded",
    )
    def _unknown(self, request: SeenRequest, correlation_id: str) -> Answer:
        """Answer what no route is for."""
        if request.path.split("/")[1].lower() in _ROOTS:
            return not_modelled(request)
        try:
            self._authenticated(request)
        except Refusal as refusal:
            answer = refusal.answer
        else:
            message = (
                "The request did not have a subscription or a valid tenant level resource provider."
            )
            answer = Refusal(404, "MissingSubscription", message).answer
        headers = _common(answer, correlation_id, self._services, request)
        headers["x-ms-failure-cause"] = "gateway"
        return replace(answer, headers={**headers, **answer.headers})

    @behaviour(
        "a 504 has x-ms-failure-cause: service, other failures of the gateway gateway",
        "data/recorded arm-5xx-01; fact 27",
        "recorded",
    )
    def failure(self, answer: Answer, request: SeenRequest) -> Answer:
        """Return a failure of the gateway, which no handler had a part in, with its headers."""
        headers = _common(answer, _correlation(request), self._services, request)
        headers["x-ms-failure-cause"] = "service" if answer.status == 504 else "gateway"
        return replace(answer, headers={**headers, **answer.headers})

    @behaviour(
        "an api-version is required before anything else is looked at",
        "what a browser gets at management.azure.com; quoted in public questions",
        "unverified",
    )
    @behaviour(
        "the challenge of a 401 names the home tenant of the subscription that was asked for",
        "how Azure's SDKs find a subscription's tenant (azure-sdk-for-python, azure-mgmt-core's "
        "challenge policy); from memory",
        "unverified",
    )
    def _authenticated(self, request: SeenRequest) -> Principal:
        if "api-version" not in {name.lower() for name in request.query}:
            raise Refusal(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        bearer = self.principal(request)
        tenant = self._services.tenant
        named = tenant.subscriptions.get(ids.subscription_of(request.path) or "")
        if isinstance(bearer, Refused):
            raise _unauthorized(bearer, tenant.id if named is None else named.tenant_id)
        return bearer

    @behaviour(
        "401 InvalidAuthenticationTokenTenant for a subscription of another tenant, whatever roles "
        "there are; not for one that is delegated to the token's tenant (Azure Lighthouse: listed "
        "with its own home tenant and with ours in managedByTenants), where roles decide",
        "Azure/LogicAppsUX#9068 (April 2026) and Azure/pcs-cli#357: bodies pasted by users; "
        "azure-docs lighthouse/concepts/architecture for delegation",
        "recorded",
    )
    @behaviour(
        "it comes after 404 SubscriptionNotFound and before 403; the words of its challenge",
        "no recording has its headers; from memory",
        "unverified",
    )
    def _admitted(self, principal: Principal, subscription: Subscription) -> None:
        """Refuse a token of a tenant that has nothing to do with the subscription."""
        if subscription.takes_tokens_of(principal.tenant_id):
            return
        home = subscription.tenant_id
        wrong = Refused(
            "InvalidAuthenticationTokenTenant",
            "The access token is from the wrong issuer "
            f"'https://sts.windows.net/{principal.tenant_id}/'. It must match the tenant "
            f"'https://sts.windows.net/{home}/' associated with this subscription. Please use the "
            f"authority (URL) 'https://login.windows.net/{home}' to get the token. Note, if the "
            "subscription is transferred to another tenant there is no impact to the services, but "
            "information about new tenant could take time to propagate (up to an hour). If you "
            "just transferred your subscription and see this error message, please try back later.",
            "The access token is from the wrong issuer. It must match the AD tenant associated "
            "with this subscription. Please use correct authority to get the token.",
        )
        raise _unauthorized(wrong, home)

    @behaviour(
        "an api-version that a type doesn't have: 404 InvalidResourceType for a provider's, 400 "
        "InvalidApiVersionParameter for ARM's own; both name those that there are",
        "Azure/azure-rest-api-specs#14807 and #16621, azure-sdk-for-js#15460 (404), grafana#59688 "
        "(of microsoft.insights), hashicorp/vault-plugin-secrets-azure#13 (400): bodies pasted by "
        "users",
        "recorded",
    )
    @behaviour(
        "both come before the subscription is looked up; a GET of an account by such a version is "
        "answered as a list is, not with 400 NoRegisteredProviderFound",
        "no source shows them apart",
        "inferred",
    )
    @behaviour(
        "a subscription that doesn't exist is 404 SubscriptionNotFound, one whose id is no guid is "
        "400 InvalidSubscriptionId",
        "Azure/azure-cli#33657 (June 2026); kubernetes-sigs/azuredisk-csi-driver's documentation "
        "(file id 37561404330): bodies pasted by users",
        "recorded",
    )
    @behaviour(
        "both come before authorization",
        "what one finds who asks for somebody else's subscription; from memory",
        "unverified",
    )
    @behaviour(
        "a subscription that exists and can't be read is 403 AuthorizationFailed, as any scope",
        "data/recorded arm-403-01 for the words; that they are these for GET of a subscription is "
        "inferred from Azure/aztfexport#499 (its groups)",
        "inferred",
    )
    @behaviour(
        "AuthorizationFailed: client id, object id, action, scope, in ARM's words",
        "data/recorded arm-403-01, arm-403-03; fact 28",
        "recorded",
    )
    @behaviour(
        "a deny assignment refuses with DenyAssignmentAuthorizationFailed",
        "azure-docs role-based-access-control/deny-assignments; the text is from memory",
        "unverified",
    )
    def _judge(self, call: Call, route: Route) -> None:
        tenant = self._services.tenant
        _judge_version(call.api_version.lower(), route)
        subscription_id = call.params.get("subscription")
        if subscription_id is not None:
            if not ids.is_guid(subscription_id):
                raise Refusal(
                    400,
                    "InvalidSubscriptionId",
                    f"The provided subscription identifier '{subscription_id}' is malformed or "
                    "invalid.",
                )
            subscription = tenant.subscriptions.get(subscription_id.lower())
            if subscription is None:
                raise Refusal(
                    404,
                    "SubscriptionNotFound",
                    f"The subscription '{subscription_id}' could not be found.",
                )
            self._admitted(call.principal, subscription)
        scope = _scope(call, route)
        if scope is None:
            return
        decisive = tenant.judge(call.principal, route.action, scope)
        if decisive is None:
            raise Refusal(
                403,
                "AuthorizationFailed",
                f"{_client(call.principal)} does not have authorization to perform action "
                f"'{route.action}' over scope '{scope}' or the scope is invalid. If access was "
                "recently granted, please refresh your credentials.",
            )
        if decisive.deny:
            deny_id = ids.guid("deny", decisive.name, decisive.scope)
            raise Refusal(
                403,
                "DenyAssignmentAuthorizationFailed",
                f"{_client(call.principal)} has permission to perform action '{route.action}' on "
                f"scope '{scope}'; however, the access is denied because of the deny assignment "
                f"with name '{decisive.name}' and Id '{deny_id.replace('-', '')}' at scope "
                f"'{decisive.scope}'.",
            )

    def _dressed(
        self,
        answer: Answer,
        request: SeenRequest,
        route: Route,
        principal: Principal | None,
        correlation_id: str,
    ) -> Answer:
        """Return the answer with the headers of its kind."""
        remaining: dict[str, str] = {}
        if principal is not None and answer.origin is not Origin.GATEWAY_FAILURE:
            counted = self._count(request, route, principal)
            if isinstance(counted, Refusal):
                answer = counted.answer
            else:
                remaining = counted
        headers = _common(answer, correlation_id, self._services, request)
        headers |= remaining
        if answer.origin is Origin.PROVIDER:
            headers["x-envoy-upstream-service-time"] = "17"
        mutated = answer.origin is Origin.PROVIDER and route.kind != "reads"
        if principal is not None and (mutated or answer.origin in _IDENTIFIED):
            headers["x-ms-operation-identifier"] = (
                f"tenantId={principal.tenant_id},objectId={principal.object_id}/"
                f"{self._services.settings.region.lower()}/{uuid.uuid4()}"
            )
        if answer.origin is Origin.GATEWAY_FAILURE:
            headers["x-ms-failure-cause"] = "gateway"
        if answer.origin is Origin.MANAGEMENT_GROUPS:
            headers["request-id"] = str(uuid.uuid4())
            headers["x-ba-restapi"] = "1.0.3.2425"
            headers["x-ms-ratelimit-remaining-managementgroups-requests"] = "249"
        if answer.etag is not None:
            headers["ETag"] = answer.etag
        return replace(answer, headers={**headers, **answer.headers})

    @behaviour(
        "throttled by ARM (only where enforced): 429 SubscriptionRequestsThrottled, Retry-After, "
        "and the connection is closed",
        "documented limits; code recorded (arm-429-01), the text of the newer scheme from memory; "
        "fact 31 for the connection",
        "unverified",
    )
    def _count(
        self, request: SeenRequest, route: Route, principal: Principal
    ) -> dict[str, str] | Refusal:
        """Return the remaining-requests headers, or the refusal if nothing remains."""
        tenant = self._services.tenant
        subscription_id = ids.subscription_of(request.path)
        in_subscription = subscription_id in tenant.subscriptions
        scope = str(subscription_id) if in_subscription else "tenant"
        with tenant.guard:
            left = self._services.buckets.take(principal.object_id, scope, route.kind)
        if isinstance(left, float):
            return Refusal(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of '{route.kind.removesuffix('s')}' requests for subscription '{scope}' "
                f"actor '{principal.object_id}' exceeded. Please try again after '{left:.0f}' "
                "seconds after additional tokens are available. Refer to "
                "https://aka.ms/arm-throttling for additional information.",
                headers={"Retry-After": f"{left:.0f}", "Connection": "close"},
            )
        if not in_subscription:
            return {f"x-ms-ratelimit-remaining-tenant-{route.kind}": str(left[0])}
        prefix = "x-ms-ratelimit-remaining-subscription"
        return {
            f"{prefix}-{route.kind}": str(left[0]),
            f"{prefix}-global-{route.kind}": str(left[1]),
        }


def _judge_version(version: str, route: Route) -> None:
    """Refuse a version that Azure doesn't have. Raises NotModelledError where it may have it.

    The versions of accounts are all that there are; of other types only those are listed that are
    played, and one that is older than the newest of them may well be Azure's.
    """
    if version in route.versions:
        return
    if route.type_name is None and version < max(route.versions):
        raise NotModelledError(f"api-version {version}")
    known = ",".join(reversed(route.versions))
    namespace = route.action.partition("/")[0]
    if namespace in _OF_ARM_ITSELF:
        raise Refusal(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{known}'.",
        )
    raise Refusal(
        404,
        "InvalidResourceType",
        f"The resource type '{route.type_name or _type_of(route.action)}' could not be found in "
        f"the namespace '{namespace}' for api version '{version}'. The supported api-versions are "
        f"'{known}'.",
    )


def _type_of(action: str) -> str:
    """Return the type that an action is about: `diagnosticSettings` of a provider's `/read`."""
    parts = action.removesuffix("/action").split("/")
    return "/".join(parts[1:-1])


def _unauthorized(refused: Refused, tenant_id: str) -> Refusal:
    challenge = (
        f'Bearer authorization_uri="https://login.windows.net/{tenant_id}", '
        f'error="invalid_token", error_description="{refused.description}"'
    )
    return Refusal(401, refused.code, refused.message, headers={"WWW-Authenticate": challenge})


def _client(principal: Principal) -> str:
    """Users by name, applications by client id (recorded for users)."""
    return f"The client '{principal.signature}' with object id '{principal.object_id}'"


def _scope(call: Call, route: Route) -> str | None:
    """Where the action has to be allowed, as the message names it: in the request's letters."""
    match route.scope:
        case "path":
            return call.resource
        case "subscription":
            return ids.subscription_scope(call.params["subscription"])
        case "management group":
            return ids.management_group_scope(call.params["mg"])
        case "tenant":
            return "/"
        case "none":
            return None


def _correlation(request: SeenRequest) -> str:
    """Return the client's, as sent (recorded: 2026), or a new one."""
    return request.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4())


@behaviour(
    "request ids: one guid for all three when ARM answers itself, the provider's own request-id "
    "otherwise; a correlation id from the client is echoed and leaves routing its own guid",
    "data/recorded/README.md fact 25",
    "recorded",
)
@behaviour(
    "X-Cache and X-MSEdge-Ref on all of ARM, no Server header",
    "data/recorded/README.md fact 38 (since 2024)",
    "recorded",
)
def _common(
    answer: Answer, correlation_id: str, services: Services, request: SeenRequest
) -> dict[str, str]:
    now = services.clock.now().astimezone(UTC)
    own = str(uuid.uuid4())
    echoed = "x-ms-correlation-request-id" in request.headers
    by_arm = answer.origin not in _PROVIDERS
    routing = own if echoed else correlation_id
    region = services.settings.region
    return {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "Date": http_date(now),
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-Cache": "CONFIG_NOCACHE",
        "X-MSEdge-Ref": f"Ref A: {uuid.uuid4().hex.upper()} Ref B: STO01EDGE0101 "
        f"Ref C: {now:%Y-%m-%dT%H:%M:%SZ}",
        "x-ms-request-id": routing if by_arm else str(uuid.uuid4()),
        "x-ms-correlation-request-id": correlation_id,
        "x-ms-routing-request-id": f"{region}:{now:%Y%m%dT%H%M%SZ}:{routing}",
    }


def http_date(moment: datetime) -> str:
    """Return a Date header."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
