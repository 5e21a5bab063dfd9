"""Asks for all evidence of accounts, as much at a time as Azure takes, and says how far it is.

What can't be read is a value beside what can: one account, subscription or kind of evidence that is
refused takes nothing from the others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched

from keysweep.advice import for_person
from keysweep.impact import activity, metrics, request_log
from keysweep.impact.accounts import Shown
from keysweep.impact.connections import Directory, project_name
from keysweep.impact.data_roles import Roles, data_roles
from keysweep.impact.diagnostics import read_settings
from keysweep.impact.evidence import (
    Asked,
    CallCounts,
    Connections,
    EntraUse,
    Evidence,
    KeyFetch,
    KeyFetches,
    Logged,
    NotLogged,
    RequestLog,
    Unread,
)
from keysweep.impact.metrics import Measured, MetricsQuery
from keysweep.impact.sources import Sources
from keysweep.impact.verdict import Judgement, judge
from keysweep.taken import NoTable
from keysweep.words import subscription_in_words
from shared.core.errors import AzureError, OutOfTime
from shared.core.model import Account, AccountId, Answer, Clock, Gap

type Progress = Callable[[str, int, int], None]
"""Told of what was read last, how many questions are answered, and how many there are."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Judged:
    """One account: what is known of it, and what that means."""

    evidence: Evidence
    judgement: Judgement

    @property
    def account(self) -> Account:
        """The account."""
        return self.evidence.account

    @property
    def unseen(self) -> tuple[str, ...]:
        """What was not seen of it, whether or not it bears on the verdict."""
        return tuple(dict.fromkeys((*map(str, self.evidence.unread), *self.judgement.unseen)))


@dataclass(slots=True)
class Steps:
    """How many questions there are, and how many are answered."""

    changed: Progress = lambda what, done, total: None  # noqa: ARG005 - nobody listens
    total: int = 0
    done: int = 0

    async def each[Item, Found](
        self, what: str, items: Sequence[Item], read: Callable[[Item], Awaitable[Found]]
    ) -> list[Found]:
        """Read something of each item, a number of them at a time, and say so.

        Errors that are to take nothing from the others are values of `read`.
        """
        places = asyncio.Semaphore(_AT_ONCE)
        self.total += len(items)

        async def step(item: Item) -> Found:
            async with places:
                found = await read(item)
            self.done += 1
            self.changed(what, self.done, self.total)
            return found

        return list(await asyncio.gather(*map(step, items)))


@dataclass(frozen=True, slots=True)
class Gathering:
    """Reads evidence of some accounts."""

    sources: Sources
    clock: Clock
    asked: Asked
    subscriptions: Mapping[str, str]
    """The names of those in scope, by id: in all of them connections are looked for."""
    gaps: Sequence[Gap]
    """What of the scope could not be read: connections may be there too."""
    steps: Steps

    async def judged(self, accounts: Sequence[Account]) -> list[Judged]:
        """Read and judge accounts, in the order in which they are given."""
        evidence = await self.evidence(accounts)
        return [Judged(found, judge(found)) for found in evidence]

    async def evidence(self, accounts: Sequence[Account]) -> list[Evidence]:
        """Read all evidence, each kind beside the others."""
        shown = asyncio.ensure_future(self._shown())
        try:
            calls, logs, logging, fetches, connections, entra = await asyncio.gather(
                self._calls(accounts),
                self._each("the request log", accounts, self._log),
                self._each("diagnostic settings", accounts, self._logging),
                self._fetches(accounts),
                self._connections(accounts, shown),
                self._entra(accounts, shown),
            )
        finally:
            shown.cancel()
        return [
            Evidence(
                account=account,
                asked=self.asked,
                calls=calls[key],
                log=logs[key],
                logging=logging[key],
                fetches=fetches[key],
                connections=connections[key],
                entra=entra[key],
            )
            for account in accounts
            for key in (account.id.key,)
        ]

    async def _each[Found](
        self,
        what: str,
        accounts: Sequence[Account],
        read: Callable[[AccountId], Awaitable[Found]],
    ) -> dict[str, Found]:
        ids = [account.id for account in accounts]
        found = await self.steps.each(what, ids, read)
        return dict(zip((name.key for name in ids), found, strict=True))

    # Calls

    async def _calls(self, accounts: Sequence[Account]) -> dict[str, CallCounts | Unread]:
        """Count calls by batches of one subscription, region and kind; else one by one."""
        groups: defaultdict[tuple[str, str, str], list[Account]] = defaultdict(list)
        for account in accounts:
            kind = account.kind.lower()
            groups[account.id.subscription_id, account.location.lower(), kind].append(account)
        batches = [
            batch
            for group in groups.values()
            for batch in batched(group, metrics.MOST_RESOURCES, strict=False)
        ]
        found: dict[str, CallCounts | Unread] = {}
        for counted in await self.steps.each("metrics", batches, self._counted):
            found |= counted
        return found

    async def _counted(self, batch: Sequence[Account]) -> dict[str, CallCounts | Unread]:
        answers: defaultdict[str, list[Measured | Unread]] = defaultdict(list)
        for query in metrics.queries(batch[0].kind, self.asked.begin, self.clock.now()):
            measured = await self._measured(batch, query)
            for key, answer in measured.items():
                answers[key].append(answer)
        return {
            account.id.key: metrics.counted_calls(self.asked, answers[account.id.key])
            for account in batch
        }

    async def _measured(
        self, batch: Sequence[Account], query: MetricsQuery
    ) -> Mapping[str, Measured | Unread]:
        ids = [account.id for account in batch]
        try:
            values = await self.sources.metrics_of_many(batch[0].location, ids, query)
        except OutOfTime as error:
            return dict.fromkeys((name.key for name in ids), _unread("The metrics", error))
        except AzureError:
            # Whatever is wrong with the batch: no role on the subscription, a metric of one, a host
            # that isn't there. Each account for itself says what it is.
            return await self._one_by_one(ids, query)
        count = metrics.series_in(values)
        by_id = {str(value["resourceid"]).lower(): value for value in values}
        missing = Unread("Its calls", "Azure Monitor left it out of its answer.")
        return {
            name.key: Measured(query, by_id[name.key], count) if name.key in by_id else missing
            for name in ids
        }

    async def _one_by_one(
        self, accounts: Sequence[AccountId], query: MetricsQuery
    ) -> Mapping[str, Measured | Unread]:
        async def measured(account: AccountId) -> Measured | Unread:
            try:
                value = await self.sources.metrics_of_one(account, query)
            except AzureError as error:
                return _unread("Its calls", error)
            return Measured(query, value, metrics.series_in([value]))

        found = await self.steps.each("metrics", accounts, measured)
        return dict(zip((account.key for account in accounts), found, strict=True))

    # The request log

    async def _log(self, account: AccountId) -> RequestLog | Unread:
        asked, kql = self.asked, request_log.query(self.asked)
        try:
            answer = await self.sources.log(account, kql, asked.begin, asked.end)
        except NoTable:
            return await self._log_without_its_table(account)
        except AzureError as error:
            return _unread("The request log", error)
        return request_log.read_log(answer)

    async def _log_without_its_table(self, account: AccountId) -> RequestLog:
        """Say what was left out where no workspace that was looked into has the table.

        Azure answers so, too, where the workspaces that have it can't be read: it leaves them out
        in silence, and an error says nothing of them.
        """
        asked, kql = self.asked, request_log.OF_NO_TABLE
        try:
            answer = await self.sources.log(account, kql, asked.begin, asked.end)
        except AzureError as error:
            why = for_person(error)
            return RequestLog((), (f"Which workspaces hold its log could not be read: {why}",))
        return RequestLog((), tuple(answer.unseen))

    async def _logging(self, account: AccountId) -> Logged | NotLogged | Unread:
        try:
            return read_settings(await self.sources.diagnostic_settings(account))
        except AzureError as error:
            return _unread("Where it logs", error)

    # Who fetched keys

    async def _fetches(self, accounts: Sequence[Account]) -> dict[str, KeyFetches | Unread]:
        subscriptions = list(dict.fromkeys(account.id.subscription_id for account in accounts))
        read = await self.steps.each("activity logs", subscriptions, self._activity)
        of = dict(zip(subscriptions, read, strict=True))
        found: dict[str, KeyFetches | Unread] = {}
        for account in accounts:
            fetched = of[account.id.subscription_id]
            if isinstance(fetched, Unread):
                found[account.id.key] = fetched
            else:
                since, by_account = fetched
                found[account.id.key] = KeyFetches(by_account.get(account.id.key, ()), since)
        return found

    async def _activity(self, subscription: str) -> "_Fetched | Unread":
        end = self.clock.now()
        begin = end - activity.OLDEST
        try:
            rows = await self.sources.activity(subscription, begin, end)
        except AzureError as error:
            place = subscription_in_words(subscription, self.subscriptions)
            return _unread(f"The activity log of {place}", error)
        return begin, activity.fetches(rows)

    # Connections

    async def _shown(self) -> "_Shown":
        """Read how each account of the scope is reached, and say where that can't be seen."""
        try:
            answer, groups_above = await asyncio.gather(
                self.sources.accounts([*self.subscriptions]), self.sources.groups_above()
            )
        except AzureError:
            # Then ARM's own lists are left, of all of them.
            answer, groups_above = Answer(()), {}
        # What Resource Graph does not show, it leaves out in silence.
        hidden = [
            name for name in self.subscriptions if name not in groups_above or name in answer.unread
        ]
        lists = await self.steps.each("accounts", hidden, self._by_arm)
        doubts = [str(found) for found in lists if isinstance(found, Unread)]
        doubts += [
            f"{gap.kind} {gap.name} could not be read, Foundry accounts in it included: "
            f"{for_person(gap.problem)}"
            for gap in self.gaps
        ]
        accounts = [*answer.rows]
        for found in lists:
            accounts += [] if isinstance(found, Unread) else found
        known = {account.id.key: account for account in accounts}
        return _Shown(known, groups_above, tuple(doubts))

    async def _by_arm(self, subscription: str) -> Sequence[Shown] | Unread:
        try:
            return await self.sources.accounts_by_arm(subscription)
        except AzureError as error:
            place = subscription_in_words(subscription, self.subscriptions)
            return _unread(f"The list of accounts of {place}", error)

    async def _connections(
        self, accounts: Sequence[Account], shown: "asyncio.Future[_Shown]"
    ) -> dict[str, Connections | Unread]:
        found = await shown
        directory = Directory(found.doubts)
        hubs = [account.id for account in found.accounts.values() if account.is_foundry]
        await self.steps.each("connections", hubs, partial(self._of_hub, directory))
        hidden = Unread("Its connections", "No list shows at which address it is reached.")
        return {
            account.id.key: (
                directory.to(found.accounts[account.id.key])
                if account.id.key in found.accounts
                else hidden
            )
            for account in accounts
        }

    async def _of_hub(self, directory: Directory, hub: AccountId) -> None:
        """Read the connections of a Foundry account and of its projects."""
        place = f"Foundry account {hub.name} (resource group {hub.resource_group})"
        try:
            rows = await self.sources.connections(hub)
            projects = await self.sources.projects(hub)
        except AzureError as error:
            directory.doubt(f"The connections of {place} could not be read: {for_person(error)}")
            return
        directory.add(hub, "", rows)
        own = {str(row["name"]).lower() for row in rows}
        for project in map(project_name, projects):
            try:
                found = await self.sources.connections(hub, project)
            except AzureError as error:
                why = for_person(error)
                directory.doubt(
                    f"The connections of project {project} of {place} could not be read: {why}"
                )
                continue
            # A project lists those of its account as well, if it is asked for all.
            directory.add(
                hub,
                project,
                [row for row in found if not _is_of_account(row, own)],
            )

    # Roles

    async def _entra(
        self, accounts: Sequence[Account], shown: "asyncio.Future[_Shown]"
    ) -> dict[str, EntraUse | Unread]:
        try:
            names = data_roles(await self.sources.role_definitions())
            assignments = await self.sources.role_assignments(sorted(names))
        except AzureError as error:
            unread = _unread("The role assignments", error)
            return dict.fromkeys((account.id.key for account in accounts), unread)
        found = await shown
        roles = Roles(names, assignments, found.groups_above)
        return {
            account.id.key: EntraUse(
                roles.on(account.id),
                has_subdomain=account.custom_subdomain is not None,
                network=found.network_of(account.id),
            )
            for account in accounts
        }


@dataclass(frozen=True, slots=True)
class _Shown:
    """What Resource Graph shows of the scope."""

    accounts: Mapping[str, Shown]
    groups_above: Mapping[str, frozenset[str]]
    doubts: tuple[str, ...]

    def network_of(self, account: AccountId) -> str:
        """Say who reaches an account; empty: it is not known."""
        return self.accounts[account.key].network if account.key in self.accounts else ""


type _Fetched = tuple[datetime, Mapping[str, tuple[KeyFetch, ...]]]


def _is_of_account(row: Mapping[str, object], own: set[str]) -> bool:
    place = str(row.get("id") or "/projects/").lower()
    return str(row["name"]).lower() in own and "/projects/" not in place


def _unread(what: str, error: AzureError) -> Unread:
    return Unread(what, for_person(error))
