"""Diagnostic settings of an account."""

from local_azure.exchange import Answer, Call, Origin
from local_azure.handlers.accounts import find_account
from local_azure.sources import behaviour


@behaviour(
    "diagnostic settings listed: `value` only, [] if there are none",
    "data/recorded diagnostic-settings-01, -11; fact 84",
    "recorded",
)
def list_settings(call: Call) -> Answer:
    """Return the diagnostic settings of an account."""
    tenant = call.services.tenant
    found = tenant.diagnostics.in_force(find_account(call).id, tenant.now())
    return Answer(200, {"value": [setting.wire() for setting in found]}, Origin.DIAGNOSTICS)


@behaviour(
    "a diagnostic setting that isn't there: 404 ResourceNotFound without `error` around it",
    "data/recorded diagnostic-settings-13 (code and message pasted in 2018; the layout is assumed)",
    "inferred",
)
def get_setting(call: Call) -> Answer:
    """Return one diagnostic setting."""
    tenant, name = call.services.tenant, call.params["setting"]
    for setting in tenant.diagnostics.in_force(find_account(call).id, tenant.now()):
        if setting.name.lower() == name.lower():
            return Answer(200, setting.wire(), Origin.DIAGNOSTICS)
    message = f"The diagnostic setting '{name}' doesn't exist."
    return Answer(404, {"code": "ResourceNotFound", "message": message}, Origin.DIAGNOSTICS)
