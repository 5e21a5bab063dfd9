"""A tag becomes a release only if code and changelog name the same version."""

import subprocess
from pathlib import Path

import pytest

from tools import release

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- What is to come.

## [1.2.0] - 2027-03-31

### Changed

- Something, by [somebody](https://example.org).

## [1.1.0] - 2027-01-15

## [1.0.0]

- A version that has no day yet.
"""
ALIKE = {"pyproject.toml": "1.2.0", "azure.yaml": "1.2.0"}


def refusal(tag: str, **versions: str) -> str:
    with pytest.raises(release.NoRelease) as refused:
        release.notes(tag, versions, CHANGELOG)
    return str(refused.value)


def test_the_notes_are_the_section_of_the_version_and_no_other() -> None:
    text = release.notes("v1.2.0", ALIKE, CHANGELOG)
    assert text == "### Changed\n\n- Something, by [somebody](https://example.org).\n"


@pytest.mark.parametrize("tag", ["1.2.0", "v1.2", "v1.2.0-rc1", "release"])
def test_a_tag_of_another_form_is_refused(tag: str) -> None:
    assert f"the tag is {tag!r}: it must be v and three numbers" in refusal(tag)


def test_every_file_that_names_another_version_is_told() -> None:
    told = refusal("v1.2.0", code="1.2.0", project="1.1.0", template="1.3.0").splitlines()
    assert told == [
        "project says 1.1.0: it must say 1.2.0",
        "template says 1.3.0: it must say 1.2.0",
    ]


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("v2.0.0", "no section `## [2.0.0] - ` with its day"),
        ("v1.0.0", "no section `## [1.0.0] - ` with its day"),
        ("v1.1.0", "says nothing about 1.1.0"),
    ],
)
def test_a_version_that_the_changelog_does_not_tell_is_refused(tag: str, problem: str) -> None:
    assert problem in refusal(tag)


def test_all_files_of_this_checkout_name_one_version() -> None:
    assert len(set(release.versions().values())) == 1


def test_the_program_that_people_check_hashes_with_reads_ours(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("package.zip", "main.json")]
    for file in files:
        file.write_text(file.name)
    (tmp_path / release.SUMS).write_text(release.sums(files))
    check = ["sha256sum", "--check", "--strict", release.SUMS]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0  # noqa: S603 - coreutils
    files[0].write_text("another")
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 1  # noqa: S603 - coreutils
