"""What Azure itself keeps of deployments: the record of where roles are.

Every machine reads the same there. What is no more in it Resource Graph may still know. A
deployment leaves a record in each scope that it reaches, those of its modules included; whose it is
its parameters say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.deploy.azure_cli import CommandFailed, az
from infra.deploy.group_contents import Role, listed
from infra.deploy.placement import plain_region
from infra.deploy.plan import installation_name, plan_of, write_scopes
from infra.deploy.resource_graph import scopes_of_role
from infra.deploy.tenant_part import TENANT_PARAMETERS, tenant_deployment

_MAIN, _APP = "keysweep-", "keysweep-app-"
"""How the names of a deployment of main.bicep begin, and of its module in the subscription."""


@dataclass(frozen=True, slots=True)
class Record:
    """A deployment that Azure keeps at a management group or at a subscription."""

    scope: str
    name: str
    properties: Mapping[str, Any]

    def given(self, parameter: str) -> str:
        """Return the value of a parameter as text, empty if it was not given."""
        value = (self.properties.get("parameters") or {}).get(parameter) or {}
        return str(value.get("value", ""))

    @property
    def removal(self) -> list[str]:
        """The command that takes the record away, and nothing of what was deployed."""
        kind, *where = _options(self.scope)
        return ["az", "deployment", kind, "delete", *where, "--name", self.name]

    def is_of(self, installation: str) -> bool:
        """Whether it was given the names of an installation, or what these are made of."""
        parts = map(self.given, ("environmentName", "location", "subscriptionId"))
        named = self.given("installation") or installation_name(*parts)
        return named.lower() == installation.lower()


def records_at(scope: str) -> list[Record]:
    """Return all deployments that are recorded at a scope. Raises CommandFailed."""
    found = listed("deployment", *_options(scope))
    return [Record(scope, record["name"], record["properties"]) for record in found]


def _options(scope: str) -> tuple[str, ...]:
    """Return the kind of deployment that a scope has, and the options that name the scope."""
    kind, _, name = scope.rpartition("/")
    if kind.lower() == "/subscriptions":
        return ("sub", "--subscription", name)
    return ("mg", "--management-group-id", name)


def tenant_records(at_group: Iterable[Record], installation: str) -> list[Record]:
    """Return, of the records at a group, the deployments of an installation's tenant.bicep."""
    # With main.bicep the region in the name is that of the deployment, wherever the Function is.
    environment, region, subscription = _parts(installation)
    beginning, end = tenant_deployment(f"{environment}-").lower(), f"-{subscription}"
    return [
        record
        for record in at_group
        if record.name.lower().startswith(beginning)
        and record.name.lower().endswith(end)
        and "-" not in record.name[len(beginning) : -len(end)]
        and plain_region(record.given("location")) in {region, ""}
    ]


def _parts(installation: str) -> tuple[str, str, str]:
    """Take an installation's name apart: environment, which may have hyphens, region, id."""
    rest, _, subscription = installation.lower().rpartition("-")
    environment, _, region = rest.rpartition("-")
    return environment, region, subscription


def other_records(at_group: Iterable[Record], installation: str) -> list[Record]:
    """Return what else an installation's deployments left at a group, and in its subscription.

    That of the guardrail, those of main.bicep, and those of the Function's part. Raises
    CommandFailed.
    """
    kept = [record for record in at_group if record.is_of(installation)]
    return [*(nested for record in kept for nested in _function_parts(record)), *kept]


def _function_parts(record: Record) -> list[Record]:
    """Return the records of a main.bicep's module in the subscription. Raises CommandFailed."""
    subscription = record.given("subscriptionId")
    name = record.name.lower().replace(_MAIN, _APP, 1)
    there = records_at(f"/subscriptions/{subscription}") if subscription else []
    return [nested for nested in there if nested.name.lower() == name]


def assignment_records(role: Role, records: Iterable[Record]) -> list[Record]:
    """Return which of these records are of assigning a role."""
    return [
        record
        for record in records
        if record.given("roleId").rpartition("/")[2].lower() == role.id.lower()
    ]


def assigned_scopes(role: Role, records: Iterable[Record]) -> set[str]:
    """Return the scopes at which a role may be assigned, in lower case.

    Those where deployments of tenant.bicep, by their `records`, have or may have assigned it, and
    those that Resource Graph sees. Raises CommandFailed.
    """
    recorded = {scope for record in records for scope in _scopes_of(record, role)}
    seen = scopes_of_role(role.id)
    if seen is None:
        print(f"Where {role.name!r} is assigned can't be seen, but for what records say.")
    return recorded | (seen or set())


def _scopes_of(record: Record, role: Role) -> set[str]:
    """Return where one assigned it: one that failed may have done so wherever it was to."""
    # The CLI changes the letter case of outputs.
    outputs = {
        name.upper(): output for name, output in (record.properties["outputs"] or {}).items()
    }
    if "WRITE_SCOPES" in outputs:
        return {str(scope).lower() for scope in outputs["WRITE_SCOPES"]["value"]}
    wanted = {variable: record.given(name) for name, variable in TENANT_PARAMETERS.items()}
    there = {
        "AZURE_TENANT_ID": _signed_in_tenant(),
        "AZURE_MANAGEMENT_GROUP_ID": role.management_group,
    }
    return write_scopes(plan_of({**wanted, **there}))


def _signed_in_tenant() -> str:
    """Return the tenant that `az` is signed in to, empty if to none."""
    try:
        return str(az("account", "show")["tenantId"])
    except CommandFailed:
        return ""
