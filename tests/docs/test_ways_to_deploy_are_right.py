"""What docs/deploy tells people to write is what programs, templates and workflows take."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deploy.__main__ import read_arguments
from infra.deploy.findings import NOT_YET
from infra.deploy.tenant_part import tenant_deployment, writer_role
from keysweep.__main__ import keysweep
from shared.core.clouds import CLOUDS
from tools import bicep, release
from tools.prose import ROOT

FOLDER = ROOT / "docs" / "deploy"
PAGES = sorted(FOLDER.glob("*.md"))
PIPELINES = sorted(FOLDER.glob("*.yml"))
WORKFLOWS = ROOT / ".github" / "workflows"
every_text = pytest.mark.parametrize("path", [*PAGES, *PIPELINES], ids=lambda path: path.name)


def unbroken(text: str) -> str:
    """Return a text with each command that goes over several lines on one."""
    return re.sub(r"\\\n\s*", "", text)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(text: str, beginning: str) -> list[str]:
    """Return what follows the beginning of a command, up to the end of its line or its quotes."""
    return re.findall(rf"{beginning} ([^\n`>|]+)", unbroken(text))


@every_text
def test_every_command_of_the_deploying_program_is_one_that_it_takes(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in commands(path.read_text(), r"-m infra\.deploy"):
        if line.strip() != "…":
            read_arguments(shlex.split(line))
    capsys.readouterr()


def test_every_command_of_the_line_is_one_that_it_takes() -> None:
    lines = [
        line
        for path in (*PAGES, *PIPELINES)
        for line in commands(path.read_text(), r"(?:- |`)keysweep(?= [a-z])")
    ]
    assert [line for line in lines if line.startswith("sweep --yes")]
    for line in lines:
        name, *options = shlex.split(line)
        assert name in keysweep.commands
        if options:
            keysweep.commands[name].make_context(name, options)


@every_text
def test_every_module_and_every_target_that_is_named_exists(path: Path) -> None:
    text = path.read_text()
    for module in re.findall(r"-m ((?:infra|tools)\.\w+)", text):
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or place.is_dir(), module
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|: )make ([a-z-]+)", text)) <= targets


# Parameters


def given_to_templates() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return, by where each is written, a template and the values that an example gives it."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for page in PAGES:
        lines = re.findall(r"--template-file (\S+).* --parameters ([^\n`]+)", page.read_text())
        for number, (template, text) in enumerate(lines):
            if "=" in text:
                values = dict(pair.split("=", 1) for pair in shlex.split(text))
                found[f"{page.name} {number}"] = (Path(template).stem, values)
    for number, text in enumerate(blocks(FOLDER / "packages.md", "json")):
        values = {name: given["value"] for name, given in json.loads(text)["parameters"].items()}
        found[f"packages.md, file {number}"] = ("main", values)
    example = (FOLDER / "terraform" / "main.tf").read_text()
    (sent,) = re.findall(r"jsonencode\(\{\n(.*?)\n  \}\)", example, re.DOTALL)
    names = re.findall(r"^    (\w+) += \{ value = ", sent, re.MULTILINE)
    found["main.tf"] = ("main", dict.fromkeys(names))
    return found


GIVEN = given_to_templates()


@pytest.mark.parametrize("place", GIVEN)
def test_an_example_gives_a_template_what_it_must_be_given_and_nothing_else(place: str) -> None:
    template, given = GIVEN[place]
    rules = bicep.compiled(template)["parameters"]
    assert given.keys() <= rules.keys()
    needed = {
        name
        for name, rule in rules.items()
        if "defaultValue" not in rule and not rule.get("nullable")
    }
    assert needed <= given.keys()
    for name, value in given.items():
        assert value is None or value in rules[name].get("allowedValues", [value]), name


def test_there_are_examples_of_each_kind() -> None:
    assert {template for template, _ in GIVEN.values()} == {"app", "main", "tenant"}
    assert len(GIVEN) >= 6


def test_the_tenants_part_has_the_name_by_which_it_is_found_again() -> None:
    text = "".join(page.read_text() for page in PAGES)
    lines = re.findall(r"az deployment mg create .*tenant\.json --parameters .*", text)
    assert len(lines) == 3
    for line in lines:
        environment, region, subscription = (
            re.findall(rf"{name}=(\S+)", line)[0]
            for name in ("environmentName", "location", "subscriptionId")
        )
        name = tenant_deployment(f"{environment}-{region}-{subscription[:8]}")
        assert f"--name {name} " in line
        assert f"--location {region} " in line


def test_azure_government_is_refused_by_the_template_and_known_to_the_line() -> None:
    rule = bicep.compiled("main")["parameters"]["azureSdkCloudConf"]
    assert CLOUDS.keys() - set(rule["allowedValues"]) == {"AZURE_US_GOVERNMENT"}


def test_terraform_reads_outputs_that_the_template_has() -> None:
    text = (FOLDER / "terraform" / "main.tf").read_text() + (FOLDER / "terraform.md").read_text()
    named = set(re.findall(r"local\.outputs\.(\w+)", text))
    assert named == {"FUNCTION_APP_NAME", "RESOURCE_GROUP"}
    assert named <= bicep.compiled("main")["outputs"].keys()


def test_the_role_that_a_ring_loses_is_called_what_the_template_calls_it() -> None:
    installation = "prod-westeurope-22222222"
    name = writer_role(installation, "contoso-landingzones")
    assert f'"{name}"' in (FOLDER / "terraform.md").read_text()


# Pipelines


def deploying(text: str) -> list[str]:
    """Return the commands that deploy, in order."""
    found = re.findall(r"setup/python\.sh -m infra\.deploy [^\n|>]+", unbroken(text))
    return [" ".join(command.split()) for command in found]


def asking(text: str) -> list[str]:
    found = re.findall(r"az deployment mg what-if .*?ProviderNoRbac", unbroken(text))
    return [" ".join(command.split()) for command in found]


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_every_pipeline_deploys_by_the_same_commands(path: Path) -> None:
    text = path.read_text()
    yaml.safe_load(text)
    assert deploying(text) == deploying((WORKFLOWS / "deploy.yml").read_text())
    assert asking(text) == asking((WORKFLOWS / "what-if.yml").read_text())
    assert [command.split()[3] for command in deploying(text)] == [
        *("check", "create", "upload", "verify")
    ]


@pytest.mark.parametrize("path", [*PIPELINES, WORKFLOWS / "deploy.yml"], ids=lambda path: path.name)
def test_a_pipeline_takes_not_yet_for_a_warning_and_reads_what_create_prints(path: Path) -> None:
    text = path.read_text()
    assert NOT_YET == 3
    assert "exit_codes: [3]" in text or '[ "$code" = 3 ]' in text
    for name in ("FUNCTION_APP_NAME", "RESOURCE_GROUP"):
        assert f"s/^{name}: /" in text
        assert name in bicep.compiled("main")["outputs"]


def test_the_compiler_of_the_pipelines_is_that_of_the_workflows() -> None:
    texts = [path.read_text() for path in (*PAGES, *PIPELINES, *WORKFLOWS.glob("*.yml"))]
    named = {version for text in texts for version in re.findall(r"az bicep install (.*)", text)}
    assert named == {"--version v0.49.2"}


def test_gitlabs_jobs_that_sign_in_take_what_was_built_and_no_sources() -> None:
    jobs = yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())
    assert jobs[".in-azure"]["variables"] == {"GIT_STRATEGY": "none"}
    assert jobs["deploy"]["extends"] == jobs["what-if"]["extends"] == ".in-azure"
    assert "build/keysweep.zip" in jobs["build"]["artifacts"]["paths"]
    assert jobs["deploy"]["when"] == "manual"


def test_azure_devops_deploys_main_alone_and_what_the_first_stage_built() -> None:
    stages = yaml.safe_load((FOLDER / "azure-pipelines.yml").read_text())["stages"]
    _, what_if, last = stages
    assert "'refs/heads/main'" in last["condition"]
    (job,) = last["jobs"]
    steps = job["strategy"]["runOnce"]["deploy"]["steps"]
    assert steps[0] == {"download": "current", "artifact": "deployment"}
    assert "sha256sum --check" in steps[-1]["inputs"]["inlineScript"]
    assert what_if["jobs"][0]["steps"][0] == {"checkout": "none"}


def test_every_variable_of_the_pipelines_is_one_that_the_page_says_to_set() -> None:
    page = (FOLDER / "pipelines.md").read_text()
    texts = [path.read_text() for path in PIPELINES]
    named = set(re.findall(r"\$(AZURE_\w+|MANAGEMENT_GROUP|DEPLOY_IMAGE)", "".join(texts)))
    for path in WORKFLOWS.glob("*.yml"):
        named |= set(re.findall(r"\bvars\.(\w+)", path.read_text()))
    named.remove("AZURE_ID_TOKEN")
    assert named == {name for name in named if f"`{name}`" in page}


def test_every_block_of_yaml_in_the_pages_can_be_read() -> None:
    found = [block for page in PAGES for block in blocks(page, "yaml")]
    assert found
    for block in found:
        assert isinstance(yaml.safe_load(block), dict)


def test_whoever_asks_what_would_change_can_change_nothing() -> None:
    (text,) = blocks(FOLDER / "pipelines.md", "json")
    actions = json.loads(text)["Actions"]
    known = (ROOT / "tests/data/permissions/Microsoft.Resources.json").read_text()
    for action in actions:
        assert action == "*/read" or f'"{action}"' in known
    assert {action.rpartition("/")[2] for action in actions if "*" not in action} == {"action"}
    assert {action.split("/")[-2] for action in actions if "*" not in action} == {
        *("validate", "whatIf")
    }


# Packages


def test_the_page_names_every_file_of_a_release() -> None:
    page = (FOLDER / "packages.md").read_text()
    table = page.partition("| --- | --- |\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([^`]+)`", row[:60])}
    built = {"keysweep-0.1.0.zip", "keysweep-0.1.0-py3-none-any.whl", "keysweep-0.1.0.cdx.json"}
    assert {name for name in named if "." in name or name == release.SUMS} == (
        built | set(release.TEMPLATES) | {release.SUMS}
    )


def test_both_shells_upload_to_where_the_program_uploads() -> None:
    page = (FOLDER / "packages.md").read_text()
    (bash,) = [block for block in blocks(FOLDER / "packages.md", "bash") if "publish" in block]
    shells = [bash, *(b for b in blocks(FOLDER / "packages.md", "powershell") if "publish" in b)]
    assert len(shells) == 2
    sources = "".join(path.read_text() for path in (ROOT / "infra").glob("**/*.py"))
    (address,) = set(re.findall(r"/api/publish\?[^\"]+", sources))
    for shell in shells:
        assert address in shell
    assert page.count("api-version=2025-03-01") + page.count("--api-version 2025-03-01") == 2
    assert "Microsoft.Web/sites@2025-03-01" in (ROOT / "infra" / "function.bicep").read_text()


def test_every_page_is_found_from_the_page_on_deploying() -> None:
    text = (ROOT / "infra" / "README.md").read_text()
    assert [page.name for page in PAGES if f"](../docs/deploy/{page.name}" not in text] == []


def test_every_hook_of_azd_has_a_line_for_powershell_that_does_the_same() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    hooks = [*project["hooks"].values(), *project["services"]["sweep"]["hooks"].values()]
    for hook in hooks:
        assert hook["windows"]["shell"] == "pwsh"
        same = hook["posix"]["run"].replace("setup/python.sh", "py -3.13")
        assert hook["windows"]["run"] == f"{same}; exit $LASTEXITCODE"
        assert hook["windows"].get("interactive") == hook["posix"].get("interactive")
