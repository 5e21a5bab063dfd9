"""Fires the timer of an unpacked package, in a process of its own that has no other packages.

    python -I -S tests/support/packaged_worker.py PACKAGE RUNTIME...

Started without site-packages: what can be imported is the standard library, PACKAGE, its
`.python_packages`, and (last, so that the package's own win) the folders RUNTIME, where the
Functions runtime is, which a deployed worker brings along.
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path

folder, *runtime = (Path(argument) for argument in sys.argv[1:])
sys.path[:0] = [str(folder), str(folder / ".python_packages/lib/site-packages")]
sys.path += map(str, runtime)

functions_worker = importlib.import_module("functions_worker")


async def main() -> None:
    """Print what the host would learn, and where the packages came from."""
    worker = functions_worker.FunctionsWorker(folder)
    await worker.load()
    invocation = await worker.fire()
    await worker.close()
    found = {
        name: module.__file__
        for name, module in sys.modules.items()
        if getattr(module, "__file__", None)
    }
    answer = {
        "succeeded": invocation.succeeded,
        "message": invocation.message + invocation.stack_trace,
        "modules": found,
    }
    print(json.dumps(answer))  # noqa: T201 - it is how the answer comes back


asyncio.run(main())
