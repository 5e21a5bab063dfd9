"""The timer. All else is in `shared`."""

import os

import azure.functions as func

from shared.bootstrap import Process, SystemClock

app = func.FunctionApp()
process = Process(os.environ, SystemClock())


@app.timer_trigger(
    arg_name="timer", schedule="%SWEEP_SCHEDULE%", run_on_startup=False, use_monitor=True
)
async def sweep(timer: func.TimerRequest, context: func.Context) -> None:
    """Sweep the tenant once. Fails the invocation if the sweep is not whole."""
    trace = context.trace_context
    # azure-functions 2.3 has it; its published type does not name it.
    last = str(getattr(timer, "schedule_status", {}).get("Last", ""))
    await process.tick(trace.trace_parent or "", trace.trace_state or "", last)
