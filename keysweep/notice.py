"""`keysweep notice`: exempt what a sweep would change, for a while, so that owners see it coming.

The accounts are those of a sweep's plan, each read once more from Azure Resource Manager. The tag
is the whole of the notice: owners see it on their resource, it lapses by itself, and nothing has
to be remembered anywhere else.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import assert_never

from rich.console import Console
from rich.text import Text

from keysweep.advice import UsageProblem, for_person
from keysweep.documents import camel, csv_of
from keysweep.exit_codes import NOT_WHOLE, REMAINS
from keysweep.granting import Grant, Granting
from keysweep.impact.columns import beside
from keysweep.impact.command import View
from keysweep.impact.verdict import Impact
from keysweep.in_force import in_force
from keysweep.outputs import account_in, document, gaps_in
from keysweep.scan import look, not_seen
from keysweep.screen import Screen, grid, shown
from keysweep.session import Session
from keysweep.standing import LeaveAlone, Why, exit_code_of, not_to_be_exempted
from keysweep.tones import style_of
from keysweep.watch import Collected
from keysweep.wish import Wish, check_it_counts
from keysweep.words import counted, distinct, the_first, where
from shared.core.decision import Rules, decide
from shared.core.errors import AzureError, NotFound
from shared.core.events import DriftFound
from shared.core.model import Account, AccountId, Decision, Verdict
from shared.core.owner import Owner, OwnerFrom
from shared.core.report import SweepReport
from shared.core.rings import InForce, Rings, Standings

COLUMNS = (
    *("owner", "owner_from", "name", "resource_group", "subscription", "subscription_id"),
    *("until", "reason", "result", "id", "impact"),
)
"""Of the CSV."""
_LATER = (
    "It covers these accounts and no other: one that begins to accept keys after this has no "
    "notice, and the next sweep that enforces turns them off."
)
_WHO = {
    OwnerFrom.ACCOUNT: "by its tag",
    OwnerFrom.RESOURCE_GROUP: "by the tag of its resource group",
    OwnerFrom.SUBSCRIPTION: "by the tag of its subscription",
    OwnerFrom.EXEMPTION: "by its exemption",
    OwnerFrom.CHANGED_BY: "turned its keys on; not written into the tag",
    OwnerFrom.NOBODY: "",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked `keysweep notice` for."""

    span: timedelta
    """For how long the accounts are exempt."""
    reason: str = ""
    owner: Sequence[str] = ()
    """Only theirs; none: everybody's."""
    impact: AbstractSet[Impact] = frozenset()
    """Only accounts with one of these verdicts; none: whatever turning their keys off breaks."""
    dry_run: bool = False
    yes: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """An account that a sweep would change, whose it is, and why it gets no notice, if it doesn't.

    What was read of it just now is `account`; None: it could not be read.
    """

    id: AccountId
    owner: Owner
    account: Account | None
    left_alone: LeaveAlone | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Who gets notice, by owner, and who does not."""

    until: date
    grants: Mapping[Owner, Sequence[Grant]]
    """By owner, those whom nobody is known for last."""
    left_alone: Sequence[Found]
    report: SweepReport
    """Of the sweep that would change them."""
    verdicts: Mapping[str, Impact]
    """What turning their keys off breaks, by `AccountId.key`; empty: nobody asked."""
    passed_over: Mapping[Impact, int]
    """How many have another verdict than those that get notice."""
    outside: Mapping[str, Sequence[AccountId]]
    """Those that no ring covers, now or later, by the sentence that says so."""

    @property
    def all_grants(self) -> list[Grant]:
        """Those of every owner."""
        return [grant for grants in self.grants.values() for grant in grants]

    @property
    def code(self) -> int:
        """The exit code, as far as it hangs on what gets no notice."""
        reasons = [found.left_alone.why for found in self.left_alone if found.left_alone]
        return NOT_WHOLE if self.report.inventory.gaps else exit_code_of(reasons)

    @property
    def places(self) -> Mapping[str, str]:
        """By what a person tells the subscriptions apart."""
        covered = [coverage.subscription for coverage in self.report.inventory.coverage]
        return distinct({subscription.id: subscription.name for subscription in covered})


async def notice(session: Session, output: str, request: Request) -> int:
    """Give notice. Returns the exit code. Raises UsageProblem, AzureError."""
    screen = session.screen
    if not (request.yes or request.dry_run or screen.can_ask):
        raise UsageProblem("Nobody is there to be asked: say --yes, or --dry-run to see the plan.")
    plan = await _planned(session, request)
    grants = plan.all_grants
    screen.say(await in_force(session))
    _show(screen, plan, screen.out if request.dry_run and output == "table" else screen.err)
    if not grants:
        if output == "json":
            _print(screen, output, plan, [], "")
        screen.say("There is nobody to give notice to.")
        return plan.code
    if request.dry_run or not (request.yes or screen.ask(_question(plan))):
        if output == "json" or (request.dry_run and output == "csv"):
            _print(screen, output, plan, grants, "WOULD_EXEMPT")
        screen.say("Nothing was changed.")
        return max(plan.code, REMAINS)
    # However long the person thought, the time budget begins now.
    tell: Callable[[str], None] = screen.show if output == "table" else screen.say
    granting = Granting(session.again(), tell)
    try:
        code = await granting.give(grants)
    finally:
        # Whatever stopped it: whoever writes the mails has to know whom the notice reached.
        if output != "table":
            _print(screen, output, plan, granting.done, "EXEMPT")
    return max(plan.code, code)


def _print(screen: Screen, output: str, plan: Plan, written: Iterable[Grant], result: str) -> None:
    """Print the document that was asked for."""
    form = as_json if output == "json" else as_csv
    screen.raw(form(plan, written, result))


async def _planned(session: Session, request: Request) -> Plan:
    """Look as a sweep does, and once more at each account that it would change."""
    settings, today = session.settings, session.clock.now().date()
    until, tag = today + request.span, settings.rules.tag
    value = _wish(Owner(), until, until, request.reason).value(tag, today)
    report, collected = await look(session)
    owners = _owners(collected)
    drift = [decision.account.id for decision in report.with_verdict(Verdict.DRIFT)]
    theirs = _chosen(drift, owners, request.owner)
    outside = _outside(theirs, report.rings)
    chosen = [account_id for account_id in theirs if not _beyond(account_id, report.rings)]
    verdicts = await _judged(session, report, chosen) if request.impact else {}
    passed_over = Counter(verdict for verdict in verdicts.values() if verdict not in request.impact)
    chosen = [
        account_id
        for account_id in chosen
        if not request.impact or verdicts[account_id.key] in request.impact
    ]
    with session.screen.spinner() as progress:
        progress.add_task("Looking at what a sweep would change")
        found = await asyncio.gather(
            *(_looked_at(session, account_id, owners[account_id.key]) for account_id in chosen)
        )
    if chosen:
        # Before anything is asked: would a sweep take this exemption, the same for all, for one?
        check_it_counts(chosen[0], value, settings.scope, settings.rules, today)

    def wish(owner: Owner, account_id: AccountId) -> Wish:
        return _wish(owner, until, _day_off(account_id, until, report.rings), request.reason)

    grants = {
        owner: [
            Grant(noticed.account, _that_fits(wish(owner, noticed.id), tag, today))
            for noticed in of_owner
            if noticed.account is not None and noticed.left_alone is None
        ]
        for owner, of_owner in groupby(
            sorted(found, key=lambda noticed: _place(noticed, verdicts)),
            lambda noticed: noticed.owner,
        )
    }
    left_alone = [noticed for noticed in found if noticed.left_alone is not None]
    with_grants = {owner: of_owner for owner, of_owner in grants.items() if of_owner}
    return Plan(until, with_grants, left_alone, report, verdicts, passed_over, outside)


def _beyond(account_id: AccountId, rings: Rings) -> str:
    """Say that no ring covers an account, now or at a moment to come; empty: one does."""
    standing = rings.in_the_end(account_id.subscription_id)
    return "" if isinstance(standing, InForce) else str(standing)


def _outside(chosen: Sequence[AccountId], rings: Rings) -> Mapping[str, Sequence[AccountId]]:
    """Return the accounts that no ring covers, by the sentence that says so."""
    found: defaultdict[str, list[AccountId]] = defaultdict(list)
    for account_id in chosen:
        if why := _beyond(account_id, rings):
            found[why].append(account_id)
    return found


def _by_the_end_of(until: date, rings: Rings) -> Standings:
    """Say how the rings stand when the tag lapses, if SWEEP_MODE is enforce by then."""
    return replace(rings, enforces=True).at(datetime.combine(until, time.max, UTC))


def _day_off(account_id: AccountId, until: date, rings: Rings) -> date:
    """Return the day on which keys go off: that of the tag, or on which its ring begins later."""
    coming = _by_the_end_of(until, rings).of(account_id.subscription_id).coming
    return coming.date() if coming is not None else until


async def _judged(
    session: Session, report: SweepReport, chosen: Sequence[AccountId]
) -> Mapping[str, Impact]:
    """Say what turning the keys of these off would break, by `AccountId.key`."""
    keys = {account_id.key for account_id in chosen}
    accounts = [
        decision.account
        for decision in report.with_verdict(Verdict.DRIFT)
        if decision.account.id.key in keys
    ]
    judged = await beside(session, accounts, View.of(report.inventory))
    return {key: one.judgement.verdict for key, one in judged.items()}


def _owners(collected: Collected) -> Mapping[str, Owner]:
    """Return the owners as the sweep tells them, by `AccountId.key`."""
    return {
        event.account_id: Owner(event.owner, OwnerFrom(event.owner_from))
        for event in collected.events
        if isinstance(event, DriftFound)
    }


def _chosen(
    drift: Sequence[AccountId], owners: Mapping[str, Owner], wanted: Sequence[str]
) -> Sequence[AccountId]:
    """Return the accounts of the owners that are wanted; none: of all.

    Raises UsageProblem, which names every owner that has none.
    """
    if not wanted:
        return drift
    theirs = {name.strip().lower() for name in wanted}
    if "" in theirs:
        raise UsageProblem("--owner is empty: give a name, or leave it out for everybody's.")
    found = [account_id for account_id in drift if owners[account_id.key].name.lower() in theirs]
    unknown = theirs - {owners[account_id.key].name.lower() for account_id in found}
    if unknown:
        there = sorted({owner.name for owner in owners.values() if owner.name})
        those = f"The owners of those: {the_first(there)}." if there else "None has an owner."
        raise UsageProblem(
            f"No account that a sweep would change is owned by {the_first(sorted(unknown))}. "
            f"{those}"
        )
    return found


def _place(found: Found, verdicts: Mapping[str, Impact]) -> tuple[bool, str, str, int, str]:
    """Return where it stands: by owner, and the worst verdict first where they are known."""
    owner, key = found.owner, found.id.key
    rank = verdicts[key].rank if key in verdicts else 0
    return not owner.name, owner.name.lower(), f"{owner.name} {owner.source}", rank, key


async def _looked_at(session: Session, account_id: AccountId, owner: Owner) -> Found:
    """Read an account, and say whether it gets notice."""
    parts, settings = session.parts, session.settings
    try:
        async with parts.pace.page(account_id.subscription_id):
            account = await parts.account_reader().read(account_id)
    except NotFound:
        gone = LeaveAlone(Why.NOTHING_TO_DO, "It is there no more.")
        return Found(account_id, owner, None, gone)
    except AzureError as error:
        return Found(account_id, owner, None, LeaveAlone(Why.NOT_KNOWN, for_person(error)))
    decision = decide(account, settings.scope, settings.rules, session.clock.now().date())
    return Found(account.id, owner, account, _why_not(account, decision, settings.rules))


def _why_not(account: Account, decision: Decision, rules: Rules) -> LeaveAlone | None:
    """Say why an account gets no notice, as it was read just now; None: it gets one."""
    match decision.verdict:
        case Verdict.COMPLIANT | Verdict.EXEMPT | Verdict.OUT_OF_SCOPE:
            return LeaveAlone(Why.NOTHING_TO_DO, decision.reason)
        case Verdict.HELD:
            why = not_to_be_exempted(account, decision, rules)
            return why or LeaveAlone(Why.SOMEBODYS_WILL, decision.reason)
        case Verdict.DRIFT:
            return not_to_be_exempted(account, decision, rules)
        case _:
            assert_never(decision.verdict)


def _wish(owner: Owner, until: date, off: date, text: str) -> Wish:
    """Say what the tag is to say. Who turned keys on may own nothing: the tag does not say so."""
    reason = f"notice: keys go off on {off}" + (f": {text.strip()}" if text.strip() else "")
    is_guess = owner.source is OwnerFrom.CHANGED_BY
    return Wish(until, reason, "" if is_guess else owner.name.replace(";", ","))


def _that_fits(wish: Wish, tag: str, today: date) -> Wish:
    """Leave the owner out where a tag takes no such name: what names them there is a tag, too."""
    try:
        wish.value(tag, today)
    except UsageProblem:
        return replace(wish, owner="")
    return wish


def _question(plan: Plan) -> str:
    known = sum(bool(owner.name) for owner in plan.grants)
    of_owners = f" of {counted(known, 'owner')}" if known else ""
    accounts = counted(len(plan.all_grants), "account")
    return f"Give notice to {accounts}{of_owners}: exempt until {plan.until}?"


def _show(screen: Screen, plan: Plan, out: Console) -> None:
    """Show by owner which accounts get notice, and which don't and why."""
    places = plan.places
    impact = ("impact",) if plan.verdicts else ()
    drawn = grid("owner", *impact, "account", "resource group", "subscription")
    for owner, grants in plan.grants.items():
        for number, grant in enumerate(grants):
            account_id = grant.account.id
            verdict = plan.verdicts.get(account_id.key, "")
            drawn.add_row(
                _named(owner, len(grants)) if number == 0 else "",
                *(shown(verdict, style_of(verdict)) for _ in impact),
                shown(account_id.name),
                shown(account_id.resource_group, "dim"),
                shown(places.get(account_id.subscription_id, account_id.subscription_id), "dim"),
            )
    if plan.grants:
        out.print(drawn)
    _show_who_gets_none(screen, plan)
    for gap in plan.report.inventory.gaps:
        screen.problem(f"Not seen: {not_seen(gap)}")
    if plan.grants:
        screen.say(f"Their tag says: exempt until {plan.until}. {_LATER}")
        for line in _not_yet(plan):
            screen.say(line)


def _show_who_gets_none(screen: Screen, plan: Plan) -> None:
    """Show which accounts get no notice, and why."""
    for found in plan.left_alone:
        if found.left_alone is not None:
            screen.keep(f"{where(found.id)} is left alone: {found.left_alone.reason}")
    if plan.passed_over:
        counts = [f"{count} {name}" for name, count in sorted(plan.passed_over.items())]
        others = counted(sum(plan.passed_over.values()), "account")
        screen.say(
            f"No notice, because --impact names other verdicts: {others} ({the_first(counts)})."
        )
    for why, accounts in plan.outside.items():
        named = f"{counted(len(accounts), 'account')} ({the_first([a.name for a in accounts])})"
        screen.say(f"No notice, because no sweep would turn them off: {named}. {why}")


def _not_yet(plan: Plan) -> Iterator[str]:
    """Say of which accounts the settings do not turn the keys off when their tag says so."""
    standings = _by_the_end_of(plan.until, plan.report.rings)
    found = Counter(standings.of(grant.account.id.subscription_id) for grant in plan.all_grants)
    for standing, count in sorted(found.items(), key=lambda pair: str(pair[0])):
        if not isinstance(standing, InForce):
            yield f"By then no sweep turns them off on {counted(count, 'account')}: {standing}"


def _named(owner: Owner, count: int) -> Text:
    how = _WHO[owner.source]
    more = f" ({counted(count, 'account')}{f', {how}' if how else ''})"
    return shown(owner.name or "nobody is known", "bold").append(shown(more, "dim"))


def as_csv(plan: Plan, written: Iterable[Grant], result: str) -> str:
    """Write one line an account, those of an owner together, as whoever writes mails needs it."""
    keys = {grant.account.id.key for grant in written}
    return csv_of(COLUMNS, _lines(plan, keys, result))


def as_json(plan: Plan, written: Iterable[Grant], result: str) -> str:
    """Write the same with those that get no notice, and what was not seen."""
    keys = {grant.account.id.key for grant in written}
    left_alone = [
        {**account_in(found.id, plan.places), "why": found.left_alone.reason}
        for found in plan.left_alone
        if found.left_alone is not None
    ]
    outside = [
        {**account_in(account_id, plan.places), "why": why}
        for why, accounts in plan.outside.items()
        for account_id in accounts
    ]
    body = {
        "until": str(plan.until),
        "accounts": [camel(line) for line in _lines(plan, keys, result)],
        "leftAlone": [*left_alone, *outside],
        "passedOver": {str(verdict): count for verdict, count in plan.passed_over.items()},
        "gaps": gaps_in(plan.report.inventory.gaps),
    }
    return document("notice", body)


def _lines(plan: Plan, keys: set[str], result: str) -> Iterator[Mapping[str, str]]:
    for owner, grants in plan.grants.items():
        for grant in grants:
            account_id = grant.account.id
            if account_id.key in keys:
                yield {
                    "owner": owner.name,
                    "owner_from": owner.source,
                    "name": account_id.name,
                    "resource_group": account_id.resource_group,
                    "subscription": plan.places.get(account_id.subscription_id, ""),
                    "subscription_id": account_id.subscription_id,
                    "until": str(plan.until),
                    "reason": grant.wish.reason,
                    "result": result,
                    "id": str(account_id),
                    "impact": plan.verdicts.get(account_id.key, ""),
                }
