"""`azd up` asks once, before azd does, and ends with the first sweep: in azd's order of calls.

azd itself can't run here. The order is that of its source (Azure/azure-dev ae35809f: cmd/up.go,
cmd/middleware/hooks.go, internal/cmd/up_graph.go, bicep_provider.go's EnsureEnv), and the hooks are
run as azure.yaml names them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import yaml

from infra.deploy.__main__ import main
from infra.deploy.questions import ASKED
from infra.deploy.verification import Clock
from tests.support.azure_cli import AzureCli
from tests.support.deployments import (
    ENVIRON,
    FUNCTIONS,
    GROUP,
    LISTED,
    PROVISIONED,
    Deployer,
    PassingTime,
    answering,
    environment_of,
    given_by_azd,
    has_to_be_given,
)
from tools import bicep
from tools.prose import ROOT


@dataclass
class Azd:
    """Plays azd: its environment, its own questions, and its order of calls."""

    cli: AzureCli
    environment: dict[str, str]
    did: list[str] = field(default_factory=list)
    """What happened, in order: the names of hooks, and what azd itself does."""
    asks: list[str] = field(default_factory=list)
    """What azd itself would ask for."""

    def __post_init__(self) -> None:
        """Let hooks write into the environment."""
        self.cli.act("azd env set", self._set)
        self._hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]
        self._time = PassingTime()

    def _set(self, command: Sequence[str]) -> tuple[int, str]:
        self.environment |= environment_of([list(command)])
        return 0, ""

    def up(self) -> bool:
        """Provision and deploy. Returns whether all went well."""
        if not self._hook("preup"):
            return False
        self._ask_for_what_is_missing()
        return self.provision() and self.deploy()

    def provision(self) -> bool:
        """Provision alone."""
        if not self._hook("preprovision"):
            return False
        self._ask_for_what_is_missing()
        self.did.append("provision")
        outputs = {"PRINCIPAL_ID", "RESOURCE_GROUP", "FUNCTION_APP_NAME"}
        self.environment |= {name: PROVISIONED[name] for name in outputs}
        return self._hook("postprovision")

    def deploy(self) -> bool:
        """Upload alone."""
        self.did.append("deploy")
        return self._hook("postdeploy")

    def _hook(self, name: str) -> bool:
        if name not in self._hooks:
            return True
        (command,) = re.findall(r"-m infra\.deploy (\w+)", self._hooks[name]["posix"]["run"])
        self.did.append(command)
        clock = Clock(self._time.now, self._time.sleep)
        return main([command], dict(self.environment), clock) == 0

    def _ask_for_what_is_missing(self) -> None:
        """Ask for the subscription, and for parameters that have neither a value nor a default."""
        given = given_by_azd()
        needed = {given[name]["value"].strip("${}") for name in has_to_be_given("app")}
        missing = {"AZURE_SUBSCRIPTION_ID", *needed} - self.environment.keys()
        self.asks += sorted(missing)
        self.environment |= {name: ENVIRON[name] for name in missing}


@pytest.fixture
def azd(cli: AzureCli) -> Azd:
    """Have a clone, and a new environment whose name azd has asked for."""
    cli.answer(FUNCTIONS, LISTED)
    cli.answer("az rest --method post --url /subscriptions/", None)
    return Azd(cli, {"AZURE_ENV_NAME": "prod"})


@pytest.fixture
def deployer(monkeypatch: pytest.MonkeyPatch) -> Deployer:
    """Have somebody at the terminal."""
    found = answering()
    monkeypatch.setattr("builtins.input", found)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    return found


def asked(deployer: Deployer) -> list[str]:
    return [name for question in deployer.questions for name in ASKED if f"({name})" in question]


def test_azd_up_asks_once_and_goes_from_a_clone_to_the_first_sweep(
    azd: Azd, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert azd.up()
    assert asked(deployer) == list(ASKED)
    assert azd.asks == []
    assert azd.did == [
        "preup",
        "preprovision",
        "provision",
        "postprovision",
        "deploy",
        "postdeploy",
    ]
    assert "The next sweep is at 2027-03-30 08:15 UTC" in capsys.readouterr().out


def test_azd_up_again_asks_nothing(azd: Azd, deployer: Deployer) -> None:
    azd.up()
    before = len(deployer.questions)
    assert azd.up()
    assert len(deployer.questions) == before


def test_azd_provision_alone_asks_the_same_before_azd_does(azd: Azd, deployer: Deployer) -> None:
    assert azd.provision()
    assert asked(deployer) == list(ASKED)
    assert azd.asks == []


@pytest.mark.usefixtures("deployer")
def test_azd_deploy_alone_waits_for_the_function_too(azd: Azd) -> None:
    azd.provision()
    azd.did.clear()
    assert azd.deploy()
    assert azd.did == ["deploy", "postdeploy"]


@pytest.mark.parametrize(
    ("place", "output"),
    [("resourceGroup", "RESOURCE_GROUP"), ("resourceName", "FUNCTION_APP_NAME")],
)
def test_azd_uploads_to_what_was_deployed_and_looks_for_no_tag(place: str, output: str) -> None:
    """A group that was there before lacks azd's tag, and may have another Keysweep's app."""
    service = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"]["sweep"]
    assert service[place] == f"${{{output}}}"
    assert output in bicep.compiled("app")["outputs"]


@pytest.mark.usefixtures("deployer")
def test_a_wrong_answer_stops_before_azd_has_begun(azd: Azd) -> None:
    azd.cli.refuse(f"az account management-group show --name {GROUP} ", "(NotFound) none")
    assert not azd.up()
    assert azd.did == ["preup"]
    assert azd.asks == []


def test_in_a_pipeline_nobody_is_asked_and_what_is_missing_is_named(
    azd: Azd, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    azd.environment |= {"CI": "true", **ENVIRON, "SWEEP_MODE": ""}
    assert not azd.up()
    assert deployer.questions == []
    assert "- SWEEP_MODE is " in capsys.readouterr().err
    assert azd.did == ["preup"]
