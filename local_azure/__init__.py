"""A local Azure: managed identity, ARM, Resource Graph, ingestion, logs and metrics, over TLS.

    tenant = Tenant.with_one_subscription()
    account = tenant.add_account("bot", local_auth=True)
    with LocalAzure(tenant) as azure:
        ...                                  # run anything with azure.environ
        azure.operations, azure.writes       # what was asked and what was accepted
        azure.faults, azure.connections      # what goes wrong: refused, cut, bent, late

Laid out like moto: `routes` (which request is what), `handlers` (request to answer, no state),
`state` (the tenant and its rules, no HTTP). Everything it says names its source (`sources`);
whatever it doesn't know it answers with 501.

Importing this package must not import aiohttp: aiohttp builds its TLS context when imported, and
the environment that names our certificate authority (`trust.environ`) has to be there by then.
"""

from local_azure import scenarios
from local_azure.azure import LocalAzure
from local_azure.clock import Clock, MovedClock, RunningClock
from local_azure.log import Operation, SeenRequest, Write
from local_azure.state.access import Principal
from local_azure.state.account import ABSENT, Account, PatchForm
from local_azure.state.tenant import Tenant

__all__ = [
    "ABSENT",
    "Account",
    "Clock",
    "LocalAzure",
    "MovedClock",
    "Operation",
    "PatchForm",
    "Principal",
    "RunningClock",
    "SeenRequest",
    "Tenant",
    "Write",
    "scenarios",
]
