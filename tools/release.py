"""What a release is made of, and whether a tag may become one.

    python -m tools.release notes v0.1.0              refuses a wrong tag, or prints its changelog
    python -m tools.release build .venv-release/bin   writes build/release (`make release`)

A release holds the package that Flex Consumption runs, the wheel of the command line, the compiled
templates, a bill of materials of the package, and the hashes of all of them. The same commit gives
the same bytes: `.github/workflows/release.yml` builds each twice, and compares. Needs nothing but
the standard library and the tools of setup/requirements/release.txt.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra import package
from shared import __version__

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "release"
SUMS = "SHA256SUMS"
TEMPLATES = ("app.json", "main.json", "tenant.json")
"""The compiled templates: everything, and its two parts."""
_SECTION = re.compile(
    r"^## \[(?P<version>[^]]+)](?: - (?P<day>\d{4}-\d\d-\d\d))?\n(?P<text>.*?)(?=^## \[|\Z)",
    re.MULTILINE | re.DOTALL,
)


class NoRelease(Exception):
    """A tag can't become a release. Says why."""


def versions(root: Path = ROOT) -> dict[str, str]:
    """Return the version that each file which names one gives."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    (template,) = re.findall(r"template: keysweep@(\S+)", (root / "azure.yaml").read_text())
    return {
        "pyproject.toml": project["version"],
        "shared/__init__.py": __version__,
        "azure.yaml": template,
    }


def notes(tag: str, named: Mapping[str, str], changelog: str) -> str:
    """Return what the changelog says of a tag's version.

    `named` are the versions that files name. Raises NoRelease with every problem.
    """
    version = tag.removeprefix("v")
    problems = [
        f"{place} says {other}: it must say {version}"
        for place, other in named.items()
        if other != version
    ]
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        problems.append(f"the tag is {tag!r}: it must be v and three numbers, such as v0.1.0")
    sections = {section["version"]: section for section in _SECTION.finditer(changelog)}
    section = sections.get(version)
    if section is None or section["day"] is None:
        problems.append(f"CHANGELOG.md has no section `## [{version}] - ` with its day")
    elif not section["text"].strip():
        problems.append(f"CHANGELOG.md says nothing about {version}")
    if problems or section is None:
        raise NoRelease("\n".join(problems))
    return str(section["text"]).strip() + "\n"


def build(tools: Path) -> list[Path]:
    """Write all that a release holds into `build/release`, and return the files.

    `tools` is the folder of the programs of setup/requirements/release.txt. Raises PackageNotBuilt,
    and CalledProcessError if one of them fails.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    name = f"keysweep-{__version__}"
    package.build(ROOT / "build" / "package")
    package.archive(ROOT / "build" / "package", FOLDER / f"{name}.zip")
    for template in TEMPLATES:
        shutil.copyfile(ROOT / "infra" / "compiled" / template, FOLDER / template)
    _run(tools / "hatchling", "build", "--target", "wheel", "--directory", str(FOLDER))
    _run(
        *(tools / "cyclonedx-py", "requirements", "requirements.txt"),
        *("--pyproject", "pyproject.toml", "--output-reproducible", "--output-format", "JSON"),
        *("--output-file", str(FOLDER / f"{name}.cdx.json")),
    )
    files = sorted(FOLDER.iterdir())
    (FOLDER / SUMS).write_text(sums(files), newline="\n")
    return files


def sums(files: Sequence[Path]) -> str:
    """Return the hashes of files, as `sha256sum --check` reads them."""
    digests = ((hashlib.sha256(file.read_bytes()).hexdigest(), file.name) for file in files)
    return "".join(f"{digest}  {name}\n" for digest, name in digests)


def _run(program: Path, *arguments: str) -> None:
    subprocess.run([program, *arguments], cwd=ROOT, check=True)  # noqa: S603 - ours, pinned by hash


def main(argv: Sequence[str]) -> int:
    """Run one command. Returns 1 with the reason on stderr if there can be no release."""
    try:
        match argv:
            case ["notes", tag]:
                sys.stdout.write(notes(tag, versions(), (ROOT / "CHANGELOG.md").read_text()))
            case ["build", tools]:
                build((ROOT / tools).resolve())
                sys.stdout.write((FOLDER / SUMS).read_text())
            case _:
                sys.stderr.write(str(__doc__))
                return 2
    except (NoRelease, package.PackageNotBuilt, subprocess.CalledProcessError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
