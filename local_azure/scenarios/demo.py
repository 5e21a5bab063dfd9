"""The demo's tenant: Contoso, with one of everything.

Twelve subscriptions: ten under `contoso-landingzones`, of which one is disabled, one is not shown
by Resource Graph, one may be read and not written, and one nobody lets us read; one of the
platform team, out of scope; and one of another tenant (Lighthouse). Thirty-one accounts are what
enforce changes or tries to change.
"""

from datetime import date, timedelta
from typing import Any, cast

from local_azure.clock import START
from local_azure.scenarios.demo_use import add_use
from local_azure.scenarios.scenario import Scenario
from local_azure.scenarios.tenants import forbid_changes
from local_azure.state import access, ids
from local_azure.state.account import ABSENT, Account, PatchForm
from local_azure.state.tenant import OTHER_TENANT, Tenant

SCOPE = "contoso-landingzones"
TAG = "local-auth-exempt"


def demo(today: date | None = None) -> Scenario:
    """Build it. Dates in tags are counted from `today`."""
    day = today or START.date()
    tenant = Tenant()
    _add_containers(tenant)
    scenario = Scenario(tenant, settings={"SWEEP_MANAGEMENT_GROUPS": SCOPE})
    _add_drift(scenario, day)
    _add_exempt(tenant, day)
    _add_held(tenant)
    _add_left_alone(tenant)
    _add_compliant(tenant)
    _add_history(tenant)
    add_use(tenant, day)
    return scenario


def _add_containers(tenant: Tenant) -> None:
    tenant.add_management_group("contoso-platform", "Platform")
    tenant.add_management_group(SCOPE, "Landing zones")
    tenant.add_management_group("contoso-corp", "Corp", parent=SCOPE)
    tenant.add_management_group("contoso-online", "Online", parent=SCOPE)
    tenant.add_management_group("contoso-sandbox", "Sandbox", parent=SCOPE)
    for name in ("contoso-corp-prod", "contoso-corp-test", "contoso-hr-prod"):
        tenant.add_subscription(name, parent="contoso-corp", tags={"department": "corp"})
    finance = {"owner": "finance-it@contoso.com"}
    tenant.add_subscription("contoso-finance-prod", parent="contoso-corp", tags=finance)
    tenant.add_subscription("contoso-legacy", parent="contoso-corp", state="Disabled")
    web = {"owner": "web@contoso.com"}
    tenant.add_subscription("contoso-web-prod", parent="contoso-online", tags=web)
    tenant.add_subscription("contoso-web-test", parent="contoso-online", tags=web)
    tenant.add_subscription("contoso-shop-prod", parent="contoso-online", hidden_from_graph=True)
    sandbox = tenant.add_subscription("contoso-lab", parent="contoso-sandbox")
    vault = tenant.add_subscription("contoso-vault", parent="contoso-corp")
    tenant.add_subscription("contoso-management", parent="contoso-platform")
    fabrikam = tenant.add_subscription(
        "fabrikam-ai", tenant_id=OTHER_TENANT, managed_by_tenants=(tenant.id,)
    )
    # The custom role at the scope's groups, in the sandbox only what reads.
    tenant.assign(tenant.function, ids.management_group_scope(SCOPE), access.READ_ONLY_ACTIONS)
    for group in ("contoso-corp", "contoso-online"):
        tenant.assign_function(ids.management_group_scope(group))
    tenant.assign(tenant.function, fabrikam.scope, access.FUNCTION_ACTIONS)
    tenant.deny(tenant.function, vault.scope, ["*"], name="vault-stack")
    assert not tenant.may(
        tenant.function, "Microsoft.CognitiveServices/accounts/write", sandbox.scope
    )


def _add(tenant: Tenant, subscription: str, name: str, **options: Any) -> Account:
    options.setdefault("group", f"rg-{name.partition('-')[0]}")
    return tenant.add_account(name, subscription=f"contoso-{subscription}", **options)


def _add_drift(scenario: Scenario, day: date) -> None:
    tenant = scenario.tenant
    yesterday = (day - timedelta(days=1)).isoformat()
    last_month = (day - timedelta(days=31)).isoformat()

    def drift(subscription: str, name: str, **options: Any) -> Account:
        account = _add(tenant, subscription, name, **options)
        scenario.drift.append(account.id)
        return account

    # disableLocalAuth false, null and absent; two kinds; two spellings of a location
    drift("corp-prod", "contract-review", local_auth=True, tags={"owner": "legal"})
    drift("corp-prod", "meeting-notes", kind="AIServices", local_auth=True, location="eastus2")
    drift("corp-prod", "translate-chat", local_auth=ABSENT, location="West Europe")
    drift("corp-test", "contract-review-test", local_auth=None)
    drift("corp-test", "hackathon-24", local_auth=ABSENT, tags={})
    drift("hr-prod", "cv-screening", kind="AIServices", local_auth=True, updated=True)
    drift("finance-prod", "invoice-reader", local_auth=True, tags={"costCenter": "4711"})
    drift("web-prod", "site-search", local_auth=True)
    drift("web-test", "site-search-test", local_auth=ABSENT, kind="AIServices")
    # An explicit no, and dates that have passed
    drift("hr-prod", "policy-bot", local_auth=True, tags={TAG: "false"})
    drift("hr-prod", "payroll-faq", local_auth=True, tags={"Local-Auth-Exempt": "No"})
    drift("corp-test", "sales-demo", local_auth=True, tags={TAG: "OFF", "owner": "sales"})
    drift("web-test", "ab-test-copy", local_auth=True, tags={TAG: "0"})
    drift("finance-prod", "month-end", local_auth=True, tags={TAG: yesterday})
    lapsed = f"until={last_month}; reason=CHG0031 vendor migration; owner=ap@contoso.com"
    drift("finance-prod", "vendor-chat", local_auth=True, tags={TAG: lapsed})
    # No way in without keys, until it gets a subdomain
    drift("corp-prod", "dictation", kind="AIServices", local_auth=True, subdomain=None)
    # Not shown by Resource Graph
    drift("shop-prod", "shop-assistant", local_auth=True, location="northeurope")
    drift("shop-prod", "product-texts", kind="AIServices", local_auth=ABSENT)
    # Letter case: ARM doesn't mind
    drift(
        "web-prod", "Press-Office-AI", local_auth=True, group="RG-Press", location="SwedenCentral"
    )
    # Every form of PATCH
    drift("corp-prod", "mail-triage", local_auth=True, patch=PatchForm.OK_200)
    drift("corp-prod", "case-router", local_auth=True, patch=PatchForm.ASYNC_OPERATION)
    drift("corp-prod", "doc-compare", local_auth=True, patch=PatchForm.LOCATION)
    drift("hr-prod", "onboarding-bot", local_auth=True, patch=PatchForm.BODY_ACCEPTED)
    drift("web-prod", "image-captions", local_auth=True, patch=PatchForm.OPERATION_FAILS)
    # States
    drift("web-prod", "voice-menu", local_auth=True, provisioning_state="Accepted")
    drift("web-test", "voice-menu-test", local_auth=True, provisioning_state="Failed")
    # Somebody's no
    locked = drift("finance-prod", "audit-archive", local_auth=True, group="rg-audit")
    refused = drift("finance-prod", "treasury-bot", local_auth=True, group="rg-treasury")
    forbid_changes(tenant, locked, refused)
    drift("lab", "prompt-lab", local_auth=True)
    # Somebody is faster
    gone = drift("corp-test", "spike-vision", local_auth=True)
    scenario.when_first_read(gone.id, lambda: tenant.delete(gone))
    exempted = drift("web-prod", "campaign-bot", local_auth=True)
    reason = "reason=CHG0077 launch week; owner=web@contoso.com"
    until = (day + timedelta(days=30)).isoformat()
    scenario.when_first_read(
        exempted.id, lambda: tenant.tag(exempted, {TAG: f"until={until}; {reason}"})
    )


def _add_exempt(tenant: Tenant, day: date) -> None:
    """Every row of the grammar that exempts, in several letter cases."""
    later = (day + timedelta(days=127)).isoformat()
    values = {
        ("corp-prod", "scanner-gateway"): {TAG: ""},
        ("corp-prod", "fax-to-text"): {TAG: "true"},
        ("corp-test", "load-test"): {"LOCAL-AUTH-EXEMPT": "Yes"},
        ("hr-prod", "badge-kiosk"): {"Local-Auth-Exempt": "ON"},
        ("hr-prod", "survey-tool"): {TAG: "1"},
        ("finance-prod", "sap-connector"): {TAG: "vendor appliance, no Entra support"},
        ("finance-prod", "trading-desk"): {TAG: later},
        ("web-prod", "partner-widget"): {
            TAG: f"until={later}; reason=CHG0042 legacy bot; owner=team-x@contoso.com"
        },
        ("web-prod", "old-mobile-app"): {TAG: f"owner=mobile@contoso.com; UNTIL={later}"},
        ("web-test", "old-mobile-app-test"): {TAG: "  TRUE  "},
        ("shop-prod", "pos-terminal"): {TAG: "yes"},
    }
    for number, ((subscription, name), tags) in enumerate(values.items()):
        kind = "AIServices" if number % 3 == 0 else "OpenAI"
        _add(tenant, subscription, name, kind=kind, local_auth=True, tags=cast("Any", tags))


def _add_held(tenant: Tenant) -> None:
    """Tags that can't be read, and names that are nearly ours."""
    _add(tenant, "corp-prod", "ticket-summary", local_auth=True, tags={TAG: "31/12/2026"})
    _add(tenant, "hr-prod", "wellbeing-bot", local_auth=True, tags={TAG: "until=soon"})
    doubled = "until=2027-01-31; until=2027-02-28"
    _add(tenant, "web-prod", "press-clips", local_auth=True, tags={TAG: doubled})
    _add(tenant, "web-test", "chat-rollout", local_auth=True, tags={TAG: "expires=2027-01-31"})
    _add(tenant, "corp-test", "data-room", local_auth=True, tags={"LocalAuthExempt": "true"})
    _add(tenant, "finance-prod", "fx-rates", local_auth=True, tags={"local_auth_exempt": "yes"})
    _add(tenant, "corp-prod", "site-plans", local_auth=True, tags={"Local Auth Exempt": "true"})


def _add_left_alone(tenant: Tenant) -> None:
    """Other kinds, and what is out of the sweep's scope; all with keys on."""
    for subscription, name, kind in (
        ("corp-prod", "faces-reception", "Face"),
        ("corp-prod", "speech-dictation", "SpeechServices"),
        ("finance-prod", "forms-invoices", "FormRecognizer"),
        ("web-prod", "vision-alt-texts", "ComputerVision"),
        ("web-prod", "moderation", "ContentSafety"),
        ("hr-prod", "sentiment", "TextAnalytics"),
        ("web-test", "translator", "TextTranslation"),
        ("corp-test", "everything-bundle", "CognitiveServices"),
    ):
        _add(tenant, subscription, name, kind=kind, local_auth=True)
    _add(tenant, "legacy", "first-pilot", local_auth=True)
    _add(tenant, "legacy", "first-pilot-search", local_auth=ABSENT)
    _add(tenant, "vault", "board-assistant", local_auth=True)
    _add(tenant, "management", "ops-copilot", local_auth=True)
    _add(tenant, "management", "log-search", local_auth=True, kind="AIServices")
    for name in ("fabrikam-support", "fabrikam-insights"):
        tenant.add_account(name, subscription="fabrikam-ai", group="rg-fabrikam", local_auth=True)


def _add_compliant(tenant: Tenant) -> None:
    """Keys off, whatever the tags say."""
    for subscription, name, kind in (
        ("corp-prod", "knowledge-base", "AIServices"),
        ("corp-prod", "minutes-writer", "OpenAI"),
        ("corp-test", "knowledge-base-test", "AIServices"),
        ("hr-prod", "learning-coach", "OpenAI"),
        ("finance-prod", "expense-check", "OpenAI"),
        ("web-prod", "faq-bot", "OpenAI"),
        ("web-prod", "store-finder", "AIServices"),
        ("web-test", "faq-bot-test", "OpenAI"),
        ("shop-prod", "returns-bot", "OpenAI"),
        ("lab", "eval-runner", "AIServices"),
        ("lab", "red-team", "OpenAI"),
        ("hr-prod", "benefits-guide", "OpenAI"),
        ("finance-prod", "tax-research", "AIServices"),
        ("corp-test", "minutes-writer-test", "OpenAI"),
    ):
        _add(tenant, subscription, name, kind=kind, local_auth=False, updated=True)
    _add(tenant, "corp-prod", "travel-desk", local_auth=False, tags={TAG: "true"})
    _add(tenant, "web-prod", "style-guide", local_auth=False, tags={TAG: "until=soon"})


def _add_history(tenant: Tenant) -> None:
    """Who turned keys on lately: once by hand, and a war with a pipeline."""
    start = tenant.now()
    tenant.enable_keys("site-search", by=tenant.team, at=start - timedelta(days=2, hours=3))
    pipeline = tenant.add_principal("spn-legal-deploy")
    for hours in (74, 50, 26):
        tenant.disable_keys(
            "contract-review", by=tenant.function, at=start - timedelta(hours=hours + 1)
        )
        tenant.enable_keys("contract-review", by=pipeline, at=start - timedelta(hours=hours))
