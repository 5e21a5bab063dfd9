"""A deployment as azd's environment describes it, and somebody who answers its questions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from infra.deploy.function_app import FunctionApp
from tests.support.azure_cli import AzureCli
from tools import bicep

TENANT = "11111111-1111-1111-1111-111111111111"
GROUP = "contoso-landingzones"
GROUP_SCOPE = f"/providers/Microsoft.Management/managementGroups/{GROUP}"
FUNCTIONS_SUBSCRIPTION = "99999999-9999-9999-9999-999999999999"
INSTALLATION = "prod-westeurope-99999999"
NETWORK = (
    "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-network"
    "/providers/Microsoft.Network"
)
FUNCTION_SUBNET = f"{NETWORK}/virtualNetworks/vnet-spoke/subnets/functions"
ENDPOINT_SUBNET = f"{NETWORK}/virtualNetworks/vnet-spoke/subnets/endpoints"
OWNER = [{"actions": ["*"], "notActions": []}]
CONTRIBUTOR = [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}]
ENVIRON = {
    "AZURE_ENV_NAME": "prod",
    "AZURE_LOCATION": "westeurope",
    "AZURE_SUBSCRIPTION_ID": FUNCTIONS_SUBSCRIPTION,
    "AZURE_TENANT_ID": TENANT,
    "AZURE_MANAGEMENT_GROUP_ID": GROUP,
    "SWEEP_MODE": "audit",
    "SWEEP_KINDS": "OpenAI,AIServices",
}
PROVISIONED = {
    **ENVIRON,
    "PRINCIPAL_ID": "55555555-5555-5555-5555-555555555555",
    "RESOURCE_GROUP": "rg-keysweep-prod",
    "FUNCTION_APP_NAME": "func-keysweep",
}
APP = FunctionApp(FUNCTIONS_SUBSCRIPTION, "rg-keysweep-prod", "func-keysweep")
FUNCTIONS = f"az rest --method get --url {APP.url('functions')}"
"""What `az` is asked for the functions that Azure lists."""
LISTED = {"value": [{"name": "func-keysweep/sweep"}]}
"""Its answer, when the function is there."""


@dataclass
class PassingTime:
    """A clock whose time passes when somebody waits, and then at once."""

    moment: datetime = datetime(2027, 3, 30, 8, 1, tzinfo=UTC)
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        """Return what time it is."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.waits.append(seconds)
        self.moment += timedelta(seconds=seconds)


def signed_in(cli: AzureCli) -> None:
    """Let an owner be signed in to a tenant in which nothing was deployed yet."""
    account = {
        "id": FUNCTIONS_SUBSCRIPTION,
        "tenantId": TENANT,
        "environmentName": "AzureCloud",
    }
    cli.answer("az account show", account)
    cli.answer(f"az account management-group show --name {GROUP} ", {"name": GROUP})
    cli.answer("az functionapp list-flexconsumption-locations", [{"name": "West Europe"}])
    cli.answer("az rest --method get", {"value": OWNER})
    cli.answer("az rest --method post --url /providers/Microsoft.ResourceGraph/", {"data": []})
    cli.answer("az deployment mg create", None)
    cli.answer("az deployment mg list", [])
    cli.answer("az deployment sub list", [])
    cli.answer("az policy", [])
    cli.answer("az role definition list", [])
    cli.answer("az role assignment list", [])
    cli.answer("azd env set", None)


def changes(cli: AzureCli) -> list[list[str]]:
    """Return what was not read only."""
    reads = {"show", "list", "get", "list-flexconsumption-locations"}
    graph = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
    return [call for call in cli.calls if not {*reads, graph} & set(call)]


def kept(cli: AzureCli) -> dict[str, str]:
    """Return what was written into azd's environment."""
    return environment_of(cli.called("azd", "env", "set"))


def environment_of(calls: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return what calls of `azd env set` set: `NAME VALUE`, or any number of `NAME=VALUE`."""
    values: dict[str, str] = {}
    for _, _, _, *words in calls:
        if len(words) == 2 and "=" not in words[0]:
            values[words[0]] = words[1]
        else:
            values |= dict(word.split("=", 1) for word in words)
    return values


class Deployer:
    """Answers a question by the first of its words that occurs in it, and else with nothing."""

    def __init__(self, **answers: str) -> None:
        self._answers = answers
        self.questions: list[str] = []

    def __call__(self, question: str) -> str:
        """Answer."""
        self.questions.append(question)
        words = (answer for word, answer in self._answers.items() if word in question)
        return next(words, "")


def answering(**answers: str) -> Deployer:
    """Return somebody who knows region and management group, and these besides."""
    return Deployer(AZURE_LOCATION="westeurope", AZURE_MANAGEMENT_GROUP_ID=GROUP, **answers)


def given_by_azd() -> dict[str, dict[str, str]]:
    """Return what azd gives to each parameter of the app: the value of a variable, `${NAME}`."""
    file = bicep.INFRA / "app.parameters.json"
    given: dict[str, dict[str, str]] = json.loads(file.read_text())["parameters"]
    return given


def has_to_be_given(template: str) -> set[str]:
    """Return the parameters of a template without a default that may not be left out either."""
    rules = bicep.compiled(template)["parameters"]
    return {
        name
        for name, rule in rules.items()
        if "defaultValue" not in rule and not rule.get("nullable")
    }


def compiled_parameters(**values: object) -> dict[str, str]:
    """Return what the Bicep CLI says of a parameter file with these values."""
    parameters = {name: {"value": value} for name, value in values.items()}
    return {"parametersJson": json.dumps({"parameters": parameters})}
