"""`az` and `azd`, played in this process."""

import pytest

from tests.support.azure_cli import AzureCli
from tests.support.deployments import signed_in


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> AzureCli:
    """Let an owner be signed in, in the place of the programs."""
    played = AzureCli()
    monkeypatch.setattr("infra.deploy.azure_cli._run_program", played)
    signed_in(played)
    return played
