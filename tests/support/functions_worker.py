"""The real Functions Python runtime, driven as the host drives it: index, load, invoke.

`azure-functions-runtime` 1.3.0 is what the deployed 3.13 worker calls. It reads protobuf messages
that it is handed and never imports protobuf, so plain objects with the same names stand in for
them (testing facts §1, run). The host's own part is not here: it resolves `%SETTING%`, parses the
schedule, keeps the lease and the time-out.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from azure_functions_runtime import handle_event

ROOT = Path(__file__).parent.parent.parent


class _Message(SimpleNamespace):
    """Any protobuf message: what it was built with."""


def _kind(name: str, **constants: int) -> type[_Message]:
    return type(name, (_Message,), constants)


_NAMES = (
    "RpcException",
    "WorkerMetadata",
    "WorkerInitResponse",
    "FunctionMetadataResponse",
    "FunctionLoadResponse",
    "RpcFunctionMetadata",
    "RpcRetryOptions",
    "InvocationResponse",
    "ParameterBinding",
    "TypedData",
)
_PROTOS = SimpleNamespace(
    StatusResult=_kind("StatusResult", Failure=0, Success=1, Cancelled=2),
    BindingInfo=_kind("BindingInfo", undefined=0, out=1, inout=2, string=1, binary=2, stream=3),
    **{name: _kind(name) for name in _NAMES},
)


class _TimerParameter:
    """The one input of a timer: its status as JSON."""

    def __init__(self, name: str, status: dict[str, Any]) -> None:
        self.name = name
        self.data = SimpleNamespace(json=json.dumps(status), WhichOneof=lambda _: "json")

    def WhichOneof(self, _: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the host learns of one invocation."""

    succeeded: bool
    message: str
    stack_trace: str


class FunctionsWorker:
    """Loads `function_app.py` as a deployed worker does, and fires its timer."""

    def __init__(self, directory: Path = ROOT) -> None:
        self._directory = directory
        self._functions: dict[str, Any] = {}

    async def load(self) -> dict[str, list[dict[str, Any]]]:
        """Index the app. Returns each function's bindings. Raises RuntimeError if it can't load."""
        # The runtime keeps what it indexed in module globals: one app a process, unless reset.
        sys.modules.pop("function_app", None)
        handle_event._functions = handle_event.Registry()
        handle_event._metadata_result = None
        if str(self._directory) not in sys.path:
            sys.path.insert(0, str(self._directory))
        runtime.start_threadpool_executor()
        answer = await runtime.worker_init_request(
            _request(
                worker_init_request=SimpleNamespace(
                    capabilities={}, function_app_directory=str(self._directory)
                )
            )
        )
        if answer.result.status != _PROTOS.StatusResult.Success:
            raise RuntimeError(answer.result.exception.message)
        indexed = await runtime.functions_metadata_request(_request())
        for function in indexed.function_metadata_results or []:
            self._functions[function.name] = function
            loaded = await runtime.function_load_request(
                _request(
                    function_load_request=SimpleNamespace(
                        function_id=function.function_id, metadata=function
                    )
                )
            )
            if loaded.result.status != _PROTOS.StatusResult.Success:
                raise RuntimeError(loaded.result.exception.message)
        return {
            name: [json.loads(binding) for binding in function.raw_bindings]
            for name, function in self._functions.items()
        }

    @property
    def module(self) -> Any:
        """The loaded function_app."""
        return sys.modules["function_app"]

    async def fire(
        self, *, trace_parent: str = "", past_due: bool = False, last: str = "0001-01-01T00:00:00"
    ) -> Invocation:
        """Fire the one timer and wait for its end. `last`: when it fired before, ISO 8601."""
        (function,) = self._functions.values()
        (argument,) = (
            name for name, info in function.bindings.items() if info.type == "timerTrigger"
        )
        status = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": last,
                "LastUpdated": last,
                "Next": last,
            },
            "IsPastDue": past_due,
        }
        answer = await runtime.invocation_request(
            _request(
                invocation_request=SimpleNamespace(
                    invocation_id="11111111-2222-3333-4444-555555555555",
                    function_id=function.function_id,
                    input_data=[_TimerParameter(argument, status)],
                    trigger_metadata={},
                    trace_context=SimpleNamespace(
                        trace_parent=trace_parent, trace_state="", attributes={}
                    ),
                    retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
                )
            )
        )
        if answer.result.status == _PROTOS.StatusResult.Success:
            return Invocation(succeeded=True, message="", stack_trace="")
        exception = answer.result.exception
        return Invocation(
            succeeded=False, message=exception.message, stack_trace=exception.stack_trace
        )

    async def close(self) -> None:
        """Let the process's connections go."""
        await self.module.process.close()
        runtime.stop_threadpool_executor()


def _request(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**parts), properties={"protos": _PROTOS, "host": "127.0.0.1"}
    )
