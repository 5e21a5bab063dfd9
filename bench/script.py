"""The script that Keysweep grew from, on the same SDK: list, PATCH, read back, one after another.

`python -m bench.script` does it once to the tenant that the environment names, and prints one line
of JSON. It knows no exemption, brake or pace: that is the least that the job can cost.
"""

import json
import os
import sys
import time
from typing import Any

from azure.identity import ManagedIdentityCredential
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.cognitiveservices.models import Account, AccountProperties
from azure.mgmt.resource.subscriptions import SubscriptionClient

from shared.core.model import AccountId
from tests.support.scale_worker import memory

_KINDS = {"OpenAI", "AIServices"}


def _sweep() -> None:
    shared: dict[str, Any] = {
        "credential": ManagedIdentityCredential(client_id=os.environ.get("AZURE_CLIENT_ID")),
        "base_url": os.environ["ARM_ENDPOINT"],
        "credential_scopes": [os.environ["ARM_SCOPE"]],
    }
    off = Account(properties=AccountProperties(disable_local_auth=True))
    for subscription in SubscriptionClient(**shared).subscriptions.list():
        client = CognitiveServicesManagementClient(
            subscription_id=subscription.subscription_id or "", **shared
        )
        for account in client.accounts.list():
            properties = account.properties
            if account.kind not in _KINDS or (properties and properties.disable_local_auth):
                continue
            named = AccountId.parse(account.id or "")
            client.accounts.begin_update(named.resource_group, named.name, off).result()
            client.accounts.get(named.resource_group, named.name)


if __name__ == "__main__":
    loaded, began = memory("VmRSS"), time.monotonic()
    _sweep()
    measured = {
        "seconds": round(time.monotonic() - began, 1),
        "loaded MB": round(loaded),
        "peak MB": round(memory("VmHWM")),
    }
    sys.stdout.write(f"{json.dumps(measured)}\n")
