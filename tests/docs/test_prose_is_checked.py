"""What the documents say is what the code does."""

import ast
import json
import re
import sys
from datetime import date
from pathlib import Path

import pytest

from shared.core.decision import Rules, Scope, decide
from shared.core.exemption import read_exemption
from shared.core.model import (
    Account,
    AccountId,
    Exempt,
    HoldReason,
    Lapsed,
    NotExempt,
    Result,
    Verdict,
)
from shared.core.settings import OPERATOR_SETTINGS, SETTINGS, read_settings
from tests.support.checkout import tracked
from tools.prose import (
    BLOCKS,
    COMMAND_LINE,
    COMMANDS,
    DEPLOYING,
    DOCUMENTS,
    README,
    ROOT,
    block_names,
    written_anew,
)

TEXT = README.read_text()


def test_every_block_of_the_documents_is_as_the_code_has_it() -> None:
    texts = [document.read_text() for document in DOCUMENTS]
    assert sorted(name for text in texts for name in block_names(text)) == sorted(BLOCKS)
    for text in texts:
        assert written_anew(text) == text, "run `make docs`"


def test_the_help_in_the_documents_is_what_the_command_line_prints() -> None:
    text = COMMAND_LINE.read_text()
    assert block_names(text) == list(COMMANDS)
    assert written_anew(text) == text, "run `make docs`"


def rows_under(heading: str) -> list[list[str]]:
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_value_in_the_table_of_tags_means_what_its_row_says() -> None:
    seen = 0
    for values, meaning in rows_under("Exemption tags")[2:]:
        for value in [*re.findall(r"`([^`]*)`", values), *([""] if "empty" in values else [])]:
            reading = read_exemption(
                {"local-auth-exempt": value}, "local-auth-exempt", date(2026, 11, 24)
            )
            kind = meaning.split(" ")[0].strip(",:;")
            expected = {
                "exempt": Exempt,
                "the": Exempt,
                "explicitly": NotExempt,
                "lapsed": Lapsed,
            }.get(kind)
            if expected is None:
                account = Account(
                    AccountId("s", "g", "n"),
                    "OpenAI",
                    "x",
                    keys_on=True,
                    tags={"local-auth-exempt": value},
                )
                decision = decide(account, Scope(), Rules(), date(2026, 11, 24))
                assert decision.hold is HoldReason.UNREADABLE_TAG, value
            else:
                assert isinstance(reading, expected), value
            seen += 1
    assert seen >= 16


def test_every_verdict_and_every_result_is_in_the_readme_with_whether_it_fails() -> None:
    rows = rows_under("What becomes of an account")
    verdicts = {row[0] for row in rows if row[0] in set(Verdict)}
    assert verdicts == set(Verdict)
    results = {
        name: row[2] == "yes"
        for row in rows
        if len(row) == 3
        for name in row[0].split(", ")
        if name in set(Result)
    }
    assert results == {result.value: result.fails_the_sweep for result in Result}


def test_every_setting_that_the_readme_names_exists() -> None:
    known = {setting.name for setting in SETTINGS}
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    named = set(
        re.findall(
            r"\b(?:SWEEP|EXEMPTION|NO_SUBDOMAIN|ARM|AZURE|BRAKE|ENFORCE|MAX)_[A-Z_]+\b", TEXT
        )
    )
    clouds = {"AZURE_PUBLIC_CLOUD", "AZURE_US_GOVERNMENT", "AZURE_CHINA_CLOUD"}
    assert named - clouds <= known | set(sample)


def test_every_example_of_rings_is_one_that_the_settings_take() -> None:
    command = r'azd env set ENFORCE_SCOPES "([^"]*)"'
    parameter = r"param enforceScopes = '([^']*)'"
    rollout = (ROOT / "docs" / "rollout.md").read_text()
    assert re.findall(parameter, rollout)
    examples = re.findall(command, rollout + DEPLOYING.read_text()) + re.findall(parameter, rollout)
    for example in examples:
        environ = {"SWEEP_MODE": "enforce", "ENFORCE_SCOPES": example}
        rings = read_settings(environ, OPERATOR_SETTINGS).enforce_scopes
        assert len(rings) == len([part for part in example.split(",") if part])


@pytest.mark.parametrize(
    "document", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")) + [DEPLOYING]
)
def test_every_local_link_leads_somewhere(document: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", document.read_text()):
        if "://" in target:
            continue
        path = document.parent / target if target else document
        assert path.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{target}#{anchor}"


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in {*ROOT.glob("*.md"), *DOCUMENTS}:
        assert (
            set(re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(), re.MULTILINE)) <= targets
        )


@pytest.mark.parametrize(
    "path", sorted((ROOT / "shared" / "core").glob("*.py")), ids=lambda p: p.stem
)
def test_core_imports_the_standard_library_and_itself_alone(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        modules = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for module in modules:
            in_core = module.startswith("shared.core.")
            assert in_core or module.partition(".")[0] in sys.stdlib_module_names, module


def test_nothing_tracked_names_a_registry_or_a_machine() -> None:
    registries = ("pypi" + ".org", "python" + "hosted", "registry." + "npmjs", "deb." + "debian")
    machine_paths = re.compile(r"(?<![\w.])/(?:root|home|work|Users)/\w")
    for name in tracked():
        path = ROOT / name
        assert not path.is_symlink(), f"{name} leads to one machine's own place"
        if not path.is_file() or path.suffix in {".png", ".svg"}:
            continue
        text = path.read_text(errors="replace")
        assert not any(registry in text for registry in registries), name
        if not name.startswith("tests/data/"):
            assert not machine_paths.search(text), name
