"""The workflows hold no secret, may do little, and run what they name and nothing newer.

zizmor and actionlint, which `make check` runs (.pre-commit-config.yaml), find the rest.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import tracked
from tools.prose import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def loaded(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    return workflow


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = loaded(ROOT / ".github" / "workflows" / f"{name}.yml")["jobs"]
    return found


CI, DEPLOY, RELEASE, WHAT_IF = (jobs(name) for name in ("ci", "deploy", "release", "what-if"))
READS = {"contents": "read"}
ATTESTS = {"attestations": "write", "id-token": "write"}
# What a job may do where that is not to read the code alone.
PERMISSIONS: dict[tuple[str, str], dict[str, str]] = {
    ("ci", "all-green"): {},
    ("deploy", "attest"): ATTESTS,
    ("deploy", "deploy"): {"attestations": "read", "id-token": "write"},
    ("release", "attest"): ATTESTS,
    ("release", "publish"): {"attestations": "read", "contents": "write"},
    ("what-if", "what-if"): {"contents": "read", "id-token": "write"},
}


def test_there_are_workflows() -> None:
    names = {"ci.yml", "deploy.yml", "nightly.yml", "release.yml", "what-if.yml"}
    assert {path.name for path in WORKFLOWS} == names


@every_workflow
def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_commit_everywhere() -> None:
    text = "".join(path.read_text() for path in WORKFLOWS)
    pinned = set(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", text))
    assert len(pinned) == len({action for action, _ in pinned})


@every_workflow
def test_nothing_is_permitted_but_what_a_job_says_it_needs(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == PERMISSIONS.get((path.stem, name), READS), name


@every_workflow
def test_there_is_no_secret(path: Path) -> None:
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("target", ["check", "check-infra", "test", "test-slow"])
def test_the_workflows_and_the_script_of_ci_run_what_the_readme_tells_people_to_run(
    target: str,
) -> None:
    steps = [step.get("run") for job in CI.values() for step in job["steps"]]
    assert f"make {target}" in steps
    assert f"make {target}\n" in (ROOT / ".ci" / "run").read_text()
    assert f"make {target} " in (ROOT / "README.md").read_text()


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def signs_in_as(job: dict[str, Any]) -> list[str]:
    """Return the variables that name whom a job is in Azure."""
    steps = [step for step in job["steps"] if step.get("uses", "").startswith("azure/login@")]
    return [step["with"]["client-id"] for step in steps]


def test_one_job_may_change_azure_and_somebody_has_to_approve_it() -> None:
    every_job = [(path.stem, name) for path in WORKFLOWS for name in jobs(path.stem)]
    signing_in = {(stem, name): signs_in_as(jobs(stem)[name]) for stem, name in every_job}
    assert {place: identity for place, identity in signing_in.items() if identity} == {
        ("deploy", "deploy"): ["${{ vars.AZURE_CLIENT_ID }}"],
        ("what-if", "what-if"): ["${{ vars.AZURE_WHAT_IF_CLIENT_ID }}"],
    }
    assert DEPLOY["deploy"]["environment"] == "production"


@pytest.mark.parametrize(
    "job",
    [DEPLOY["attest"], DEPLOY["deploy"], RELEASE["attest"], RELEASE["publish"]],
    ids=lambda job: job["name"],
)
def test_a_job_with_rights_checks_nothing_out_and_installs_nothing(job: dict[str, Any]) -> None:
    assert not [step for step in job["steps"] if "actions/checkout@" in step.get("uses", "")]
    assert not re.search(r"\b(make|pip|npm|uv|git clone)\b", commands(job))


def test_what_is_deployed_is_verified_before_anybody_signs_in() -> None:
    steps = DEPLOY["deploy"]["steps"]
    verified = next(place for place, step in enumerate(steps) if "sha256sum" in step.get("run", ""))
    signed_in = next(place for place, step in enumerate(steps) if "azure/login" in str(step))
    assert verified < signed_in
    assert "gh attestation verify deployment.tar" in steps[verified]["run"]
    assert "/.github/workflows/deploy.yml@$GITHUB_REF" in steps[verified]["run"]
    assert {"build", "attest"} <= set(DEPLOY["deploy"]["needs"])


@pytest.mark.parametrize("name", ["build", "deploy"])
def test_only_main_and_tags_of_releases_are_deployed(name: str) -> None:
    guard = "github.ref == 'refs/heads/main' || startsWith(github.ref, 'refs/tags/v')"
    assert DEPLOY[name]["if"] == guard


def test_what_deploys_runs_with_what_it_is_given_and_the_standard_library(tmp_path: Path) -> None:
    places = re.findall(r"git archive --output=\S+ HEAD (.*)", commands(DEPLOY["build"]))[0].split()
    for name in tracked(*places):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "infra.deploy", "--help"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_pull_requests_of_forks_and_repositories_without_an_identity_ask_azure_nothing() -> None:
    guard = WHAT_IF["what-if"]["if"]
    assert "vars.AZURE_WHAT_IF_CLIENT_ID != ''" in guard
    assert "github.event.pull_request.head.repo.full_name == github.repository" in guard


def test_the_compiler_is_of_one_version_everywhere() -> None:
    texts = [path.read_text() for path in WORKFLOWS]
    versions = {version for text in texts for version in re.findall(r"az bicep install.*", text)}
    assert versions == {"az bicep install --version v0.49.2"}


def test_a_release_is_what_two_machines_built_alike() -> None:
    assert RELEASE["build"]["strategy"]["matrix"] == {"copy": ["first", "second"]}
    assert "diff --recursive --brief first second" in commands(RELEASE["attest"])
    assert set(RELEASE["publish"]["needs"]) == {"attest", "try"}
    assert RELEASE["attest"]["needs"] == RELEASE["try"]["needs"] == "build"


def test_a_release_is_verified_file_by_file_before_it_is_made() -> None:
    """The job that tries the wheel runs others' code, and could put another artifact in place."""
    (step,) = [step["run"] for step in RELEASE["publish"]["steps"] if "run" in step]
    verified = step.index('gh attestation verify "$file"')
    assert "for file in release/*" in step[:verified]
    assert "/.github/workflows/release.yml@$GITHUB_REF" in step[verified:]
    assert verified < step.index("gh release create")


def test_all_green_waits_for_every_other_job_of_ci() -> None:
    assert set(CI["all-green"]["needs"]) == CI.keys() - {"all-green"}
    assert CI["all-green"]["if"] == "always()"


@pytest.mark.parametrize(
    ("results", "green"),
    [
        ("success success", True),
        ("success failure", False),
        ("skipped success", False),
        ("success cancelled", False),
    ],
)
def test_all_green_is_green_only_if_every_job_succeeded(results: str, *, green: bool) -> None:
    [step] = CI["all-green"]["steps"]
    done = subprocess.run(  # noqa: S603 - our own workflow, as the runner runs it
        ["/bin/bash", "-e", "-c", step["run"]], env={"RESULTS": results}, check=False
    )
    assert (done.returncode == 0) is green


def test_updates_wait_a_week_and_cover_every_lock() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["cooldown"]["default-days"] for update in updates} == {7}
    watched = {
        folder
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    locks = [
        ROOT / "requirements.txt",
        *ROOT.glob("setup/**/*.txt"),
        *ROOT.glob("tools/*/package.json"),
    ]
    assert {
        f"/{lock.parent.relative_to(ROOT)}".removesuffix("/.") or "/" for lock in locks
    } <= watched
