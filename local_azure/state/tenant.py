"""The tenant: everything that exists in it, and the rules by which it changes.

Every change goes through here, whoever makes it, so that etag, systemData, Resource Graph's rows
and the change log follow. One lock guards all of it: tests change it from their own thread while
the server answers from its own.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from local_azure.clock import START, Clock
from local_azure.sources import behaviour
from local_azure.state import access, ids
from local_azure.state.access import PeopleGroup, Principal, RoleAssignment, RoleAssignments
from local_azure.state.account import ABSENT, Account, Flag, PatchForm
from local_azure.state.changes import (
    SYSTEM,
    Author,
    ChangeType,
    FirstValues,
    author,
    change_row,
)
from local_azure.state.containers import (
    ManagementGroup,
    ResourceGroup,
    Subscription,
    SubscriptionState,
)
from local_azure.state.guards import Lock, Policy
from local_azure.state.roles import BUILT_IN, assignment_row, definition_row, role_of
from local_azure.state.use import Use

HOME = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT = "99999999-9999-4999-8999-999999999999"
OWN_NAME = "{name}"  # a custom subdomain like the account's name, which is what the portal proposes

type Table = Literal["resources", "resourcecontainers", "resourcechanges", "authorizationresources"]


@dataclass(frozen=True, slots=True)
class GraphChange:
    """A row of Resource Graph appeared, changed (`row`) or went (no row), at this time."""

    at: datetime
    table: Table
    id: str
    row: dict[str, Any] | None


@dataclass(slots=True)
class LongOperation:
    """An update under way (`operationResults`)."""

    id: str
    account_id: str
    subscription_id: str
    location: str
    started: datetime
    ends: datetime
    fails: bool
    before: Account
    done: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the account before it, the account after it, and its operation if any."""

    before: Account
    after: Account
    operation: LongOperation | None


class Tenant(Use):
    """A tenant of Microsoft Entra ID with what is in its subscriptions."""

    def __init__(self, tenant_id: str = HOME) -> None:
        super().__init__()
        self.id = tenant_id
        self.guard = threading.RLock()
        self.clock: Clock | None = None
        self.changed_by_object_id = False
        self.patch_replaces_tags = True
        self.first_values: FirstValues = "unlisted"
        self.management_groups: dict[str, ManagementGroup] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.assignments = RoleAssignments(self._forget_role)
        self.locks: list[Lock] = []
        self.policies: list[Policy] = []
        self.principals: dict[str, Principal] = {}
        self.long_operations: dict[str, LongOperation] = {}
        self.listeners: list[Callable[[GraphChange], None]] = []
        self._accounts: dict[str, Account] = {}
        self._by_subscription: dict[str, dict[str, Account]] = {}
        self._past_changes: list[GraphChange] = []
        self._running: list[LongOperation] = []
        self.add_management_group(tenant_id, "Tenant Root Group", parent=None)
        self.function = self.add_principal("func-keysweep")
        self.team = self.add_principal("ann@contoso.com", kind="User")
        self.assign(self.team, f"/{ids.GROUP_PREFIX.strip('/')}/{tenant_id}", ["*"])

    @classmethod
    def with_one_subscription(cls) -> "Tenant":
        """One subscription in one management group, `contoso`, where the Function has its role."""
        tenant = cls()
        tenant.add_management_group("contoso")
        tenant.add_subscription("contoso-prod", parent="contoso")
        tenant.assign_function(ids.management_group_scope("contoso"))
        return tenant

    # What is there

    def now(self) -> datetime:
        """Return the time on the local Azure's clock; its start, as long as no clock runs."""
        return self.clock.now() if self.clock is not None else START

    @property
    def accounts(self) -> list[Account]:
        """All accounts, as they are now."""
        with self.guard:
            self.settle()
            return list(self._accounts.values())

    def account(self, name_or_id: str | Account) -> Account:
        """Return the account with this id or (unique) name."""
        found = self.find_account(name_or_id)
        if found is None:
            raise KeyError(f"no account {name_or_id!r} in the tenant")
        return found

    def find_account(self, name_or_id: str | Account) -> Account | None:
        """Return the account with this id or name, if there is one."""
        with self.guard:
            self.settle()
            key = name_or_id.id if isinstance(name_or_id, Account) else name_or_id
            if key.startswith("/"):
                return self._accounts.get(key.lower())
            named = [a for a in self._accounts.values() if a.name.lower() == key.lower()]
            return named[0] if len(named) == 1 else None

    def accounts_in(self, subscription_id: str, group: str | None = None) -> list[Account]:
        """Return the accounts of a subscription or of one of its groups, in no particular order.

        LIST isn't sorted (recorded: fact 17): ours is by a number drawn from the id.
        """
        with self.guard:
            self.settle()
            found = self._by_subscription.get(subscription_id.lower(), {}).values()
            chosen = [a for a in found if group is None or a.group.lower() == group.lower()]
            return sorted(chosen, key=lambda a: ids.guid("order", a.id))

    def subscription(self, name_or_id: str) -> Subscription:
        """Return the subscription with this id or display name."""
        for subscription in self.subscriptions.values():
            if name_or_id.lower() in {subscription.id.lower(), subscription.name.lower()}:
                return subscription
        raise KeyError(f"no subscription {name_or_id!r} in the tenant")

    def descendants(self, group: str) -> list[ManagementGroup | Subscription]:
        """Return groups and subscriptions below a management group, level by level."""
        found: list[ManagementGroup | Subscription] = []
        level = [group.lower()]
        while level:
            groups = [
                g for g in self.management_groups.values() if (g.parent or "").lower() in level
            ]
            found += groups
            found += [s for s in self.subscriptions.values() if (s.parent or "").lower() in level]
            level = [g.name.lower() for g in groups]
        return found

    def scopes_above(self, scope: str) -> Iterator[str]:
        """Return the scope itself and all above it, up to the root management group."""
        account, group_scope = ids.account_of(scope), ids.resource_group_of(scope)
        yield from dict.fromkeys(p for p in (scope, account, group_scope) if p)
        group: str | None
        if subscription_id := ids.subscription_of(scope):
            subscription = self.subscriptions.get(subscription_id)
            if subscription is None:
                return
            yield subscription.scope
            group = subscription.parent
        else:
            group = ids.management_group_of(scope)
        while group is not None:
            node = self.management_groups.get(group.lower())
            if node is None:
                return
            yield node.id
            group = node.parent

    # Who may do what

    def judge(self, principal: Principal, action: str, scope: str) -> RoleAssignment | None:
        """Return the role or deny assignment that decides, or nothing: no."""
        scopes = self.scopes_above(scope)
        return self.assignments.judge(principal.object_id, action, scopes, self.now())

    def may(self, principal: Principal, action: str, scope: str) -> bool:
        """Whether the principal may do the action at the scope, now."""
        decisive = self.judge(principal, action, scope)
        return decisive is not None and not decisive.deny

    def readable_subscriptions(self, principal: Principal) -> list[Subscription]:
        """Return the subscriptions that ARM lists to the principal."""
        action = "Microsoft.Resources/subscriptions/read"
        return [
            s
            for s in self.subscriptions.values()
            if s.takes_tokens_of(principal.tenant_id) and self.may(principal, action, s.scope)
        ]

    # Building

    def add_principal(
        self, name: str, *, kind: Literal["Application", "User"] = "Application"
    ) -> Principal:
        """Add a principal of this tenant; its ids follow from its name."""
        with self.guard:
            principal = Principal(
                ids.guid("object", name), ids.guid("client", name), name, self.id, kind
            )
            self.principals[principal.object_id] = principal
            return principal

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
        """Assign a role made of these actions; from `since` on, if it takes time to arrive."""
        with self.guard:
            assignment = RoleAssignment(
                principal.object_id,
                scope,
                tuple(actions),
                not_actions,
                since,
                data_actions=data_actions,
            )
            self.assignments.add(assignment)
            for row in (definition_row(role_of(assignment), self.id), self._role_row(assignment)):
                self._publish("authorizationresources", row["id"], row)

    def deny(
        self, principal: Principal, scope: str, actions: list[str], *, name: str = "stack-deny"
    ) -> None:
        """Add a deny assignment, as deployment stacks and managed applications make them."""
        with self.guard:
            self.assignments.add(
                RoleAssignment(principal.object_id, scope, tuple(actions), deny=True, name=name)
            )

    def assign_function(self, scope: str, *, since: datetime | None = None) -> None:
        """Give the Function's identity its custom role, and the right to send telemetry."""
        self.assign(self.function, scope, access.FUNCTION_ACTIONS, since=since)
        root = ids.management_group_scope(self.id)
        self.assign(self.function, root, [access.PUBLISH_METRICS], since=since)

    def add_management_group(
        self, name: str, display_name: str | None = None, *, parent: str | None = ""
    ) -> ManagementGroup:
        """Add a management group, under the root unless `parent` says otherwise."""
        with self.guard:
            above = self.id if parent == "" else parent
            group = ManagementGroup(name, display_name or name, above)
            self.management_groups[name.lower()] = group
            self._publish("resourcecontainers", group.id, self._group_row(group))
            return group

    def add_subscription(
        self,
        name: str,
        *,
        parent: str | None = None,
        state: SubscriptionState = "Enabled",
        tenant_id: str | None = None,
        managed_by_tenants: tuple[str, ...] = (),
        tags: dict[str, str] | None = None,
        hidden_from_graph: bool = False,
        subscription_id: str | None = None,
    ) -> Subscription:
        """Add a subscription, under the root management group unless `parent` says otherwise.

        One of another tenant (`tenant_id`) takes our tokens only if it is delegated to us: if
        `managed_by_tenants` has this tenant's id (Azure Lighthouse).
        """
        with self.guard:
            home = tenant_id in {None, self.id}
            subscription = Subscription(
                id=subscription_id or ids.guid("subscription", name),
                name=name,
                tenant_id=tenant_id or self.id,
                parent=(parent or self.id) if home else None,
                state=state,
                managed_by_tenants=managed_by_tenants,
                tags=tags,
                hidden_from_graph=hidden_from_graph,
            )
            self.subscriptions[subscription.id.lower()] = subscription
            self._publish_subscription(subscription)
            return subscription

    def add_group(
        self,
        name: str,
        *,
        subscription: Subscription | str | None = None,
        location: str = "swedencentral",
        tags: dict[str, str] | None = None,
    ) -> ResourceGroup:
        """Add a resource group. Adding one that is there changes its tags if any are given."""
        with self.guard:
            owner = self._subscription(subscription)
            group = owner.groups.get(name.lower())
            if group is None:
                group = ResourceGroup(owner.id, name, location, tags)
                owner.groups[name.lower()] = group
            elif tags is not None:
                group.tags = tags
            self._publish("resourcecontainers", group.id, self._resource_group_row(group))
            return group

    def add_account(
        self,
        name: str,
        *,
        kind: str = "OpenAI",
        local_auth: Flag = ABSENT,
        tags: dict[str, str] | None = None,
        subdomain: str | None = OWN_NAME,
        subscription: Subscription | str | None = None,
        group: str = "rg-ai",
        location: str = "swedencentral",
        provisioning_state: str = "Succeeded",
        patch: PatchForm = PatchForm.BOTH,
        operation_seconds: float = 5.0,
        stale_reads: int = 2,
        updated: bool = False,
        network_acls: dict[str, Any] | None = None,
        identity: dict[str, Any] | None = None,
        created_by: Principal | None = None,
        created_at: datetime | None = None,
        lean: bool = False,
    ) -> Account:
        """Add an account.

        `local_auth` is whether keys are on: True writes `disableLocalAuth: false`, False `true`,
        None `null`, and ABSENT (as an account is born) leaves it out.
        """
        with self.guard:
            owner = self._subscription(subscription)
            if group.lower() not in owner.groups:
                self.add_group(group, subscription=owner, location=location)
            account = Account(
                subscription_id=owner.id,
                group=group,
                name=name,
                kind=kind,
                location=location,
                flag=(not local_auth) if isinstance(local_auth, bool) else local_auth,
                tags=tags,
                subdomain=None if subdomain is None else subdomain.format(name=name.lower()),
                provisioning_state=provisioning_state,
                network_acls=network_acls,
                identity=identity,
                patch=patch,
                operation_seconds=operation_seconds,
                stale_reads=stale_reads,
                updated=updated,
                lean=lean,
            )
            if created_at is not None:
                account.created_at = created_at
            if created_by is not None:
                account.created_by = created_by.signature
                account.created_by_kind = created_by.kind
            if self.clock is not None:
                account.created_at = self.now()
            self._accounts[account.id.lower()] = account
            self._by_subscription.setdefault(owner.id.lower(), {})[account.id.lower()] = account
            if self.clock is not None:
                by = self._author(created_by or self.team, None)
                self._record("Create", None, account, by)
            return account

    def add_lock(
        self,
        scope: str,
        *,
        level: Literal["ReadOnly", "CanNotDelete"] = "ReadOnly",
        name: str = "do-not-touch",
    ) -> Lock:
        """Add a lock at a scope."""
        with self.guard:
            lock = Lock(scope, level, name)
            self.locks.append(lock)
            return lock

    def add_policy(
        self,
        scope: str,
        *,
        name: str = "deny-account-changes",
        display_name: str = "Changes to AI accounts need a change record",
        assigned_as: str | None = None,
        version: str = "1.0.1",
        message: str | None = None,
        denies: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> Policy:
        """Add a deny policy at a scope.

        `display_name` is the definition's, `assigned_as` the assignment's (the same by default).
        """
        with self.guard:
            policy = Policy(
                scope, name, display_name, assigned_as or display_name, version, message, denies
            )
            self.policies.append(policy)
            return policy

    # What people do meanwhile

    def tag(
        self,
        account: Account | str,
        tags: dict[str, str | None],
        *,
        by: Principal | None = None,
        at: datetime | None = None,
    ) -> None:
        """Set tags; None takes one away."""

        def change(target: Account) -> None:
            kept = {**(target.tags or {}), **tags}
            target.tags = {name: value for name, value in kept.items() if value is not None}

        self._change(account, change, by, at)

    def set_tags(self, account: Account | str, tags: dict[str, str], *, by: Principal) -> None:
        """Give the account just these tags."""
        self._change(account, lambda a: setattr(a, "tags", dict(tags)), by, None)

    def enable_keys(
        self, account: Account | str, *, by: Principal | None = None, at: datetime | None = None
    ) -> None:
        """Turn the keys on, as somebody in the portal would."""
        self._change(account, lambda a: setattr(a, "flag", False), by, at)

    def disable_keys(
        self, account: Account | str, *, by: Principal | None = None, at: datetime | None = None
    ) -> None:
        """Turn the keys off."""
        self._change(account, lambda a: setattr(a, "flag", True), by, at)

    def set_kind(self, account: Account | str, kind: str) -> None:
        """Upgrade the account in place, say from OpenAI to AIServices."""
        self._change(account, lambda a: setattr(a, "kind", kind), None, None)

    def set_provisioning_state(self, account: Account | str, state: str) -> None:
        """Do what a deployment somewhere else does to the account."""
        self._change(account, lambda a: setattr(a, "provisioning_state", state), None, None)

    def delete(self, account: Account | str, *, by: Principal | None = None) -> None:
        """Delete the account (it is then soft-deleted, which lists and gets don't show)."""
        with self.guard:
            target = self.account(account)
            del self._accounts[target.id.lower()]
            del self._by_subscription[target.subscription_id.lower()][target.id.lower()]
            self._record("Delete", target, None, self._author(by or self.team, None))

    def tag_group(self, group: ResourceGroup, tags: dict[str, str | None]) -> None:
        """Set tags of a resource group; None takes one away."""
        with self.guard:
            kept = {**(group.tags or {}), **tags}
            group.tags = {name: value for name, value in kept.items() if value is not None}
            self._publish("resourcecontainers", group.id, self._resource_group_row(group))

    def transfer(self, subscription: Subscription, tenant_id: str = OTHER_TENANT) -> None:
        """Give a subscription to another tenant: it leaves our groups and takes no more tokens."""
        with self.guard:
            subscription.tenant_id = tenant_id
            subscription.parent = None
            subscription.managed_by_tenants = ()
            self._publish_subscription(subscription)

    def tag_subscription(self, subscription: Subscription, tags: dict[str, str | None]) -> None:
        """Set tags of a subscription; None takes one away."""
        with self.guard:
            kept = {**(subscription.tags or {}), **tags}
            subscription.tags = {n: value for n, value in kept.items() if value is not None}
            self._publish_subscription(subscription)

    # The one write that is asked for over HTTP

    @behaviour(
        "a PATCH of tags only is done at once; of anything else the account turns Accepted, the "
        "new values already show, and the etag changes again when the operation is done",
        "data/recorded/README.md facts 5, 6, 8; account-patch-200, account-patch-202",
        "recorded",
    )
    def patch(
        self,
        account: Account,
        body: dict[str, Any],
        by: Principal,
        correlation_id: str,
        client: str,
    ) -> Written:
        """Apply a PATCH that was judged allowed."""
        with self.guard:
            before = account.copy()
            now = self.now()
            merge(account, body, replace_tags=self.patch_replaces_tags)
            written_by = author(
                by,
                client=client,
                correlation_id=correlation_id,
                by_object_id=self.changed_by_object_id,
            )
            self._touch(account, written_by, now)
            tags_only = not _changed_beyond_tags(before, account)
            operation = None
            if not tags_only and account.patch is not PatchForm.OK_200:
                operation = self._begin(account, before, now)
            if not tags_only and account.patch is not PatchForm.OPERATION_FAILS:
                account.stale_flag = before.flag
                account.stale_left = account.stale_reads if before.flag != account.flag else 0
            self._record("Update", before, account, written_by)
            return Written(before, account.copy(), operation)

    def settle(self) -> None:
        """End the operations whose time has come."""
        with self.guard:
            now = self.now()
            due = sorted((o for o in self._running if o.ends <= now), key=lambda o: o.ends)
            for operation in due:
                self._running.remove(operation)
                self._finish(operation)

    # How Resource Graph learns of it

    def graph_rows(self) -> dict[Table, list[dict[str, Any]]]:
        """All rows as they are now, and those of the change log so far."""
        with self.guard:
            self.settle()
            containers = [self._group_row(g) for g in self.management_groups.values()]
            for subscription in self.subscriptions.values():
                containers.append(self._subscription_row(subscription))
                containers += [self._resource_group_row(g) for g in subscription.groups.values()]
            tenants = {s.id.lower(): s.tenant_id for s in self.subscriptions.values()}
            return {
                "resources": [
                    a.graph_row(tenants[a.subscription_id.lower()]) for a in self._accounts.values()
                ],
                "resourcecontainers": containers,
                "resourcechanges": [c.row for c in self._past_changes if c.row is not None],
                "authorizationresources": self._role_rows(),
            }

    # Inside

    def _role_row(self, assignment: RoleAssignment) -> dict[str, Any]:
        held_by = assignment.principal_id
        principal = self.people.get(held_by) or self.principals.get(held_by)
        return assignment_row(assignment, principal, self.id)

    def _forget_role(self, assignment: RoleAssignment) -> None:
        self._publish("authorizationresources", self._role_row(assignment)["id"], None)

    def _role_rows(self) -> list[dict[str, Any]]:
        """Return a row a role and one a role assignment, as they are now."""
        assignments = self.assignments.all()
        roles = [*BUILT_IN.values(), *map(role_of, assignments)]
        rows = [definition_row(role, self.id) for role in roles]
        rows += [self._role_row(assignment) for assignment in assignments]
        return list({row["id"]: row for row in rows}.values())

    def _subscription(self, named: Subscription | str | None) -> Subscription:
        if isinstance(named, Subscription):
            return named
        if named is not None:
            return self.subscription(named)
        with suppress(StopIteration):
            return next(iter(self.subscriptions.values()))
        raise KeyError("the tenant has no subscription yet")

    def _author(self, by: Principal, client: str | None) -> Author:
        return author(
            by,
            client=client or ("Azure Portal" if by.kind == "User" else by.client_id),
            correlation_id=ids.guid("correlation", by.name, self.now()),
            by_object_id=self.changed_by_object_id,
        )

    def _change(
        self,
        account: Account | str,
        change: Callable[[Account], None],
        by: Principal | None,
        at: datetime | None,
    ) -> None:
        with self.guard:
            target = self.account(account)
            before = target.copy()
            change(target)
            written_by = self._author(by or self.team, None)
            self._touch(target, written_by, at or self.now())
            self._record("Update", before, target, written_by, at)

    def _touch(self, account: Account, by: Author, now: datetime) -> None:
        account.writes += 1
        account.updated = True
        account.modified_at = now
        account.modified_by = by.signature
        account.modified_by_kind = by.signature_kind

    def _begin(self, account: Account, before: Account, now: datetime) -> LongOperation:
        operation = LongOperation(
            id=ids.guid("operation", account.id, account.writes, now),
            account_id=account.id,
            subscription_id=account.subscription_id,
            location=account.location,
            started=now,
            ends=now + timedelta(seconds=account.operation_seconds),
            fails=account.patch is PatchForm.OPERATION_FAILS,
            before=before,
        )
        account.provisioning_state = "Accepted"
        account.operation = operation.id
        self.long_operations[operation.id] = operation
        self._running.append(operation)
        return operation

    @behaviour(
        "a failed update leaves the account Failed, with its old values",
        "no recording of a failed operation exists",
        "inferred",
    )
    def _finish(self, operation: LongOperation) -> None:
        operation.done = True
        account = self._accounts.get(operation.account_id.lower())
        if account is None or account.operation != operation.id:
            return
        before = account.copy()
        account.operation = None
        account.writes += 1
        account.provisioning_state = "Failed" if operation.fails else "Succeeded"
        if operation.fails:
            account.flag = operation.before.flag
            account.subdomain = operation.before.subdomain
            account.public_network_access = operation.before.public_network_access
            account.network_acls = operation.before.network_acls
            account.identity = operation.before.identity
        account.modified_at = operation.ends
        self._record("Update", before, account, SYSTEM, operation.ends)

    def _record(
        self,
        kind: ChangeType,
        before: Account | None,
        after: Account | None,
        by: Author,
        at: datetime | None = None,
    ) -> None:
        moment = at or self.now()
        account = after or before
        assert account is not None
        tenant_id = self.subscriptions[account.subscription_id.lower()].tenant_id
        row = None if after is None else after.graph_row(tenant_id)
        self._publish("resources", account.id, row, moment)
        if after is not None and by.principal is not None:
            self.note_write(before, after, by.principal, by.client, moment)
        log = change_row(kind, before, after, by, moment, tenant_id, first_values=self.first_values)
        self._publish("resourcechanges", log["id"], log, moment)

    def _publish(
        self, table: Table, row_id: str, row: dict[str, Any] | None, at: datetime | None = None
    ) -> None:
        change = GraphChange(at or self.now(), table, row_id, row)
        if table == "resourcechanges":
            self._past_changes.append(change)
        for listener in self.listeners:
            listener(change)

    def _publish_subscription(self, subscription: Subscription) -> None:
        row = self._subscription_row(subscription)
        self._publish("resourcecontainers", subscription.scope, row)

    def _ancestors(self, parent: str | None) -> list[dict[str, str]]:
        """Return the management groups from a parent up to the root, as a row of theirs has it."""
        chain: list[dict[str, str]] = []
        while parent is not None:
            node = self.management_groups[parent.lower()]
            chain.append({"name": node.name, "displayName": node.display_name})
            parent = node.parent
        return chain

    def _group_row(self, group: ManagementGroup) -> dict[str, Any]:
        chain = self._ancestors(group.parent)
        parent = self.management_groups.get((group.parent or "").lower())
        return _container_row(
            group.id,
            group.name,
            "microsoft.management/managementgroups",
            self.id,
            properties={
                "displayName": group.display_name,
                "tenantId": self.id,
                "details": {
                    "version": 1,
                    "parent": parent
                    and {
                        "id": parent.id,
                        "name": parent.name,
                        "displayName": parent.display_name,
                    },
                    "managementGroupAncestorsChain": chain,
                },
            },
        )

    @behaviour(
        "resourcecontainers: a row a subscription, whose properties tell state and ancestors",
        "azure-docs samples of resourcecontainers queries; no recording. That the chain begins "
        "with the nearest group is known from public tools that build the hierarchy from it",
        "documented",
    )
    def _subscription_row(self, subscription: Subscription) -> dict[str, Any]:
        chain = self._ancestors(subscription.parent)
        return _container_row(
            subscription.scope,
            subscription.name,
            "microsoft.resources/subscriptions",
            subscription.tenant_id,
            subscription_id=subscription.id,
            tags=subscription.tags,
            properties={
                "managedByTenants": [{"tenantId": t} for t in subscription.managed_by_tenants],
                "managementGroupAncestorsChain": chain,
                "state": subscription.state,
                "subscriptionPolicies": {
                    "locationPlacementId": "Public_2014-09-01",
                    "quotaId": "EnterpriseAgreement_2014-09-01",
                    "spendingLimit": "Off",
                },
            },
        )

    def _resource_group_row(self, group: ResourceGroup) -> dict[str, Any]:
        return _container_row(
            group.id,
            group.name,
            "microsoft.resources/subscriptions/resourcegroups",
            self.subscriptions[group.subscription_id.lower()].tenant_id,
            subscription_id=group.subscription_id,
            resource_group=group.name.lower(),
            location=group.location.replace(" ", "").lower(),
            tags=group.tags,
            properties={"provisioningState": "Succeeded"},
        )


def _container_row(
    row_id: str,
    name: str,
    kind: str,
    tenant_id: str,
    *,
    properties: dict[str, Any],
    subscription_id: str = "",
    resource_group: str = "",
    location: str = "",
    tags: dict[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "id": row_id,
        "name": name,
        "type": kind,
        "tenantId": tenant_id,
        "kind": "",
        "location": location,
        "resourceGroup": resource_group,
        "subscriptionId": subscription_id,
        "managedBy": "",
        "sku": None,
        "plan": None,
        "properties": properties,
        "tags": None if tags is None else dict(tags),
        "identity": None,
        "zones": None,
        "extendedLocation": None,
    }


@behaviour(
    "PATCH merges the properties that it knows and leaves the others",
    "swagger stable/2025-09-01 Accounts_Update; account-patch-202 (fact 22)",
    "recorded",
)
@behaviour(
    "PATCH replaces the tags as a whole (or merges them: Tenant.patch_replaces_tags)",
    "az cognitiveservices account update sends the whole map (fact 22); nobody showed a part",
    "unverified",
)
def merge(account: Account, body: dict[str, Any], *, replace_tags: bool) -> None:
    """Put what the body says into the account."""
    if "tags" in body:
        kept = {} if replace_tags else (account.tags or {})
        merged = {**kept, **(body["tags"] or {})}
        account.tags = {name: value for name, value in merged.items() if value is not None}
    if "identity" in body:
        account.identity = _identity(account, body["identity"])
    if isinstance(body.get("sku"), dict):
        account.sku = body["sku"].get("name", account.sku)
    properties = body.get("properties") or {}
    if "disableLocalAuth" in properties:
        account.flag = properties["disableLocalAuth"]
    if "customSubDomainName" in properties:
        account.subdomain = properties["customSubDomainName"]
    if "publicNetworkAccess" in properties:
        account.public_network_access = properties["publicNetworkAccess"]
    if "networkAcls" in properties:
        account.network_acls = _network_acls(properties["networkAcls"])


def _identity(account: Account, body: dict[str, Any] | None) -> dict[str, Any]:
    """`{"type":"None"}` after removal (recorded: fact 12); ids in this order before `type`."""
    kind = (body or {}).get("type", "None")
    if kind == "None":
        return {"type": "None"}
    found = {
        "principalId": ids.guid("account identity", account.id),
        "tenantId": HOME,
        "type": kind,
    }
    if kind == "UserAssigned":
        found = {"type": kind}
    if "userAssignedIdentities" in (body or {}):
        found["userAssignedIdentities"] = (body or {})["userAssignedIdentities"]
    return found


def _network_acls(body: dict[str, Any] | None) -> dict[str, Any] | None:
    """In the order that answers have (recorded: fact 23)."""
    if body is None:
        return None
    return {
        "defaultAction": body.get("defaultAction", "Allow"),
        "virtualNetworkRules": body.get("virtualNetworkRules") or [],
        "ipRules": body.get("ipRules") or [],
    }


def _changed_beyond_tags(before: Account, after: Account) -> bool:
    def essence(account: Account) -> tuple[object, ...]:
        return (
            account.flag,
            account.subdomain,
            account.public_network_access,
            account.network_acls,
            account.identity,
            account.sku,
        )

    return essence(before) != essence(after)
