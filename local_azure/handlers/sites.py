"""Microsoft.Web/sites: the app settings of a Function App, which a test gives it."""

from local_azure.exchange import Answer, Call, Origin, Refusal
from local_azure.sources import behaviour


@behaviour(
    "app settings are read by a POST, all of them with their values; a site that isn't there: 404",
    "azure-rest-api-specs web/resource-manager, WebApps_ListApplicationSettings (its example); the "
    "404 as that of any other resource",
    "documented",
)
def list_app_settings(call: Call) -> Answer:
    """Return the app settings of a site, by name."""
    site = call.resource.removesuffix("/config/appsettings")
    found = {
        name.lower(): settings for name, settings in call.services.settings.app_settings.items()
    }
    settings = found.get(site.lower())
    if settings is None:
        raise Refusal(
            404,
            "ResourceNotFound",
            f"The Resource 'Microsoft.Web/sites/{call.params['site']}' under resource group "
            f"'{call.params['group']}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix",
        )
    body = {
        "id": call.resource,
        "name": "appsettings",
        "type": "Microsoft.Web/sites/config",
        "location": "Sweden Central",
        "properties": dict(settings),
    }
    return Answer(200, body, Origin.PROVIDER)
