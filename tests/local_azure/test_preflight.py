"""What a preflight reads: roles at a scope, and the components of a subscription."""

from local_azure import Tenant
from local_azure.state import ids
from tests.support.plain_client import arm
from tests.support.serving import Serve

PERMISSIONS = "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
COMPONENTS = "/providers/Microsoft.Insights/components?api-version=2020-02-02"


def test_permissions_at_a_scope_are_those_of_the_roles_there_and_above(
    serve: Serve, tenant: Tenant
) -> None:
    reader = tenant.add_principal("reader@contoso.com", kind="User")
    root, scope = ids.management_group_scope(tenant.id), tenant.account("one").id
    subscription = f"/subscriptions/{ids.subscription_of(scope)}"
    tenant.assign(reader, root, ["*/read"])
    tenant.assign(reader, subscription, ["Microsoft.Resources/tags/*"], not_actions=("x",))
    tenant.assign(reader, scope, ["Microsoft.CognitiveServices/*"])
    azure = serve(tenant)

    there = arm(azure, subscription + PERMISSIONS, by=reader).body["value"]
    above = arm(azure, root + PERMISSIONS, by=reader).body["value"]

    allowed = [(role["actions"], role["notActions"]) for role in there]
    assert allowed == [(["Microsoft.Resources/tags/*"], ["x"]), (["*/read"], [])]
    assert [role["actions"] for role in above] == [["*/read"]]


def test_components_are_listed_where_they_are(serve: Serve, tenant: Tenant) -> None:
    tenant.add_subscription("elsewhere", parent="contoso")
    azure = serve(tenant)
    home = azure.services.component_id().partition("/resourceGroups/")[0]

    (found,) = arm(azure, home + COMPONENTS, by=tenant.team).body["value"]
    there = arm(azure, tenant.subscription("elsewhere").scope + COMPONENTS, by=tenant.team)

    assert found["id"] == azure.services.component_id()
    assert found["properties"]["InstrumentationKey"] == azure.settings.instrumentation_key
    assert found["properties"]["DisableLocalAuth"] is True
    assert there.body["value"] == []
