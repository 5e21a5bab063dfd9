"""How the accounts of a tenant are used, and who could tell: what `Tenant` can be told of it.

tenant.calls("bot", 400)                                # with a key, over the last 30 days
tenant.calls("bot", 20, by=app, deployment="gpt-4o")    # with an identity
tenant.log_to("bot", tenant.add_workspace("log-central"), since=a_week_ago)
tenant.connect("hub", to="bot", auth_type="ApiKey", project="agents")
tenant.fetch_keys("bot", by=tenant.team, at=yesterday)
tenant.assign_role(app, "Cognitive Services OpenAI User", account.id)
"""

import json
import threading
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from local_azure.state import ids
from local_azure.state.access import PeopleGroup, Principal
from local_azure.state.account import ABSENT, Account, endpoint_of
from local_azure.state.activity import Act, ActivityLog
from local_azure.state.containers import ResourceGroup, Subscription
from local_azure.state.diagnostics import CATEGORIES, Diagnostics, DiagnosticSetting, Workspace
from local_azure.state.foundry import Connection, Foundry, Project
from local_azure.state.roles import BUILT_IN
from local_azure.state.traffic import Calls, PropertiesForm, Traffic

LIST_KEYS = "Microsoft.CognitiveServices/accounts/listKeys/action"
_WRITE = "Microsoft.CognitiveServices/accounts/write"
_WRITE_SETTING = "microsoft.insights/diagnosticSettings/write"
_FAR = timedelta(days=3650)


class Use:
    """The part of a tenant that is about the use of its accounts."""

    guard: threading.RLock
    team: Principal
    id: str

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.diagnostics = Diagnostics()
        self.foundry = Foundry()
        self.activity = ActivityLog()
        self.people: dict[str, PeopleGroup] = {}

    @abstractmethod
    def now(self) -> datetime:
        """Return the time."""

    @abstractmethod
    def account(self, name_or_id: str | Account) -> Account:
        """Return the account with this id or (unique) name."""

    @abstractmethod
    def scopes_above(self, scope: str) -> Iterable[str]:
        """Return the scope itself and all above it."""

    @abstractmethod
    def assign(
        self,
        principal: Principal | PeopleGroup,
        scope: str,
        actions: list[str] | tuple[str, ...],
        *,
        not_actions: tuple[str, ...] = (),
        data_actions: tuple[str, ...] = (),
        since: datetime | None = None,
    ) -> None:
        """Assign a role made of these actions."""

    @abstractmethod
    def add_group(
        self, name: str, *, subscription: Subscription | str | None = None
    ) -> ResourceGroup:
        """Add a resource group, or return the one that is there."""

    # Calls, and where they are logged

    def calls(
        self,
        account: Account | str,
        count: int = 1,
        *,
        by: Principal | None = None,
        first: datetime | None = None,
        last: datetime | None = None,
        status: int = 200,
        deployment: str = "gpt-4o",
        operation: str = "ChatCompletions_Create",
        model: str = "gpt-4o",
        api: str = "Azure OpenAI API version 2024-10-21",
        streaming: bool = False,
        address: str | None = "203.0.113.42",
        properties: PropertiesForm = "text",
    ) -> Calls:
        """Let an account have been called, with a key unless `by` says with whose identity.

        The calls lie evenly between `first` (30 days ago) and `last` (an hour ago; of a single call
        `first` is enough). `properties` is how a request log holds what is known of them.
        """
        with self.guard:
            begin = first or self.now() - timedelta(days=30)
            end = last or (begin if first and count == 1 else self.now() - timedelta(hours=1))
            calls = Calls(
                count=count,
                first=begin,
                last=end,
                caller=None if by is None else by.object_id,
                status=status,
                deployment=deployment,
                operation=operation,
                model=model,
                api=api,
                streaming=streaming,
                address=address,
                properties=properties,
            )
            self.traffic.add(self.account(account).id, calls)
            return calls

    def add_workspace(
        self,
        name: str,
        *,
        subscription: Subscription | str | None = None,
        group: str = "rg-logs",
        by_workspace: bool = False,
    ) -> Workspace:
        """Add a Log Analytics workspace.

        `by_workspace`: a right on the workspace is needed to read in it, one on the resource that
        logs there is not enough.
        """
        with self.guard:
            home = self.add_group(group, subscription=subscription)
            workspace = Workspace(home.subscription_id, home.name, name, by_workspace)
            self.diagnostics.workspaces[workspace.id.lower()] = workspace
            return workspace

    def log_to(
        self,
        account: Account | str,
        workspace: Workspace | None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        categories: Iterable[str] = ("RequestResponse",),
        name: str = "send-to-workspace",
        by: Principal | None = None,
    ) -> DiagnosticSetting:
        """Give an account a diagnostic setting, since long ago unless said otherwise.

        Without a workspace it sends to a storage account. `until`: it was taken away then.
        """
        with self.guard:
            chosen = self.account(account)
            storage = f"{ids.group_scope(chosen.subscription_id, chosen.group)}/providers"
            wanted = frozenset(categories)
            if not wanted <= set(CATEGORIES):
                raise ValueError(f"an account has no category {sorted(wanted - set(CATEGORIES))}")
            setting = DiagnosticSetting(
                name=name,
                account_id=chosen.id,
                categories=wanted,
                since=since or self.now() - _FAR,
                workspace=workspace,
                storage_id=None
                if workspace is not None
                else f"{storage}/Microsoft.Storage/storageAccounts/stlogs",
                until=until,
            )
            self.diagnostics.add(setting)
            self._act(setting.since, _WRITE_SETTING, setting.id, by or self.team, method="PUT")
            return setting

    # Connections

    def add_project(
        self, account: Account | str, name: str, display_name: str | None = None
    ) -> Project:
        """Add a project to a Foundry account, or return the one that is there."""
        with self.guard:
            home = self.account(account)
            found = self.foundry.project(home, name)
            if found is not None:
                return found
            first = not self.foundry.projects_of(home)
            project = Project(home, name, self.now(), self.team, first, display_name)
            self.foundry.projects.append(project)
            home.projects = (*home.projects, name)
            return project

    def connect(
        self,
        home: Account | str,
        to: Account | str,
        *,
        auth_type: str = "ApiKey",
        category: str = "AzureOpenAI",
        project: str | None = None,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> Connection:
        """Add a connection to a Foundry account, or to one of its projects.

        `to` is an account, of which the connection names the endpoint and the resource id, or the
        URL of something else.
        """
        with self.guard:
            owner = self.account(home)
            meant = None if isinstance(to, str) and "://" in to else self.account(to)
            known = {"ApiType": "Azure"}
            if meant is not None:
                known["ResourceId"] = meant.id
            connection = Connection(
                home=owner.id if project is None else self.add_project(owner, project).id,
                name=name or f"to-{'something' if meant is None else meant.name}",
                category=category,
                auth_type=auth_type,
                target=str(to) if meant is None else endpoint_of(meant),
                metadata=known if metadata is None else metadata,
                created_at=at or self.now(),
                created_by=self.team,
            )
            self.foundry.connections.append(connection)
            return connection

    # Roles by name, and what the activity log holds

    def add_people(self, name: str) -> PeopleGroup:
        """Add a group of people."""
        with self.guard:
            group = PeopleGroup(ids.guid("people", name), name)
            self.people[group.object_id] = group
            return group

    def assign_role(self, principal: Principal | PeopleGroup, role: str, scope: str) -> None:
        """Assign a built-in role by its name."""
        known = BUILT_IN[role]
        self.assign(
            principal,
            scope,
            known.actions,
            not_actions=known.not_actions,
            data_actions=known.data_actions,
        )

    def fetch_keys(
        self,
        account: Account | str,
        *,
        by: Principal | None = None,
        at: datetime | None = None,
        client: str = "Azure CLI",
        address: str = "203.0.113.7",
        status: int = 200,
    ) -> None:
        """Let somebody have asked for the keys: the activity log holds it, and Audit if logged."""
        with self.guard:
            resource_id = self.account(account).id
            self._act(
                at or self.now(),
                LIST_KEYS,
                resource_id,
                by or self.team,
                method="POST",
                client=client,
                address=address,
                status=status,
            )

    def note_write(
        self, before: Account | None, after: Account, by: Principal, client: str, at: datetime
    ) -> None:
        """Let the activity log hold a write of an account."""
        method = "PUT" if before is None else "PATCH"
        self._act(at, _WRITE, after.id, by, method=method, client=client, body=_sent(before, after))

    def _act(
        self,
        at: datetime,
        action: str,
        resource_id: str,
        by: Principal,
        *,
        method: str,
        client: str = "Azure Portal",
        address: str = "203.0.113.7",
        status: int = 200,
        body: dict[str, Any] | None = None,
    ) -> None:
        groups = [
            scope.rpartition("/")[2]
            for scope in self.scopes_above(resource_id)
            if ids.management_group_of(scope)
        ]
        hierarchy = [*reversed(groups), ids.subscription_of(resource_id) or ""]
        self.activity.note(
            Act(
                at=at,
                action=action,
                resource_id=resource_id,
                by=by,
                client=client,
                address=address,
                method=method,
                status=status,
                hierarchy="/".join(hierarchy),
                tenant_id=self.id,
                body=None if body is None else json.dumps(body, separators=(",", ":")),
            )
        )


def _sent(before: Account | None, after: Account) -> dict[str, Any]:
    """Return what a client sends for such a change, as far as keys and tags go."""
    body: dict[str, Any] = {}
    if before is None or before.flag != after.flag:
        body["properties"] = {} if after.flag is ABSENT else {"disableLocalAuth": after.flag}
    if before is None or before.tags != after.tags:
        body["tags"] = after.tags
    return body
