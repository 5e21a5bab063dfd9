"""Runs a story of a test in a process of its own, for what can be done once a process.

    assert await alone(_story, seconds=3) == {"left": 0}

The story is an async function of a test module; its arguments and what it returns are JSON.
"""

import os

from local_azure import trust

if __name__ == "__main__":
    # aiohttp reads its certificates when it is imported: before the story's module is.
    os.environ.update(trust.environ())

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent.parent


async def alone(story: Callable[..., Awaitable[Any]], **arguments: Any) -> Any:
    """Run the story in a new process and return what it returned. Fails if it fails."""
    place = (story.__module__, story.__name__, json.dumps(arguments))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "tests.support.alone", *place,
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, f"{err.decode()}\n{out.decode()}"
    return json.loads(out.splitlines()[-1])


def _main(module: str, name: str, arguments: str) -> None:
    story = getattr(importlib.import_module(module), name)
    returned = asyncio.run(story(**json.loads(arguments)))
    sys.stdout.write(f"\n{json.dumps(returned)}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
