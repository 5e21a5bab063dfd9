"""The HTTP servers: ARM, ingestion, logs, metrics, data plane over TLS, managed identity without.

The only module that knows aiohttp. It may be imported only after `trust.environ()` was exported.
"""

import asyncio
import copy
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import hdrs, web
from multidict import CIMultiDict

from local_azure import routes, trust
from local_azure.admission import Admission
from local_azure.connections import Connections, Listener
from local_azure.exchange import Answer, Origin
from local_azure.faults import Cut, Effect, Faults, Hang, Refuse, Stall
from local_azure.gateway import Gateway, http_date, not_modelled
from local_azure.handlers import data_plane, identity, ingestion, metrics
from local_azure.handlers.logs import LogsApi
from local_azure.log import Host, Operation, SeenRequest
from local_azure.services import Services
from local_azure.sources import NotModelledError, behaviour
from local_azure.state.access import Principal
from local_azure.tokens import INGESTION_AUDIENCES

# The exporter puts its path behind an endpoint that ends in a slash: the service takes both.
_TRACK = ("/v2.1/track", "//v2.1/track", "/v2/track", "//v2/track")
_IDENTITY = "/msi/token"


class _CutError(Exception):
    """Close the connection without an answer."""


class _Response(web.Response):
    """A response with just the headers that it is given (and Content-Length)."""

    async def _prepare_headers(self) -> None:
        present = {name.lower() for name in self.headers}
        await super()._prepare_headers()
        for added in (hdrs.SERVER, hdrs.DATE, hdrs.CONTENT_TYPE):
            if added.lower() not in present:
                self.headers.popall(added, None)


@dataclass
class Servers:
    """Where the six listen."""

    arm: str
    identity: str
    ingestion: str
    openai: str
    logs: str
    metrics: str


class Server:
    """A thread with an event loop and six listening sockets."""

    def __init__(
        self,
        services: Services,
        faults: Faults,
        admission: Admission,
        connections: Connections,
    ) -> None:
        self._services = services
        self._faults = faults
        self._admission = admission
        self._connections = connections
        self._gateway = Gateway(services)
        self._logs = LogsApi(services)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._operations: list[Operation] = []
        self._hooks: list[Callable[[SeenRequest], None]] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._closing: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="local-azure", daemon=True)
        self.urls = Servers("", "", "", "", "", "")

    def start(self) -> None:
        """Listen; return when all do."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise RuntimeError("the local Azure could not start") from self._failure

    def stop(self) -> None:
        """Cut what hangs, close, and end the thread."""

        def close() -> None:
            if self._closing is not None:
                self._closing.set()

        self._loop.call_soon_threadsafe(close)
        self._thread.join()
        self._loop.close()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every request that was dealt with, in the order of arrival."""
        with self._lock:
            return tuple(sorted(self._operations, key=lambda o: o.ordinal))

    def before(self, hook: Callable[[SeenRequest], None]) -> Callable[[], None]:
        """Call the hook before each request; returns what removes it again."""
        with self._lock:
            self._hooks.append(hook)

        def remove() -> None:
            with self._lock:
                if hook in self._hooks:
                    self._hooks.remove(hook)

        return remove

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as e:  # noqa: BLE001 - handed to the thread that waits in start()
            self._failure = e
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._ready.set()

    async def _serve(self) -> None:
        self._closing = asyncio.Event()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._services.clock.watch(self._loop))
            self.urls = Servers(
                arm=await self._listen("arm", stack),
                ingestion=await self._listen("ingestion", stack),
                identity=await self._listen("identity", stack),
                openai=await self._listen("openai", stack),
                logs=await self._listen("logs", stack),
                metrics=await self._listen("metrics", stack),
            )
            self._ready.set()
            await self._closing.wait()

    async def _listen(self, host: Host, stack: AsyncExitStack) -> str:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(host, request)

        server = web.Server(handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await runner.setup()
        context = None if host == "identity" else trust.server_context()
        listener = Listener(host, server, context, self._connections, self._services.clock)
        # In the end: the last that is pushed comes first.
        stack.push_async_callback(listener.cut)
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(listener.close)
        return f"{'http' if context is None else 'https'}://127.0.0.1:{listener.port}"

    async def _handle(self, host: Host, request: web.BaseRequest) -> web.StreamResponse:
        with self._services.clock.working():
            body = await request.read()
            seen = SeenRequest(
                ordinal=next(self._numbers),
                at=self._services.clock.now(),
                host=host,
                method=request.method,
                path=_path(host, request.path),
                query=dict(request.query),
                headers=CIMultiDict(request.headers),
                body=body,
                action=None,
                principal=None,
            )
            found = routes.find(seen.method, seen.path) if host == "arm" else None
            seen = replace(
                seen, action=found[0].action if found else None, principal=self._principal(seen)
            )
            try:
                async with self._place(seen):
                    answer = await self._answer(seen, found)
                answer = self._bent(answer, seen, request)
            except (_CutError, asyncio.CancelledError):
                self._note(seen, None)
                if request.transport is not None:
                    request.transport.abort()
                raise
            self._note(seen, answer)
            response = _response(answer)
            if answer.stalls and isinstance(response.body, bytes):
                await self._stall(request, response, response.body)
            return response

    def _place(self, seen: SeenRequest) -> AbstractAsyncContextManager[None]:
        """Return what a query of logs has to have while it runs."""
        if seen.host != "logs" or seen.principal is None:
            return nullcontext()
        return self._services.log_places.place(seen.principal)

    async def _answer(
        self, seen: SeenRequest, found: tuple[routes.Route, Mapping[str, str]] | None
    ) -> Answer:
        if self._admission.holds(seen):
            with self._services.clock.waiting():
                await self._admission.passage(seen)
        with self._lock:
            hooks = list(self._hooks)
        for hook in hooks:
            hook(seen)
        effect = self._faults.strike(seen)
        before = await self._struck(effect, seen, acting=False)
        if before is not None:
            return before
        if seen.host == "identity":
            answer = self._identity(seen)
        elif seen.host == "ingestion":
            answer = self._ingestion(seen)
        elif seen.host == "openai":
            answer = self._openai(seen)
        elif seen.host == "logs":
            answer = await asyncio.to_thread(self._log_query, seen)
        elif seen.host == "metrics":
            answer = self._metrics(seen)
        else:
            route, params = found if found is not None else (None, {})
            if route is not None and route.slow:
                answer = await asyncio.to_thread(self._gateway.answer, seen, route, params)
            else:
                answer = self._gateway.answer(seen, route, params)
        answer = await self._struck(effect, seen, acting=True) or answer
        return replace(answer, stalls=isinstance(effect, Stall))

    def _bent(self, answer: Answer, seen: SeenRequest, request: web.BaseRequest) -> Answer:
        """Return the answer with all its headers, as the faults that bend it leave it."""
        whole = _whole(answer, http_date(self._services.clock.now()))
        bends = self._faults.bends(seen)
        if bends:
            url = f"{request.scheme}://{request.host}{request.raw_path}"
            whole = replace(whole, url=url, body=copy.deepcopy(whole.body))
        for bend in bends:
            whole = bend(whole)
        return whole

    async def _stall(self, request: web.BaseRequest, whole: web.Response, body: bytes) -> None:
        half = web.StreamResponse(status=whole.status, headers=whole.headers)
        half.content_length = len(body)
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        with self._services.clock.waiting():
            await self._hang(None)

    async def _struck(
        self, effect: Effect | None, seen: SeenRequest, *, acting: bool
    ) -> Answer | None:
        """Play a fault at its moment, before the server acts or after; its answer, if any."""
        if effect is None or effect.acting is not acting:
            return None
        match effect:
            case Cut():
                raise _CutError
            case Refuse(status, body, headers):
                answer = Answer(status, body, Origin.GATEWAY_FAILURE, headers)
                return self._gateway.failure(answer, seen) if seen.host == "arm" else answer
            case Hang(seconds):
                with self._services.clock.waiting():
                    await self._hang(seconds)
            case Stall():
                pass  # its moment is when the answer is sent
        return None

    async def _hang(self, seconds: float | None) -> None:
        """Until the clock says so or the server closes, whichever is first."""
        assert self._closing is not None
        waits: list[Awaitable[Any]] = [self._closing.wait()]
        if seconds is not None:
            waits.append(self._services.clock.sleep(seconds))
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if self._closing.is_set():
            raise _CutError

    def _identity(self, seen: SeenRequest) -> Answer:
        if seen.method == "GET" and seen.path.rstrip("/").lower() == _IDENTITY:
            return identity.token(seen, self._services)
        return not_modelled(seen)

    def _ingestion(self, seen: SeenRequest) -> Answer:
        if seen.method == "POST" and seen.path in _TRACK:
            return ingestion.track(seen, self._services)
        return not_modelled(seen)

    def _openai(self, seen: SeenRequest) -> Answer:
        with self._services.tenant.guard:
            return data_plane.ask(seen, self._services) or not_modelled(seen)

    def _log_query(self, seen: SeenRequest) -> Answer:
        try:
            return self._logs.answer(seen) or not_modelled(seen)
        except NotModelledError as error:
            return not_modelled(seen, str(error))

    def _metrics(self, seen: SeenRequest) -> Answer:
        try:
            with self._services.tenant.guard:
                return metrics.batch(seen, self._services) or not_modelled(seen)
        except NotModelledError as error:
            return not_modelled(seen, str(error))

    def _principal(self, seen: SeenRequest) -> str | None:
        if seen.host == "identity":
            return None
        if seen.host == "arm":
            bearer = self._gateway.principal(seen)
        else:
            header = seen.headers.get("Authorization")
            bearer = self._services.tokens.check(header, self._audiences[seen.host])
        return bearer.object_id if isinstance(bearer, Principal) else None

    @property
    def _audiences(self) -> Mapping[Host, tuple[str, ...]]:
        return {
            "ingestion": INGESTION_AUDIENCES,
            "openai": data_plane.AUDIENCES,
            "logs": self._logs.audiences(),
            "metrics": metrics.audiences(self._services),
        }

    def _note(self, seen: SeenRequest, answer: Answer | None) -> None:
        body: Any = None
        if seen.host == "arm" and seen.body:
            try:
                body = json.loads(seen.body)
            except ValueError:
                body = seen.body.decode(errors="replace")
        code = None
        if answer is not None and isinstance(answer.body, dict):
            error = answer.body.get("error")
            code = error.get("code") if isinstance(error, dict) else None
            code = code if isinstance(code, str) else None
        operation = Operation(
            ordinal=seen.ordinal,
            at=seen.at,
            principal=seen.principal,
            host=seen.host,
            method=seen.method,
            path=seen.path,
            query=seen.query,
            action=seen.action,
            status=None if answer is None else answer.status,
            body=body,
            code=code,
        )
        with self._lock:
            self._operations.append(operation)


@behaviour(
    "ARM takes a path that begins with two slashes like one that begins with one",
    "azure-docs backup-azure-arm-userestapi-backupazurevms.md (its examples of DELETE); session "
    "records of azure-sdk-for-java, such as data/recorded diagnostic-settings-11",
    "documented",
)
def _path(host: Host, path: str) -> str:
    return f"/{path.lstrip('/')}" if host == "arm" else path


def _whole(answer: Answer, date: str) -> Answer:
    """Return the answer with the headers that every one has."""
    headers = CIMultiDict({"Date": date, **answer.headers})
    if isinstance(answer.body, str):
        headers.setdefault("Content-Type", "text/html")
    elif answer.body is not None:
        headers.setdefault("Content-Type", "application/json; charset=utf-8")
    return replace(answer, headers=headers)


def _response(answer: Answer) -> web.Response:
    data: bytes | None
    match answer.body:
        case None | bytes():
            data = answer.body
        case str():
            data = answer.body.encode()
        case _:
            data = json.dumps(answer.body, separators=(",", ":"), ensure_ascii=False).encode()
    headers = CIMultiDict(answer.headers)
    response = _Response(status=answer.status, body=data, headers=headers, reason=answer.reason)
    if headers.get(hdrs.CONNECTION, "").lower() == "close":
        response.force_close()
    return response
