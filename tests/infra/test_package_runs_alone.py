"""The package that Flex Consumption runs holds all that it needs, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from infra import package
from local_azure import LocalAzure, scenarios
from local_azure.clock import RunningClock
from tests.support.checkout import tracked
from tests.support.serving import Serve
from tools.prose import ROOT

SCHEDULE = "0 */15 * * * *"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    package.build(folder)
    return folder


@pytest.fixture(scope="module")
def archived(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("archive") / "keysweep.zip"
    package.archive(built, target)
    return target


@pytest.fixture
def unpacked(archived: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(archived) as zipped:
        zipped.extractall(tmp_path / "app")
    return tmp_path / "app"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Return a folder with the Functions runtime and our driver of it alone."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in ("azure_functions_runtime", "azurefunctions"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations
        (found,) = spec.submodule_search_locations
        shutil.copytree(found, folder / name)
    shutil.copy(ROOT / "tests" / "support" / "functions_worker.py", folder)
    return folder


def fire(app: Path, runtime: Path, azure: LocalAzure) -> dict[str, Any]:
    kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    done = subprocess.run(  # noqa: S603 - our own driver
        [
            *(sys.executable, "-I", "-S", str(ROOT / "tests" / "support" / "packaged_worker.py")),
            *(str(app), str(runtime)),
        ],
        env={**kept, **azure.environ, "SWEEP_SCHEDULE": SCHEDULE, "SWEEP_MODE": "enforce"},
        cwd=app,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.slow
def test_the_unpacked_package_sweeps_with_its_own_packages_alone(
    unpacked: Path, runtime: Path, serve: Serve
) -> None:
    azure = serve(scenarios.four_accounts(), clock=RunningClock())
    answer = fire(unpacked, runtime, azure)
    assert answer["succeeded"], answer["message"]
    assert [account.flag for account in azure.tenant.accounts] == [True] * 4
    assert "SweepCompleted" in {
        envelope["data"]["baseData"]["name"] for envelope in azure.telemetry.events()
    }
    # Nothing came from the virtual environment that runs the tests.
    homes = (
        unpacked,
        runtime,
        Path(sys.base_prefix),
        ROOT / "tests" / "support" / "packaged_worker.py",
    )
    for name, file in answer["modules"].items():
        assert any(Path(file).is_relative_to(home) for home in homes), (name, file)
    assert str(unpacked) in answer["modules"]["azure.functions"]


def test_the_same_tree_gives_the_same_bytes(built: Path, archived: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "package"
    shutil.copytree(built, copy)
    # Another day, another umask.
    for path in copy.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (2e9, 2e9))
    target = tmp_path / "again.zip"
    package.archive(copy, target)
    assert target.read_bytes() == archived.read_bytes()


def test_files_stand_in_it_by_their_names_as_text_whatever_order_paths_have(archived: Path) -> None:
    with zipfile.ZipFile(archived) as zipped:
        names = zipped.namelist()
    assert names == sorted(names)


def test_nothing_in_the_package_names_the_machine_that_built_it(built: Path) -> None:
    for path in built.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert os.fsencode(sys.prefix) not in content, path
            assert os.fsencode(built) not in content, path


def test_the_package_holds_the_product_and_its_packages_and_nothing_else(archived: Path) -> None:
    with zipfile.ZipFile(archived) as zipped:
        names = zipped.namelist()
    ours = [name for name in names if not name.startswith(".python_packages/lib/site-packages/")]
    assert sorted(ours) == sorted(tracked("function_app.py", "host.json", "shared"))
    assert not [name for name in names if "__pycache__" in name or "/bin/" in name]


def test_every_pinned_package_is_there_with_complete_metadata(built: Path) -> None:
    packages = built / package.PACKAGES
    pins = [
        line.split("==")[0].partition("[")[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    ]
    there = {
        path.name.partition("-")[0].lower().replace("_", "-").replace(".", "-")
        for path in packages.glob("*.dist-info")
        if (path / "METADATA").exists() and (path / "RECORD").exists()
    }
    assert there == set(pins)
    # The exporter and the context are found by these.
    assert list(packages.glob("opentelemetry_*.dist-info/entry_points.txt"))


def test_every_record_lists_what_is_there(built: Path) -> None:
    packages = built / package.PACKAGES
    for record in packages.glob("*.dist-info/RECORD"):
        # Lines end alike on every machine.
        assert b"\r" not in record.read_bytes(), record
        for line in record.read_text().splitlines():
            assert (packages / line.split(",")[0]).exists(), (record, line)


def test_compiled_parts_are_for_the_machine_that_runs_them(built: Path) -> None:
    libraries = [path.name for path in built.rglob("*.so")]
    assert libraries
    for name in libraries:
        if "cpython" in name:
            assert "cpython-313-x86_64-linux-gnu" in name
