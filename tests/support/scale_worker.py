"""A worker process, measured: `python -m tests.support.scale_worker` fires the timer once.

It imports what a deployed worker imports and nothing of the local Azure, which runs in the process
that starts this one and whose environment this one is given. It prints one line of JSON.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from tests.support.functions_worker import FunctionsWorker


def memory(field: str) -> float:
    """Return a field of this process's own status in MB. VmHWM is the peak of what was resident."""
    status = Path("/proc/self/status").read_text()
    (line,) = [row for row in status.splitlines() if row.startswith(f"{field}:")]
    return int(line.split()[1]) / 1024


async def _main() -> None:
    functions = FunctionsWorker()
    await functions.load()
    loaded, began = memory("VmRSS"), time.monotonic()
    invocation = await functions.fire(trace_parent=f"00-{'a' * 32}-{'b' * 16}-01")
    measured = {
        "succeeded": invocation.succeeded,
        "message": invocation.message,
        "seconds": round(time.monotonic() - began, 1),
        "loaded MB": round(loaded),
        "peak MB": round(memory("VmHWM")),
    }
    await functions.close()
    sys.stdout.write(f"{json.dumps(measured)}\n")


if __name__ == "__main__":
    asyncio.run(_main())
