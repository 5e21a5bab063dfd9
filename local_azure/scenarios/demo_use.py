"""Who uses the accounts of the demo's tenant: each verdict once, and a trap beside it.

The time looked at is taken to be the last 30 days. Nothing happens on the day itself.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from local_azure.state.account import Account
from local_azure.state.diagnostics import Workspace
from local_azure.state.tenant import Tenant

_USER = "Cognitive Services OpenAI User"


def add_use(tenant: Tenant, day: date) -> None:
    """Let the accounts have been used until `day`."""
    use = _Use(tenant, datetime.combine(day, time(), UTC))
    use.add_idle()
    use.add_keyless()
    use.add_keyed()
    use.add_likely_keyed()
    use.add_unclear()
    use.add_connections()
    use.add_refused()


class _Use:
    def __init__(self, tenant: Tenant, end: datetime) -> None:
        self._tenant = tenant
        self._end = end
        self._central = self._workspace("log-central")
        # Whoever may read everything else may not read this one.
        self._security = self._workspace("log-security", by_workspace=True)
        tenant.deny(tenant.team, self._security.id, ["*"], name="security-stack")

    def _workspace(self, name: str, *, by_workspace: bool = False) -> Workspace:
        return self._tenant.add_workspace(
            name, subscription="contoso-management", group="rg-ops", by_workspace=by_workspace
        )

    def _ago(self, days: float) -> datetime:
        return self._end - timedelta(days=days)

    def _calls(self, name: str, count: int, begin: float = 32, end: float = 0, **how: Any) -> None:
        """Let an account have been called between so many days ago and so many."""
        first, last = self._ago(begin), self._ago(end)
        self._tenant.calls(name, count, first=first, last=last, **how)

    def _log(self, name: str, days: float = 200, workspace: Workspace | None = None) -> None:
        """Let an account log its requests since so many days."""
        sink = self._central if workspace is None else workspace
        self._tenant.log_to(name, sink, since=self._ago(days))

    def _account(self, name: str) -> Account:
        return self._tenant.account(name)

    def add_idle(self) -> None:
        """Add accounts without a call: one had some before the time, the other has 401s only."""
        self._calls("hackathon-24", 900, begin=70, end=40)
        self._log("ab-test-copy")
        self._calls("ab-test-copy", 288, status=401, address="198.51.100.23")

    def add_keyless(self) -> None:
        """Add calls with an identity alone, logged all the time, `properties` in both forms."""
        app = self._tenant.add_principal("app-invoices")
        self._tenant.assign_role(app, _USER, self._account("invoice-reader").id)
        self._log("invoice-reader")
        self._calls("invoice-reader", 1_440, by=app, properties="text")
        self._calls("invoice-reader", 60, by=app, properties="object", deployment="embeddings",
                    operation="Embeddings_Create", model="text-embedding-3-large")  # fmt: skip

    def add_keyed(self) -> None:
        """Add calls with a key beside others with an identity, and who fetched the key."""
        app = self._tenant.add_principal("app-contracts")
        pipeline = self._tenant.add_principal("spn-legal-deploy")
        self._tenant.assign_role(app, _USER, self._account("contract-review").id)
        self._log("contract-review")
        self._calls("contract-review", 700, by=app)
        self._calls("contract-review", 96, end=1.5, address="203.0.113.42")
        self._calls("contract-review", 12, begin=9, end=2, address=None, deployment="gpt-4o-mini")
        for days in (61, 33, 5):
            self._tenant.fetch_keys("contract-review", by=pipeline, at=self._ago(days))
        self._tenant.fetch_keys(
            "contract-review", at=self._ago(3.25), client="Azure Portal", address="198.51.100.7"
        )

    def add_likely_keyed(self) -> None:
        """Add calls without a log, where nobody could call with an identity: owners can't."""
        self._calls("site-search", 4_200, streaming=True)
        owner = self._tenant.add_principal("web-team@contoso.com", kind="User")
        self._tenant.assign_role(owner, "Owner", self._account("site-search").id)

    def add_unclear(self) -> None:
        """Add calls whose log is too young, out of reach, cut or not there, with a group's role."""
        people = self._tenant.add_people("ai-developers")
        home = self._account("translate-chat")
        group = f"/subscriptions/{home.subscription_id}/resourceGroups/{home.group}"
        app = self._tenant.add_principal("app-translate")
        for scope in (group, self._account("month-end").id, self._account("vendor-chat").id):
            self._tenant.assign_role(app, _USER, scope)
        self._tenant.assign_role(people, _USER, self._account("case-router").id)
        self._log("translate-chat", days=7)
        self._calls("translate-chat", 640, by=app)
        self._log("month-end", workspace=self._security)
        self._calls("month-end", 310)
        self._log("vendor-chat")
        self._calls("vendor-chat", 88, properties="cut")
        self._calls("case-router", 510)

    def add_connections(self) -> None:
        """Add connections that hold a key, that hold none, and of a kind nobody knows yet."""
        for hub, to, auth_type, project in (
            ("cv-screening", "policy-bot", "ApiKey", "screening"),
            ("meeting-notes", "mail-triage", "AAD", "notes"),
            ("meeting-notes", "doc-compare", "AgentWorkloadToken", "notes"),
            ("product-texts", "shop-assistant", "CustomKeys", None),
        ):
            self._tenant.connect(hub, to, auth_type=auth_type, project=project, at=self._ago(120))
        self._log("mail-triage")
        app = self._tenant.add_principal("app-mail")
        self._tenant.assign_role(app, _USER, self._account("mail-triage").id)
        for name in ("policy-bot", "mail-triage", "doc-compare", "shop-assistant"):
            self._calls(name, 120, by=app if name == "mail-triage" else None)

    def add_refused(self) -> None:
        """Add calls that are refused since keys went off two days ago."""
        app = self._tenant.add_principal("app-faq")
        self._tenant.assign_role(app, _USER, self._account("faq-bot").id)
        self._log("faq-bot")
        self._calls("faq-bot", 2_000, by=app)
        self._calls("faq-bot", 40, begin=32, end=2.1)
        self._calls("faq-bot", 17, begin=2, end=0.1, status=403, address="192.0.2.77")
