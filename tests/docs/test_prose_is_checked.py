"""What the documents say is what the code does."""

import ast
import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from keysweep.__main__ import keysweep
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
from tools.dashboard_pictures import DOCUMENTED
from tools.prose import (
    BLOCKS,
    COMMAND_LINE,
    COMMANDS,
    DEPLOYING,
    DOCS,
    DOCUMENTS,
    README,
    ROOT,
    block_names,
    written_anew,
)

PAGES = sorted(
    path
    for places in ("*.md", "docs/**/*.md", "infra/*.md", "tests/**/*.md")
    for path in ROOT.glob(places)
)
every_page = pytest.mark.parametrize(
    "document", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix()
)
EXEMPTIONS, RESULTS = DOCS / "exemptions.md", DOCS / "results.md"


def test_every_block_of_the_documents_is_as_the_code_has_it() -> None:
    texts = [document.read_text() for document in DOCUMENTS]
    assert sorted(name for text in texts for name in block_names(text)) == sorted(BLOCKS)
    for text in texts:
        assert written_anew(text) == text, "run `make docs`"


def test_the_help_in_the_documents_is_what_the_command_line_prints() -> None:
    text = COMMAND_LINE.read_text()
    assert block_names(text) == list(COMMANDS)
    assert written_anew(text) == text, "run `make docs`"


def rows_of(document: Path) -> list[list[str]]:
    lines = [line for line in document.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_value_in_the_table_of_tags_means_what_its_row_says() -> None:
    seen = 0
    for values, meaning in rows_of(EXEMPTIONS)[2:]:
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


def test_every_verdict_and_every_result_is_on_its_page_with_whether_it_fails() -> None:
    rows = rows_of(RESULTS)
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


def test_every_setting_that_the_documents_name_exists() -> None:
    known = {setting.name for setting in SETTINGS}
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    named = {
        name
        for document in (README, *DOCS.glob("*.md"))
        for name in re.findall(
            r"\b(?:SWEEP|EXEMPTION|NO_SUBDOMAIN|ARM|BRAKE|ENFORCE|MAX|OWNER)_[A-Z_]+[A-Z]\b",
            document.read_text(),
        )
    }
    assert named <= known | set(sample)


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


def links(document: Path) -> list[tuple[str, str]]:
    """Return where a document's links and pictures lead: a target, and an anchor there."""
    prose = re.sub(
        r"^```.*?^```|`[^`\n]*`", "", document.read_text(), flags=re.DOTALL | re.MULTILINE
    )
    targets = re.findall(r"\]\(([^)\s]+)\)|<(?:img|source)[^>]* src(?:set)?=\"([^\"]+)\"", prose)
    found = [(linked or drawn).partition("#") for linked, drawn in targets]
    return [(target, anchor) for target, _, anchor in found if "://" not in target]


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to a document's headings."""
    prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    shown = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in shown}


@every_page
def test_every_local_link_leads_somewhere(document: Path) -> None:
    for target, anchor in links(document):
        path = document.parent / target if target else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_every_file_of_ours_that_a_page_names_exists() -> None:
    ours = r"`((?:dashboard|docs|infra|keysweep|local_azure|shared|soak|tools)/[\w./-]+\.\w+)`"
    for document in sorted({README, *DOCS.glob("*.md")}):
        for name in re.findall(ours, document.read_text()):
            assert "NAME" in name or (ROOT / name).exists(), f"{document.name}: {name}"


def typed(document: Path) -> list[list[str]]:
    """Return the words of every `keysweep` command that a document tells people to type."""
    if document.name == "CHANGELOG.md":
        return []  # it may speak of what was there once
    lines = re.findall(r"(?:^|`)(keysweep [^`\n]+)", document.read_text(), re.MULTILINE)
    return [re.split(r" (?:[>|;#]|2>)", line)[0].split()[1:] for line in lines]


@every_page
def test_every_command_that_a_page_gives_is_one_that_keysweep_takes(document: Path) -> None:
    for words in typed(document):
        command = keysweep.commands.get(words[0], keysweep)
        taken = {option for param in command.params for option in param.opts} | {"--help"}
        asked = {word.split("=")[0] for word in words if word.startswith("-")}
        assert asked <= taken, words
        assert words[0] in keysweep.commands or words[0].startswith("-"), words


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.read_text().splitlines()) <= 150


PICTURES = {".png", ".svg"}


def test_every_picture_is_shown_by_a_document() -> None:
    shown = {
        (document.parent / target).resolve().relative_to(ROOT).as_posix()
        for document in PAGES
        for target, _ in links(document)
        if Path(target).suffix in PICTURES
    }
    kept = {name for name in tracked("docs", "infra") if Path(name).suffix in PICTURES}
    assert kept == shown


def test_make_docs_draws_every_picture_of_the_documents() -> None:
    names = [
        call.args[0]
        for call in ast.walk(ast.parse((ROOT / "tools" / "pictures.py").read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "draw"
    ]
    terminals = {f"docs/cli-{ast.literal_eval(name)}.svg" for name in names}
    by_the_demo = set(re.findall(r"--picture (\S+)", (ROOT / "Makefile").read_text()))
    pages = {f"docs/dashboard/{cut.file}" for cut in DOCUMENTED}
    kept = {name for name in tracked("docs") if Path(name).suffix in PICTURES}
    assert kept == terminals | by_the_demo | pages


def test_the_form_of_a_first_contact_ends_with_its_last_item() -> None:
    page = (DOCS / "first-contact.md").read_text()
    items = [int(number) for number in re.findall(r"^\*\*(\d+)\. ", page, re.MULTILINE)]
    assert items == [*range(1, len(items) + 1)]
    assert f" …\n{items[-1]}\n\nAnswers that were otherwise" in page


def test_what_is_sent_back_from_a_first_contact_names_nobody(tmp_path: Path) -> None:
    page = (DOCS / "first-contact.md").read_text()
    (command,) = re.findall(r"^sed .*?\.json$", page, re.MULTILINE | re.DOTALL)
    names = ["scan.txt", "requests.txt", "patch.txt", "before.json", "after.json"]
    ours = {
        "4f6c2b1a-0D3e-4b5f-8a7c-9d0e1f2a3b4c": "00000000-0000-0000-0000-000000000000",
        "Jo.Doe+x@corp.contoso.com": "user@example.com",
        "https://payroll.openai.azure.com/openai/": "https://NAME.openai.azure.com/openai/",
        "https://hr.services.ai.azure.com/api": "https://NAME.services.ai.azure.com/api",
        "'Authorization': Bearer eyJ0.eyJh.c2ln": "'Authorization': Bearer REMOVED",
        "api-key: 0123456789abcdef": "api-key: REMOVED",
        "?api-version=2017-04-18&t=638&c=MII&s=sig&h=hash": (
            "?api-version=2017-04-18&t=REMOVED&c=REMOVED&s=REMOVED&h=REMOVED"
        ),
    }
    for name in names:
        (tmp_path / name).write_text("\n".join(ours))
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)  # noqa: S603, S607
    for name in names:
        assert (tmp_path / name).read_text().split("\n") == list(ours.values())


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in PAGES:
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
