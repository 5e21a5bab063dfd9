"""Where each modelled behaviour is known from.

Every behaviour is registered by the code that plays it, with its source and how sure we are:

* recorded: seen in a recorded or pasted answer of the real service;
* documented: Microsoft's documentation or specification says so;
* inferred: follows from those, but nobody showed it;
* unverified: from memory or a guess, and needs checking against Azure.

`python -m local_azure --behaviours` prints them, `--unmodelled` what is known to be missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

type Mark = Literal["recorded", "documented", "inferred", "unverified"]


class NotModelledError(Exception):
    """The request is something that the local Azure doesn't know."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that the local Azure does because Azure does it."""

    name: str
    source: str
    mark: Mark


BEHAVIOURS: list[Behaviour] = []

# Known not to be modelled: asked for over HTTP, these answer 501 (or differ as said here).
UNMODELLED: tuple[str, ...] = (
    "Accounts: PUT (create), DELETE, regenerateKey, deletedAccounts",
    "Accounts: deployments, private endpoints, usages, SKUs; projects and connections: writes",
    "Accounts: If-Match (no documentation says that it is honoured)",
    "AIServices: 127 of the 135 callRateLimit rules (the recording was cut)",
    "Groups and subscriptions: writes of any kind; /resources list; providers",
    "Locks, policies, role assignments: their own APIs, but for reading locks and permissions",
    "Policy effects other than deny (modify, deployIfNotExists, audit)",
    "Management groups: writes, getEntities, $expand other than children, service groups",
    "Resource Graph: rows readable only through a role on a resource group or resource",
    "Resource Graph: resourcesHistory, saved queries",
    "Resource Graph: full scans that mend missed notifications",
    "Entra ID: token endpoints (only managed identity gives tokens), claims challenges",
    "ARM: /metadata/endpoints without a token, and all but three of its members",
    "Log Analytics: tables but custom events and AzureDiagnostics; statistics, render, batches",
    "Log Analytics: several sources in a query, groups and subscriptions as resources",
    "Metrics: all but three counts of calls; definitions, namespaces, subscriptions, roll-ups",
    "Activity log: all but listKeys, writes of accounts and of diagnostic settings; other channels",
    "Diagnostic settings: their categories, writes",
    "Resource Graph: deny assignments and classic administrators in authorizationresources",
    "Log Analytics: refusal of what waits for long, time-outs by Prefer: wait",
    "Application Insights: live metrics (QuickPulse), statsbeat, daily caps",
    "Application Insights: of components all but the list in a subscription; the one is its own",
    "Application Insights: error 103, items older than 48 hours (clients stamp real time)",
    "Policies assigned as part of an initiative (policySetDefinition)",
    "OpenAI data plane: all but the list of models and chat completions; network rules",
    "ARM: HTTP/2, compression, regional instances that count apart, X-MSEdge-Ref's real servers",
)


def behaviour[F: Callable[..., object]](name: str, source: str, mark: Mark) -> Callable[[F], F]:
    """Register what the decorated function plays."""

    def note(function: F) -> F:
        BEHAVIOURS.append(Behaviour(name, source, mark))
        return function

    return note
