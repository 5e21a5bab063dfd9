"""Reading recorded exchanges, and telling how one of ours differs from a recorded one."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_FOLDER = Path(__file__).parent.parent / "data" / "recorded"

# What differs from one run to the next keeps its form: each of these becomes its name.
_FORMS = (
    (r'"[0-9a-f]{8}-0000-[0-9a-f]{4}-0000-[0-9a-f]{8}0000"', "<etag>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<guid>"),
    (r"\b[0-9a-f]{32}\b", "<hex>"),
    (r"\b[0-9A-F]{32}\b", "<HEX>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,7}Z", "<fraction>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<second>"),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "<date>"),
    (r"[A-Z0-9]+:\d{8}T\d{6}Z:", "<region>:<time>:"),
    (r"Ref B: \w+", "Ref B: <edge>"),
    (r"https://(management\.azure\.com|127\.0\.0\.1:\d+)/", "<arm>/"),
)


@dataclass(frozen=True)
class Exchange:
    """A recorded request and its answer."""

    name: str
    method: str
    path: str
    request_headers: dict[str, str]
    request_body: Any
    status: int
    headers: dict[str, str]
    body: Any
    has_headers: bool
    removed: frozenset[str]


@cache
def recorded(prefix: str) -> Exchange:
    """Return the one recording whose file name begins like this."""
    found = sorted(_FOLDER.glob(f"{prefix}*.json"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise LookupError(f"{prefix} has to name one recording, and names {names}")
    return exchange(prefix, json.loads(found[0].read_text("utf-8")))


def refusals() -> list[Exchange]:
    """Return every recorded refusal whose body is known, by its file's name."""
    files = sorted(_FOLDER.glob("*.json"))
    every = [exchange(file.stem, json.loads(file.read_text("utf-8"))) for file in files]
    return [one for one in every if one.status >= 400 and isinstance(one.body, dict)]


def exchange(name: str, case: dict[str, Any]) -> Exchange:
    """Read a recording: of any host, with headers or without."""
    request, response = case["request"], case["response"]
    url = urlsplit(request["url"])
    return Exchange(
        name=name,
        method=request["method"],
        path=f"{url.path}?{url.query}" if url.query else url.path,
        request_headers=request.get("headers") or {},
        request_body=request.get("body"),
        status=response["status"],
        headers={n.lower(): str(value) for n, value in (response.get("headers") or {}).items()},
        body=response.get("body"),
        has_headers=bool(response.get("headers")),
        removed=frozenset(case.get("removed_by_recorder") or []),
    )


def form(text: str) -> str:
    """Return the text with all that changes from run to run replaced by its form."""
    for pattern, name in _FORMS:
        text = re.sub(pattern, name, text)
    return text


def header_differences(exchange: Exchange, headers: dict[str, str]) -> list[str]:
    """Headers that are missing, too many, or of another form (names without letter case)."""
    ours = {name.lower(): value for name, value in headers.items()} | {}
    ours.pop("content-length", None)
    found = [f"header {name} is missing" for name in exchange.headers if name not in ours]
    for name, value in ours.items():
        if name not in exchange.headers:
            if not any(_is_removed(name, removed) for removed in exchange.removed):
                found.append(f"header {name} is too much")
            continue
        theirs, mine = form(exchange.headers[name]), form(value)
        if re.sub(r"\d+", "0", theirs) != re.sub(r"\d+", "0", mine):
            found.append(f"header {name} is {mine[:90]!r}, recorded {theirs[:90]!r}")
    return found


def _is_removed(name: str, removed: str) -> bool:
    """One recorder says "…-subscription-* except the -global- ones" in words."""
    if "*" in removed:
        return name.startswith(removed.partition("*")[0]) and "-global-" not in name
    return name == removed


def body_differences(recorded_body: Any, ours: Any, where: str = "body") -> list[str]:
    """Keys, their order, types, lengths of lists, and texts with their letter case."""
    if type(recorded_body) is not type(ours):
        return [f"{where} is {ours!r:.80}, recorded {recorded_body!r:.80}"]
    if isinstance(recorded_body, dict):
        found = [f"{where}.{key} is missing" for key in recorded_body if key not in ours]
        found += [f"{where}.{key} is too much" for key in ours if key not in recorded_body]
        shared = [key for key in recorded_body if key in ours]
        if shared != [key for key in ours if key in recorded_body]:
            found.append(f"{where} has its keys in another order")
        for key in shared:
            found += body_differences(recorded_body[key], ours[key], f"{where}.{key}")
        return found
    if isinstance(recorded_body, list):
        found = []
        if len(recorded_body) != len(ours):
            found.append(f"{where} has {len(ours)} items, recorded {len(recorded_body)}")
        for index, (theirs, mine) in enumerate(zip(recorded_body, ours, strict=False)):
            found += body_differences(theirs, mine, f"{where}[{index}]")
        return found
    if isinstance(recorded_body, str) and form(recorded_body) != form(ours):
        return [f"{where} is {ours!r:.200}, recorded {recorded_body!r:.200}"]
    if not isinstance(recorded_body, str) and recorded_body != ours:
        return [f"{where} is {ours!r}, recorded {recorded_body!r}"]
    return []
