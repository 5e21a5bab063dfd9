"""Starting up: only what a sweep uses is imported, and nothing is read, made or asked."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from shared.core.settings import SETTINGS
from tests.support.functions_worker import ROOT

# Everything that is imported with function_app, its own and other people's, written by hand.
PACKAGES = {
    "function_app", "shared",
    # the border
    "azure", "opentelemetry", "aiohttp",
    # of aiohttp
    "aiohappyeyeballs", "aiosignal", "attr", "frozenlist", "idna", "multidict", "propcache", "yarl",
    # of azure-core, azure-identity and the exporter's transport
    "requests", "urllib3", "certifi", "charset_normalizer", "isodate", "msal", "cryptography",
    "typing_extensions",
    # of azure-monitor-opentelemetry and opentelemetry-sdk
    "psutil", "packaging",
    # of azure-functions, which the worker itself imports before us
    "werkzeug", "markupsafe",
    # of compiled modules
    "cython_runtime",
}  # fmt: skip
AZURE = {
    "azure.core", "azure.functions", "azure.identity", "azure.monitor",
    "azure.mgmt.core", "azure.mgmt.cognitiveservices",
    "azure.mgmt.resource", "azure.mgmt.resourcegraph",
}  # fmt: skip
# Of the packages that hold an API a module: what of them may be there.
PARTS = {
    "azure.mgmt.resource": {"subscriptions", "resources"},
    "azure.monitor": {"opentelemetry"},
    "opentelemetry.instrumentation": {"environment_variables"},
}

_IMPORTED = """
import json, sys
before = set(sys.modules)
import function_app
print(json.dumps(sorted(set(sys.modules) - before)))
"""

_UNREAD = """
import collections.abc, json, os, sys, threading
import function_app

class Unread(collections.abc.MutableMapping):
    def refuse(self, *_):
        raise RuntimeError("the environment was read")
    __getitem__ = __setitem__ = __delitem__ = __iter__ = __len__ = __contains__ = refuse
    get = keys = items = values = refuse

for name in [name for name in sys.modules if name.split(".")[0] in {"function_app", "shared"}]:
    del sys.modules[name]
environ, os.environ = os.environ, Unread()
os.getenv = os.environ.refuse
import function_app
os.environ = environ
print(json.dumps(sorted(name for name in sys.modules if name.startswith("shared."))))
"""

_QUIET = """
import json, logging, os, socket, sys, threading
wanted = set(json.loads(sys.argv[1]))
read, calls = [], []

class Watched(type(os.environ)):
    def __getitem__(self, name):
        if name in wanted:
            read.append(name)
        return super().__getitem__(name)

os.environ.__class__ = Watched
loud = {"socket.connect", "socket.sendto", "socket.getaddrinfo"}
sys.addaudithook(lambda event, _: calls.append(event) if event in loud else None)
root = logging.getLogger()
before = (root.level, list(root.handlers), threading.active_count())
import function_app
after = (root.level, list(root.handlers), threading.active_count())
print(json.dumps({"read": read, "asked": calls, "the same": before == after}))
"""


def run(program: str, *arguments: str) -> Any:
    """Run a program as a worker process begins: no settings, nothing of the tests on its path."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(  # noqa: S603 - the program is ours
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def imported() -> list[str]:
    found: list[str] = run(_IMPORTED)
    return found


def test_no_package_is_imported_that_is_not_on_the_list(imported: list[str]) -> None:
    names = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    found = {name for name in names if not name.startswith("_")}
    assert found <= PACKAGES
    assert {"flask", "django", "fastapi", "tests", "duckdb", "rich", "pandas"}.isdisjoint(found)


def test_of_azure_only_what_a_sweep_asks_is_imported(imported: list[str]) -> None:
    depth = {name: name.count(".") for name in AZURE}
    for name in imported:
        if name.startswith("azure.") and name != "azure.mgmt":
            cut = {".".join(name.split(".")[: 1 + count]) for count in set(depth.values())}
            assert cut & AZURE, name


@pytest.mark.parametrize("package", PARTS)
def test_of_a_package_of_many_apis_only_those_that_are_used(
    imported: list[str], package: str
) -> None:
    parts = {
        name.removeprefix(f"{package}.").partition(".")[0]
        for name in imported
        if name.startswith(f"{package}.")
    }
    assert {name for name in parts if not name.startswith("_")} <= PARTS[package]


def test_nothing_of_ours_reads_the_environment_at_import() -> None:
    assert "shared.bootstrap" in run(_UNREAD)


def test_nobody_else_reads_our_settings_at_import_and_nothing_is_opened_or_started() -> None:
    # azure-core settles its cloud when it is imported; ours is passed to every client.
    ours = [setting.name for setting in SETTINGS if setting.name != "AZURE_SDK_CLOUD_CONF"]
    assert run(_QUIET, json.dumps(ours)) == {"read": [], "asked": [], "the same": True}
