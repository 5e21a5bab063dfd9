"""`make package`: builds what Flex Consumption runs, the same bytes from the same commit.

`build/package/` is what azd uploads, `build/keysweep.zip` the same for everybody else: the product
and its packages for Linux x86-64 and CPython 3.13, with all their metadata (OpenTelemetry finds its
parts by entry points). No remote build is needed.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHIPPED = ("function_app.py", "host.json", "shared")
PACKAGES = ".python_packages/lib/site-packages"
# Whatever glibc a wheel was built for, up to that of the image that Flex Consumption runs.
_PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux1_x86_64",
)
# The earliest that a zip can say.
_TIME = (1980, 1, 1, 0, 0, 0)


class PackageNotBuilt(Exception):
    """A package could not be fetched. Says which, by pip's own words."""


def product_files(root: Path = ROOT) -> list[Path]:
    """Return the product's own files, relative to `root`, sorted."""
    found = []
    for name in SHIPPED:
        path = root / name
        found += [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sorted(
        relative
        for relative in (file.relative_to(root) for file in found)
        if "__pycache__" not in relative.parts
    )


def build(folder: Path, root: Path = ROOT) -> None:
    """Write the package into `folder`, which is emptied first. Raises PackageNotBuilt."""
    shutil.rmtree(folder, ignore_errors=True)
    for relative in product_files(root):
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / relative, target)
    _install(root / "requirements.txt", folder / PACKAGES)


def archive(folder: Path, target: Path) -> int:
    """Zip `folder` with fixed times, rights and order. Returns the zip's size in bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        files = (file for file in folder.rglob("*") if file.is_file())
        # By name as text: paths have another order on Windows, where case does not count.
        for name, path in sorted((file.relative_to(folder).as_posix(), file) for file in files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Made on Unix, wherever it is made; everybody may read.
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            zipped.writestr(entry, path.read_bytes())
    return target.stat().st_size


def _install(requirements: Path, target: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--target", str(target), "--requirement", str(requirements)),
        *("--require-hashes", "--no-deps", "--no-compile", "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", "3.13"),
        *(part for platform in _PLATFORMS for part in ("--platform", platform)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        raise PackageNotBuilt(
            f"pip could not install requirements.txt for Linux x86-64 and CPython 3.13, so there "
            f"is no package. It says:\n{done.stderr.strip()}"
        )
    # Commands of packages begin with the path of this machine's Python, and nobody runs them.
    shutil.rmtree(target / "bin", ignore_errors=True)
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = sorted(line for line in lines if (target / line.partition(",")[0]).exists())
        # The same ends of lines, whatever the machine's own are.
        record.write_text("".join(kept), encoding="utf-8", newline="\n")


def main() -> int:
    """Build both, and print what was built."""
    folder, target = ROOT / "build" / "package", ROOT / "build" / "keysweep.zip"
    print("Fetching the packages for Linux x86-64 and CPython 3.13 ...")
    try:
        build(folder)
    except PackageNotBuilt as problem:
        print(problem, file=sys.stderr)
        return 1
    size = archive(folder, target)
    print(
        f"{target.relative_to(ROOT)}: {size / 1e6:.1f} MB, "
        f"{_unpacked(folder) / 1e6:.1f} MB unpacked"
    )
    return 0


def _unpacked(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
