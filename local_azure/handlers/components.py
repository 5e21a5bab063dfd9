"""Microsoft.Insights/components: the Application Insights that takes telemetry here."""

from local_azure.exchange import Answer, Call
from local_azure.sources import behaviour


@behaviour(
    "components are listed by subscription, with InstrumentationKey and DisableLocalAuth",
    "azure-rest-api-specs applicationinsights, Components_List 2020-02-02; bicep-types "
    "applicationinsights 2020-02-02 (ApplicationInsightsComponentProperties)",
    "documented",
)
def list_components(call: Call) -> Answer:
    """Return the component of the subscription, if it is the one that has it."""
    services = call.services
    component = services.component_id()
    here = f"/subscriptions/{call.params['subscription']}/".lower()
    row = {
        "id": component,
        "name": component.rpartition("/")[2],
        "type": "microsoft.insights/components",
        "location": services.settings.region.lower(),
        "tags": {},
        "kind": "web",
        "etag": '"0100b8a2-0000-0c00-0000-6740f5a00000"',
        "properties": {
            "ApplicationId": component.rpartition("/")[2],
            "AppId": services.settings.application_id,
            "Application_Type": "web",
            "InstrumentationKey": services.settings.instrumentation_key,
            "Name": component.rpartition("/")[2],
            "TenantId": services.tenant.id,
            "WorkspaceResourceId": services.workspace_id(),
            "IngestionMode": "LogAnalytics",
            "DisableLocalAuth": services.settings.require_entra_for_telemetry,
            "provisioningState": "Succeeded",
        },
    }
    return Answer(200, {"value": [row] if component.lower().startswith(here) else []})
