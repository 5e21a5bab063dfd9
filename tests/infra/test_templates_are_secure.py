"""Checkov finds nothing in what would be deployed but what is left out with its reason."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import bicep
from tools.prose import ROOT


def checkov() -> str | None:
    beside = ROOT / ".venv-infra" / "bin" / "checkov"
    return str(beside) if beside.exists() else shutil.which("checkov")


@pytest.mark.skipif(checkov() is None, reason="no checkov here: `make check-infra` brings it")
def test_security_policies_pass(tmp_path: Path) -> None:
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    for case in bicep.CASES:
        template = {
            "$schema": schema,
            "contentVersion": "1.0.0.0",
            "resources": bicep.resources(case),
        }
        (tmp_path / f"{case}.json").write_text(json.dumps(template))
    done = subprocess.run(  # noqa: S603
        [
            *(checkov() or "", "--directory", str(tmp_path), "--output", "json"),
            *("--config-file", str(ROOT / "infra" / "checkov.yaml")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    failed = [
        f"{check['check_id']} {check['check_name']}: {check['resource']}"
        for check in answer.get("results", {}).get("failed_checks", [])
    ]
    assert failed == []
    # It passes a file in which it finds nothing.
    assert answer["summary"]["passed"] > 20 * len(bicep.CASES)


def test_every_policy_left_out_says_why() -> None:
    lines = (ROOT / "infra" / "checkov.yaml").read_text().splitlines()
    left_out = [line for line in lines if "CKV_" in line]
    assert left_out
    for line in left_out:
        assert len(line.partition("#")[2]) > 15, line
