"""`keysweep exempt`: give accounts their exemption, take one away, or list them all.

Always in this order: the tag is merged, read back, and judged as a sweep judges it; only then are
keys turned on. A sweep in between finds the tag.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import assert_never

from rich.text import Text

from keysweep.advice import UsageProblem, for_person, gap_in_words
from keysweep.exit_codes import FINE, NOT_WHOLE, REMAINS, STOPPED
from keysweep.granting import Grant, Granting
from keysweep.impact.columns import beside
from keysweep.impact.verdict import Judgement
from keysweep.in_force import in_force
from keysweep.names import Names, resolve, resolve_all, scope_of
from keysweep.outputs import account_in, gaps_in, of_command
from keysweep.screen import Screen, grid, shown
from keysweep.session import Session
from keysweep.stopping import stoppable, unless_stopped
from keysweep.tables import account_cells, account_columns
from keysweep.wish import (
    Question,
    Wish,
    check_it_counts,
    check_it_has_room,
    in_words,
    lay_over,
)
from keysweep.words import counted, distinct, names_of, until_when, where
from keysweep.writer import REMOVAL, AccountWriter, Steps
from shared.core.decision import decide
from shared.core.errors import AzureError, KeysweepError, Stopped
from shared.core.exemption import exact
from shared.core.model import (
    Account,
    AccountId,
    Decision,
    Exempt,
    Exemption,
    Lapsed,
    NotExempt,
    Unreadable,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked `keysweep exempt` for."""

    names: Names
    wish: Wish
    enable_keys: bool = False
    """Turn their keys on after that."""
    yes: bool = False
    replace: bool = False
    impact: bool = False
    """Say what turning their keys off breaks, and ask about the worst first."""

    def answers(self, question: Question) -> bool:
        """Whether it has the answer: `yes` is one to what takes nothing away."""
        return self.replace or (self.yes and not question.takes_away)


async def exempt(session: Session, output: str, request: Request) -> int:
    """Exempt accounts, and turn their keys on if that was asked for. Returns the exit code.

    Nothing is written unless all of them can be: one error names whatever stands in the way, of
    each. Raises UsageProblem, NotSeen, ChangedMeanwhile, AzureError.
    """
    screen = session.screen
    today, tag = session.today, session.settings.rules.tag
    request.wish.value(tag, today)

    async def take(account: Account) -> _Proposal:
        return await _proposed(session, account, request.wish, today)

    proposals = await resolve_all(session, request.names, take)
    if request.impact:
        proposals = await _worst_first(session, proposals)
    screen.say(await in_force(session))
    _check_that_somebody_answers(screen, proposals, request)
    grants = [
        proposal.grant
        for proposal in proposals
        if proposal.question is None or _agreed(screen, proposal.question, request)
    ]
    tell = screen.say if output == "json" else screen.show
    granting = Granting(session.again(), tell, request.enable_keys)
    code = await granting.give(grants) if grants else REMAINS
    if not grants:
        screen.say("Nothing was changed.")
    if output == "json":
        became = {grant.account.id.key: granting.became(grant) for grant in grants}
        all_of_them = [proposal.grant for proposal in proposals]
        screen.raw(of_command("exempt", {"accounts": _became(all_of_them, became)}))
    return max(code, REMAINS if len(grants) < len(proposals) else FINE)


def _became(
    grants: Sequence[Grant], became: Mapping[str, tuple[str, str]]
) -> list[Mapping[str, object]]:
    """Say of each account what its exemption was to be, and what became of it."""
    no = ("UNCHANGED", "You said no.")
    return [
        {
            **account_in(grant.account.id, {}),
            "until": str(grant.wish.until) if grant.wish.until else None,
            "reason": grant.wish.reason,
            "owner": grant.wish.owner,
            **dict(zip(("result", "problem"), became.get(grant.account.id.key, no), strict=True)),
        }
        for grant in grants
    ]


@dataclass(frozen=True, slots=True)
class _Proposal:
    """An exemption, laid over what is on an account, and what its person has to be asked."""

    grant: Grant
    question: Question | None


async def _proposed(session: Session, found: Account, wish: Wish, today: date) -> _Proposal:
    """Lay a wish over an account. Raises UsageProblem if that would be of no use, AzureError."""
    rules = session.settings.rules
    account = await session.parts.account_reader().with_levels(found)
    whole, question = lay_over(account, rules.tag, wish, today)
    value = whole.value(rules.tag, today)
    check_it_counts(account.id, value, session.settings.scope, rules, today)
    check_it_has_room(account, rules.tag)
    return _Proposal(Grant(account, whole), question)


async def _worst_first(session: Session, proposals: Sequence[_Proposal]) -> Sequence[_Proposal]:
    """Say of each account what turning its keys off breaks. Returns them, the worst first."""
    accounts = [proposal.grant.account for proposal in proposals]
    judged = await beside(session, accounts, await scope_of(session))

    def judgement_of(proposal: _Proposal) -> Judgement:
        return judged[proposal.grant.account.id.key].judgement

    order = sorted(proposals, key=lambda proposal: judgement_of(proposal).verdict.rank)
    for proposal in order:
        judgement, because = judgement_of(proposal), " ".join(judgement_of(proposal).because)
        session.screen.keep(f"{where(proposal.grant.account.id)}: {judgement.verdict}. {because}")
    return order


async def _run(screen: Screen, writer: AccountWriter, work: Awaitable[None]) -> int:
    """Do it, or say how far it was when a person stopped it, or something else did.

    Raises as `work`, where nothing was begun.
    """
    steps = writer.steps
    try:
        await stoppable(screen, writer.stop, work)
    except (Stopped, asyncio.CancelledError):
        screen.problem(f"Stopped. {steps}.")
        return NOT_WHOLE if steps.have_begun else STOPPED
    except KeysweepError as error:
        if not steps.have_begun:
            raise
        screen.problem(f"{for_person(error)}\n{steps}.")
        return NOT_WHOLE
    return FINE


def _check_that_somebody_answers(
    screen: Screen, proposals: Sequence[_Proposal], request: Request
) -> None:
    """Raise UsageProblem, with every question, if nobody is there to be asked."""
    questions = [proposal.question for proposal in proposals if proposal.question is not None]
    unanswered = [question for question in questions if not request.answers(question)]
    if screen.can_ask or not unanswered:
        return
    flag = "--replace" if any(question.takes_away for question in unanswered) else "--yes"
    texts = [f"{question.text}\n{question.takes_away}".strip() for question in unanswered]
    raise UsageProblem("\n".join([f"Nobody is there to be asked: say {flag}.", *texts]))


def _agreed(screen: Screen, question: Question, request: Request) -> bool:
    """Ask whether a tag may be replaced, unless the line has the answer."""
    if request.answers(question):
        screen.say(question.text)
        return True
    screen.keep(question.text)
    return screen.ask(f"{question.takes_away} Replace it?".strip())


async def remove(session: Session, name: str, output: str = "table") -> int:
    """Take one account's exemption away, and say what the next sweep makes of it.

    Returns the exit code. Raises UsageProblem, ChangedMeanwhile, AzureError.
    """
    screen, settings = session.screen, session.settings
    account = await resolve(session, await scope_of(session), name)
    tags = exact(account.tags, settings.rules.tag)
    if not tags:
        raise UsageProblem(f"{where(account.id)} has no tag {settings.rules.tag!r}.")
    screen.say(await in_force(session))
    writer = AccountWriter(session, Steps.of(REMOVAL))
    said: list[tuple[str | None, str]] = []

    async def work() -> None:
        await writer.withdraw(account)
        said.append(await _after_removal(session, account.id, writer.stop))

    code = await _run(screen, writer, work())
    for verdict, says in said:
        taken = f"The tag of {where(account.id)} was taken away ({in_words(tags)})."
        if output == "json":
            removed = {"result": "REMOVED", "tags": tags, "verdict": verdict, "next": says}
            accounts = [{**account_in(account.id, {}), **removed}]
            screen.raw(of_command("exempt --remove", {"accounts": accounts}))
        else:
            screen.show(f"{taken} {says}")
    return code


async def _after_removal(
    session: Session, account_id: AccountId, stop: asyncio.Event
) -> tuple[str | None, str]:
    """Say what the next sweep makes of an account; its verdict is None if that can't be told.

    Raises Stopped.
    """
    settings = session.settings
    try:
        async with unless_stopped(stop):
            found = await session.parts.account_reader().read(account_id)
    except Stopped:
        raise
    except AzureError as error:
        return None, f"What the next sweep makes of it can't be told: {for_person(error)}"
    now = decide(found, settings.scope, settings.rules, session.today)
    return now.verdict, _next(now)


def _next(now: Decision) -> str:
    """Say what the next sweep makes of an account."""
    match now.verdict:
        case Verdict.DRIFT:
            return "Its keys are on: the next sweep that enforces turns them off."
        case Verdict.COMPLIANT:
            return "Its keys are off."
        case Verdict.EXEMPT:
            return f"It is still exempt: {now.reason}"
        case Verdict.HELD:
            return f"The next sweep holds it: {now.reason}"
        case Verdict.OUT_OF_SCOPE:
            return f"It is out of scope: {now.reason}"
        case _:
            assert_never(now.verdict)


async def listing(session: Session, output: str = "table") -> int:
    """Show every account with a tag of ours, and the days that it has left.

    Returns the exit code.
    """
    screen, scope, rules = session.screen, session.settings.scope, session.settings.rules
    today = session.today
    with screen.spinner() as progress:
        progress.add_task("Looking for exemptions")
        inventory = await session.parts.discovery().discover()
    names = names_of(inventory.subscriptions)
    decisions = [decide(account, scope, rules, today) for account in inventory.accounts]
    tagged = sorted(
        (decision for decision in decisions if not isinstance(decision.exemption, NotExempt)),
        key=lambda decision: (_last_day(decision.exemption), decision.account.id.key),
    )
    if output == "json":
        listed = [_listed(decision, today, names) for decision in tagged]
        body = {"tag": rules.tag, "accounts": listed, "gaps": gaps_in(inventory.gaps)}
        screen.raw(of_command("exempt --list", body))
    else:
        _show_list(screen, tagged, today, distinct(names))
        screen.show(shown(f"{counted(len(tagged), 'account')} with the tag {rules.tag}.", "bold"))
    for gap in inventory.gaps:
        screen.problem(f"Not seen: {gap_in_words(gap)}")
    return NOT_WHOLE if inventory.gaps else FINE


def _show_list(
    screen: Screen, tagged: Sequence[Decision], today: date, names: Mapping[str, str]
) -> None:
    if tagged:
        columns = account_columns(is_wide=screen.wide)
        drawn = grid("days left", "until", "keys", *columns, "reason")
        for decision in tagged:
            drawn.add_row(*_cells(decision, today, names, is_wide=screen.wide))
        screen.show(drawn, "")


def _listed(decision: Decision, today: date, names: Mapping[str, str]) -> Mapping[str, object]:
    """Return an account with a tag of ours for a document."""
    exemption = decision.exemption
    says = _says(exemption)
    raw = problem = ""
    state = "active" if isinstance(exemption, Exempt) else "lapsed"
    if isinstance(exemption, Unreadable):
        state, raw, problem = "unreadable", exemption.raw, exemption.problem
    return {
        **account_in(decision.account.id, names),
        "state": state,
        "until": str(says.until) if says.until else None,
        "daysLeft": (says.until - today).days if says.until else None,
        "reason": says.reason,
        "owner": says.owner,
        "keysOn": decision.account.keys_on,
        "verdict": decision.verdict,
        "raw": raw,
        "problem": problem,
    }


def _says(exemption: Exemption) -> Exempt | Lapsed:
    """Return what a tag says, as far as it can be read."""
    return exemption if isinstance(exemption, Exempt | Lapsed) else Exempt()


def _cells(
    decision: Decision, today: date, names: Mapping[str, str], *, is_wide: bool
) -> tuple[Text, ...]:
    account, exemption = decision.account, decision.exemption
    says = _says(exemption)
    left = until_when(None) if says.until is None else str((says.until - today).days)
    because = shown(says.reason)
    if isinstance(exemption, Unreadable):
        left, because = "unreadable", shown(f"{exemption.raw!r}: {exemption.problem}")
    if says.owner:
        because.append(shown(f" ({says.owner})" if says.reason else says.owner, "dim"))
    place = names.get(account.id.subscription_id, account.id.subscription_id)
    return (
        shown(left, "" if isinstance(exemption, Exempt) else "red"),
        shown(says.until or ""),
        shown("on" if account.keys_on else "off", "" if account.keys_on else "dim"),
        *account_cells(account.id.name, account.id.resource_group, place, is_wide=is_wide),
        because,
    )


def _last_day(exemption: Exemption) -> date:
    return date.min if isinstance(exemption, Unreadable) else _says(exemption).until or date.max
