"""What to do after a verdict: sentences, and the commands or lines that go with them. Pure."""

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from keysweep.advice import data_role
from keysweep.impact import diagnostics
from keysweep.impact.evidence import (
    CallCounts,
    Caller,
    Connection,
    Connections,
    EntraUse,
    Evidence,
    Holder,
    Holds,
    KeyFetches,
    LoggedCalls,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.verdict import Impact, Judgement
from keysweep.words import counted, the_first
from shared.core.model import Account

_SCOPE = "https://cognitiveservices.azure.com/.default"
_PEOPLES_CLIENTS = frozenset({"Azure Portal", "VS Code", "Visual Studio"})


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do."""

    says: str
    command: str = ""
    """A command to run, or a line to change; empty: there is none."""


def next_steps(evidence: Evidence, judgement: Judgement) -> tuple[NextStep, ...]:
    """Say what to do next, in the order in which it is done."""
    steps = tuple(dict.fromkeys(_steps(evidence, judgement)))
    if steps:
        return steps
    again = f"keysweep impact {_short_name(evidence.account)}"
    later = "Ask its owners, and ask again once the log has shown each call for the whole time."
    return (NextStep(later, again),)


def _steps(evidence: Evidence, judgement: Judgement) -> Iterator[NextStep]:
    match judgement.verdict:
        case Impact.USES_KEYS:
            yield from _clients(evidence)
            yield from _connections(evidence)
            yield from _fetchers(evidence)
        case Impact.LIKELY_KEYS:
            yield from _role(evidence)
            yield from _fetchers(evidence)
            yield from _code(evidence)
            yield from _log(evidence)
        case Impact.CANT_TELL:
            yield from _blind(evidence, judgement)
            yield from _log(evidence)
            yield from _fetchers(evidence)
        case Impact.KEYLESS | Impact.IDLE:
            yield from _off(evidence.account, judgement.verdict)
        case _:
            assert_never(judgement.verdict)


def _clients(evidence: Evidence) -> Iterator[NextStep]:
    """Say which clients call with a key, and what they need instead."""
    log = evidence.log
    rows = log.used(Caller.KEY) if isinstance(log, RequestLog) else ()
    if not rows:
        return
    yield NextStep(f"Find the clients: {the_first(_seen(rows), '; ')}.")
    yield from _role(evidence)
    yield from _code(evidence)


def _seen(rows: tuple[LoggedCalls, ...]) -> list[str]:
    """Say what was seen of clients, those with the most calls first."""
    calls: Counter[str] = Counter()
    for row in rows:
        addresses = the_first(row.addresses) or "an address that the log does not show"
        deployment = f" to {row.deployment}" if row.deployment else ""
        calls[f"{row.operation or 'calls'}{deployment} from {addresses}"] += row.calls
    return [f"{counted(count, 'call')} of {what}" for what, count in calls.most_common()]


def _role(evidence: Evidence) -> Iterator[NextStep]:
    """Say how an account and its clients come to Entra ID."""
    account = evidence.account
    if account.custom_subdomain is None:
        yield NextStep(
            "Give it a custom subdomain, for good: without one Entra ID can't reach it.",
            f"az cognitiveservices account update {_by_name(account)} --custom-domain SUBDOMAIN",
        )
    role = data_role(account.kind)
    yield NextStep(
        f"Give each client's identity the role {role}.",
        f'az role assignment create --assignee OBJECT-ID --role "{role}" --scope {account.id}',
    )


def _code(evidence: Evidence) -> Iterator[NextStep]:
    """Say which line of a client changes."""
    log = evidence.log
    rows = log.rows if isinstance(log, RequestLog) else ()
    if any("realtime" in row.operation.lower() for row in rows):
        yield NextStep(
            "Look at realtime clients first: some send nothing but a key over their websocket."
        )
    yield NextStep(
        "In client code, give a token in the place of the key (Python; others alike).",
        "AzureOpenAI(api_key=...) becomes AzureOpenAI(azure_ad_token_provider="
        f'get_bearer_token_provider(DefaultAzureCredential(), "{_SCOPE}"))',
    )


def _connections(evidence: Evidence) -> Iterator[NextStep]:
    connections = evidence.connections
    if not isinstance(connections, Connections):
        return
    for connection in connections.holding(Holds.KEY):
        yield NextStep(
            f"Make connection {connection.name} of {connection.place} anew with `authType: AAD`, "
            f"and give the identity of {connection.project or connection.holder.name} the role "
            f"{data_role(evidence.account.kind)}.",
            _create(connection),
        )


def _create(connection: Connection) -> str:
    holder = connection.holder
    project = ("project", connection.project) if connection.project else ()
    return shlex.join(
        [
            *("az", "cognitiveservices", "account", *project[:1], "connection", "create"),
            *("--name", holder.name, "--resource-group", holder.resource_group),
            *(("--project-name", connection.project) if connection.project else ()),
            *("--connection-name", connection.name, "--file", "connection.yml"),
        ]
    )


def _fetchers(evidence: Evidence) -> Iterator[NextStep]:
    """Say who fetched keys, and which line of theirs changes."""
    fetches = evidence.fetches.fetches if isinstance(evidence.fetches, KeyFetches) else ()
    if not fetches:
        return
    last = {fetch.who: fetch for fetch in reversed(fetches)}
    named = [f"{who}, {fetch.at:%Y-%m-%d}" for who, fetch in last.items()]
    yield NextStep(f"Ask who fetched its keys: {the_first(named, '; ')}.")
    if all(fetch.client in _PEOPLES_CLIENTS for fetch in fetches):
        return
    role = data_role(evidence.account.kind)
    yield NextStep(
        "In Terraform, drop the key, which is empty once keys are off.",
        "azurerm_cognitive_account.NAME.primary_access_key becomes azurerm_role_assignment with "
        f'role_definition_name = "{role}"',
    )
    yield NextStep(
        "In Bicep, drop listKeys(), which fails the deployment once keys are off.",
        "NAME.listKeys().key1 becomes Microsoft.Authorization/roleAssignments of the role "
        f'"{role}" for the identity of the app',
    )


def _blind(evidence: Evidence, judgement: Judgement) -> Iterator[NextStep]:
    """Say how what was not seen comes to be seen."""
    if judgement.unseen:
        yield NextStep(f"Get to see what was not seen: {the_first(judgement.unseen, ' ')}")
    log, asked = evidence.log, evidence.asked
    since = log.since if isinstance(log, RequestLog) else None
    unknown = log.used(Caller.UNKNOWN) if isinstance(log, RequestLog) else ()
    if unknown:
        yield NextStep(
            f"Ask whose calls these are: {the_first(_seen(unknown), '; ')}. The log does not tell."
        )
    if since is not None and since > asked.begin + timedelta(days=1):
        whole = since + timedelta(days=asked.days)
        covered = max((asked.end - since).days, 1)
        yield NextStep(
            f"Ask again on {whole:%Y-%m-%d}, when the log covers {counted(asked.days, 'day')}; or "
            "ask for the days that it covers.",
            f"keysweep impact {_short_name(evidence.account)} --days {covered}",
        )


def _log(evidence: Evidence) -> Iterator[NextStep]:
    """Say how its calls come to be logged, unless they are."""
    match evidence.logging:
        case NotLogged() | Unread():
            counts, days = evidence.calls, evidence.asked.days
            calls = counts.calls if isinstance(counts, CallCounts) else 0
            yield NextStep(
                f"Have its calls logged. {diagnostics.cost(calls, days)}",
                diagnostics.command(evidence.account.id),
            )
        case _:
            return


def _off(account: Account, verdict: Impact) -> Iterator[NextStep]:
    if verdict is Impact.IDLE:
        yield NextStep("Ask whether anybody needs it: what nobody calls can be deleted.")
    yield NextStep("Turn its keys off.", f"keysweep sweep --only {_short_name(account)}")


def _by_name(account: Account) -> str:
    return shlex.join(["--name", account.id.name, "--resource-group", account.id.resource_group])


def _short_name(account: Account) -> str:
    return shlex.quote(f"{account.id.resource_group}/{account.id.name}")


def who_could(entra: EntraUse | Unread) -> str:
    """Say who could use an account with Entra ID."""
    if isinstance(entra, Unread):
        return "not read"
    if not entra.has_subdomain:
        return "nobody: it has no custom subdomain"
    if not entra.holders:
        return "nobody that you can see"
    return the_first([_named(holder) for holder in entra.holders], "; ")


def _named(holder: Holder) -> str:
    unseen = ", members not seen" if "group" in holder.kind.lower() else ""
    return f"{holder.principal} ({holder.kind}{unseen}, {holder.role})"
