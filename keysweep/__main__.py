"""`keysweep`: the commands and their help. Each command's module is imported when it runs."""

import getpass
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keysweep.exit_codes import BUG, FINE, NOT_WHOLE, STOPPED, USAGE
from keysweep.streams import prepared
from shared import __version__

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from keysweep.configuration import Options
    from keysweep.documents import FailOn
    from keysweep.impact.verdict import Impact
    from keysweep.screen import Screen
    from keysweep.session import Command
    from shared.core.model import Clock

_BYTE_ORDER_MARK = "\ufeff"
_FILE = click.Path(dir_okay=False, path_type=Path)


def _choice(*words: str) -> click.Choice[str]:
    """Take one of these words, in any letter case."""
    return click.Choice(words, case_sensitive=False)


class _Span(click.ParamType[timedelta]):
    """A span such as `14d` or `2h`: a number and a unit."""

    name = "span"

    def __init__(self, *such_as: str) -> None:
        self.such_as = such_as

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the length. What ends after the calendar, in 9999, is none."""
        from keysweep.wish import span  # noqa: PLC0415 - --help must be quick

        try:
            length = span(value, {text[-1] for text in self.such_as})
            _clock().now().date() + length
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no span such as {' or '.join(self.such_as)}.", param, ctx)
        return length


class _Day(click.ParamType[date]):
    """A day such as `2027-03-31`."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day."""
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
        except ValueError:
            self.fail(f"{value!r} is no day such as 2027-03-31.", param, ctx)


class _Verdicts(click.ParamType["AbstractSet[Impact]"]):
    """Verdicts of `keysweep impact` with commas between them."""

    name = "verdicts"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "AbstractSet[Impact]":
        """Return those that are named."""
        from keysweep.impact.verdict import Impact  # noqa: PLC0415 - --help must be quick

        if not isinstance(value, str):
            return frozenset(value)
        try:
            return Impact.listed(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _FailOn(click.ParamType["AbstractSet[FailOn]"]):
    """What is no success, with commas between, or `never`."""

    name = "fail-on"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "AbstractSet[FailOn]":
        """Return what is named."""
        from keysweep.documents import FailOn  # noqa: PLC0415 - --help must be quick

        if not isinstance(value, str):
            return frozenset(value)
        words = {word.strip().lower() for word in value.split(",")}
        if words == {"never"}:
            return frozenset()
        try:
            return frozenset(map(FailOn, words))
        except ValueError:
            names = ", ".join(FailOn)
            self.fail(
                f"{value!r} is none of {names}, with commas between them, or never alone.",
                param,
                ctx,
            )


EPILOG = """\b
Exit codes:
  0   compliant, or all fixed
  1   drift or holds remain
  2   something could not be read or done
  64  the command line or the settings are wrong
  70  a bug of ours: one line says where its traceback is
  130 stopped by Ctrl-C before anything was begun

Sign in with `az login`, VS Code, or a pipeline's workload identity. The Function's settings
are read from the environment, from a file (--settings) or from the Function App itself
(--function), so that a scan judges as the timer does. ACCOUNT is a resource id, a name, or
resource-group/name, inside the scope; subscriptions and management groups are given by id or name.
"""


class _Commands(click.Group):
    """Lists the commands in the order in which an operator meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write each command's line whole: click would cut it."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=200))
                    for name, command in self.commands.items()
                ]
            )


@click.group(
    cls=_Commands,
    epilog=EPILOG,
    context_settings={"max_content_width": 96, "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="keysweep")
def keysweep() -> None:
    """Keep Azure OpenAI keyless, from a terminal.

    Finds accounts that accept API keys, says why each one does, turns the keys off, and gives
    them back. Start with `keysweep scan`: it only reads. `keysweep doctor` says what stands in
    the way.
    """


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _common(command: Callable[..., int]) -> Callable[..., int]:
    """Add what every command takes."""
    for option in (
        click.option(
            "--quiet", "-q", is_flag=True,
            help="Say no more beside the output than what is wrong, asked or worth keeping.",
        ),
        click.option("--verbose", "-v", is_flag=True, help="Show every request (never a token)."),
        click.option(
            "--tenant", metavar="ID",
            help="The tenant that you mean: another one's sign-in is refused.",
        ),
        click.option(
            "--settings",
            "settings_file",
            type=_FILE,
            metavar="FILE",
            help="Read app settings from here: local.settings.json, or the output of "
            "`az functionapp config appsettings list`.",
        ),
        click.option(
            "--function",
            metavar="RESOURCE-ID",
            help="Read the app settings of this deployed Function App.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _scoped(command: Callable[..., int]) -> Callable[..., int]:
    """Add what narrows the scope."""
    for option in (
        click.option(
            "--management-group", "-m", "management_groups", multiple=True, metavar="ID|NAME",
            help="Only below this management group. May be repeated.",
        ),
        click.option(
            "--subscription", "-s", "subscriptions", multiple=True, metavar="ID|NAME",
            help="Only in this subscription. May be repeated.",
        ),
    ):  # fmt: skip
        command = option(command)
    return _common(command)


def _impact(text: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the option that asks who uses keys: it takes requests of its own."""
    return click.option("--impact", is_flag=True, help=text)


_output_as_json = click.option(
    "--output", "-o", type=_choice("table", "json"), default="table", show_default=True,
    help="In which form.",
)  # fmt: skip
_output = click.option(
    "--output",
    "-o",
    type=_choice("table", "json", "csv", "sarif"),
    default="table",
    show_default=True,
    help="In which form.",
)


@keysweep.command(
    epilog=_examples(
        "keysweep scan",
        "keysweep scan --output sarif > keysweep.sarif",
        "keysweep scan --subscription contoso-web-prod --all",
        "keysweep scan --group-by owner --limit 10",
        "keysweep scan --quiet --fail-on drift,gaps",
    )
)
@_output
@click.option("--all", "everything", is_flag=True, help="List compliant accounts too.")
@click.option(
    "--group-by", type=_choice("subscription", "owner", "resource-group"),
    help="Show counts in the place of accounts, the most drift first.",
)  # fmt: skip
@click.option(
    "--limit", "-L", type=click.IntRange(min=1), metavar="NUMBER",
    help="List so many at most, the worst first: what flips, then what is open for longest.",
)  # fmt: skip
@click.option(
    "--fail-on", type=_FailOn(), default="drift,held,gaps", show_default=True, metavar="WHAT",
    help="What ends with an exit code other than 0: drift, held, gaps, with commas between them, "
    "or never.",
)  # fmt: skip
@_impact("Say beside each what turning its keys off would break, as `keysweep impact` does.")
@_scoped
def scan(output: str, group_by: str | None, **options: Any) -> int:
    """Show every account that accepts keys, worst first. Only reads."""
    from keysweep.documents import GroupBy  # noqa: PLC0415 - --help must be quick
    from keysweep.scan import Request  # noqa: PLC0415
    from keysweep.scan import scan as command  # noqa: PLC0415

    if output == "sarif" and (group_by or options["limit"]):
        raise click.UsageError(
            "SARIF takes no --group-by and no --limit: what is missing there counts as fixed."
        )
    options["group_by"] = GroupBy(group_by) if group_by else None
    request = Request(**_taken_out(options, Request))
    return _run(options, lambda session: command(session, output, request), mode="audit")


@keysweep.command(
    epilog=_examples(
        "keysweep impact",
        "keysweep impact site-search --days 14",
        "keysweep impact --output csv > impact.csv",
        "keysweep impact --watch site-search --for 2h",
    )
)
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT...]")
@click.option(
    "--days", type=click.IntRange(1, 30), default=30, show_default=True, metavar="NUMBER",
    help="Look at so many days. Azure Monitor cuts more than 31 in silence.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=_choice("table", "json", "csv"), default="table",
    show_default=True, help="In which form.",
)  # fmt: skip
@click.option(
    "--watch", is_flag=True,
    help="Show the calls of one account that are refused (401, 403), as they come in.",
)  # fmt: skip
@click.option(
    "--for", "span", type=_Span("90s", "30m", "2h"), metavar="SPAN",
    help="Watch for 90s, 30m, 2h; else until Ctrl-C.",
)  # fmt: skip
@click.option(
    "--every", type=click.FloatRange(min=1.0), default=60.0, show_default=True,
    metavar="SECONDS", help="How often, with --watch.",
)  # fmt: skip
@_scoped
def impact(
    accounts: Sequence[str],
    days: int,
    output: str,
    *,
    watch: bool,
    span: timedelta | None,
    every: float,
    **options: Any,
) -> int:
    """Say who still uses keys, and what breaks when they go off. Only reads.

    Of the accounts that are named, or of all with keys on: calls, calls with a key, whether they
    are logged, who fetched keys, connections that hold one, and who could use Entra ID. What can't
    be seen is named, and never taken for safe.
    """
    if watch:
        if len(accounts) != 1:
            raise click.UsageError("--watch is for one ACCOUNT.")
        if output != "table":
            raise click.UsageError("--watch shows calls as they come in: it takes no --output.")
        from keysweep.impact.watching import watch as watching  # noqa: PLC0415

        seconds = None if span is None else span.total_seconds()
        return _run(
            options, lambda session: watching(session, accounts[0], every, seconds), mode="audit"
        )
    if span is not None:
        raise click.UsageError("--for goes with --watch.")
    from keysweep.impact.command import impact as command  # noqa: PLC0415

    return _run(options, lambda session: command(session, accounts, days, output), mode="audit")


@keysweep.command(
    epilog=_examples(
        "keysweep sweep",
        "keysweep sweep --only rg-web/site-search",
        "keysweep sweep --yes --output json > sweep.json",
    )
)
@_output
@click.option("--audit", is_flag=True, help="Show the plan and stop.")
@click.option(
    "--yes",
    "-y",
    is_flag=True,
    help="Don't ask. It goes beyond no setting: that is --enforce, --release-rings and "
    "--release-brake.",
)
@click.option(
    "--enforce",
    is_flag=True,
    help="Change what is shown, although SWEEP_MODE says audit or ENFORCE_FROM is still to come.",
)
@click.option(
    "--release-rings",
    is_flag=True,
    help="Change what is shown, although ENFORCE_SCOPES does not list it, or only from later on.",
)
@click.option("--release-brake", is_flag=True, help="Let through what the brake would hold.")
@click.option("--only", multiple=True, metavar="ACCOUNT", help="Only this one. May be repeated.")
@_impact("Warn in the plan of accounts whose keys are used, as `keysweep impact` sees it.")
@click.option(
    "--record",
    type=_FILE,
    metavar="FILE",
    help="Write the sweep's record to this new file, and not among the others.",
)
@_scoped
def sweep(output: str, **options: Any) -> int:
    """Turn keys off, as the timer does, now: shows the plan, asks, and does it.

    It obeys the settings as the timer does: audit stays audit, outside the rings in force too, and
    the brake holds, unless you say otherwise by name. Every change is recorded before it is made;
    the way back is printed first. Ctrl-C stops what is not begun and finishes what is in flight.
    """
    from keysweep.sweep import Request  # noqa: PLC0415
    from keysweep.sweep import sweep as command  # noqa: PLC0415

    request = Request(**_taken_out(options, Request))
    if request.audit and (request.enforce or request.release_rings):
        raise click.UsageError(
            "--audit and --enforce or --release-rings exclude each other: give one."
        )
    return _run(options, lambda session: command(session, output, request))


@keysweep.command(
    epilog=_examples("keysweep explain site-search", "keysweep explain rg-web/site-search")
)
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
@_output_as_json
@_impact("Say who uses its keys as well, as `keysweep impact` does.")
@_scoped
def explain(accounts: Sequence[str], output: str, *, impact: bool, **options: Any) -> int:
    """Say why an account keeps or loses its keys, and what the next sweep will do.

    Every step of the decision, with the raw values behind it and who last turned the keys on. The
    next sweep is that of the settings; without SWEEP_MODE, one that enforces.
    """
    from keysweep.explain import explain as command  # noqa: PLC0415

    return _run(options, lambda session: command(session, accounts, output, with_impact=impact))


@keysweep.command(
    epilog=_examples(
        "keysweep exempt site-search --for 14d --reason CHG0042 --owner web@contoso.com",
        "keysweep exempt site-search --until 2027-03-31 --enable-keys",
        "keysweep exempt --from-file accounts.txt --for 2w --reason CHG0042",
        "keysweep exempt site-search --remove",
        "keysweep exempt --list",
    )
)
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@_output_as_json
@click.option(
    "--from-file",
    type=_FILE,
    metavar="FILE",
    help="The accounts in this file too: one in each line; what follows a # is a comment.",
)
@click.option("--until", type=_Day(), metavar="DATE", help="Its last day, such as 2027-03-31.")
@click.option(
    "--for", "span", type=_Span("14d", "2w"), metavar="SPAN",
    help="For so long from today: 14d, 2w.",
)  # fmt: skip
@click.option("--open-ended", is_flag=True, help="Without an end.")
@click.option("--reason", default="", metavar="TEXT", help="Why, such as a change number.")
@click.option("--owner", default="", metavar="MAIL", help="Whom to ask.")
@click.option(
    "--enable-keys", is_flag=True, help="Break glass: turn its keys on again, after that."
)
@click.option("--remove", is_flag=True, help="Take the exemption away.")
@click.option(
    "--yes",
    "-y",
    is_flag=True,
    help="Don't ask before changing a tag, where nothing is taken away.",
)
@click.option(
    "--replace",
    is_flag=True,
    help="Don't ask, even where the exemption would end sooner, or can't be read.",
)
@click.option("--list", "lists", is_flag=True, help="Show all exemptions with the days left.")
@_impact(
    "Say what turning their keys off would break, as `keysweep impact` does, and begin with the "
    "worst."
)
@_scoped
def exempt(
    accounts: Sequence[str],
    output: str,
    from_file: Path | None,
    until: date | None,
    span: timedelta | None,
    reason: str,
    owner: str,
    *,
    open_ended: bool,
    enable_keys: bool,
    remove: bool,
    yes: bool,
    replace: bool,
    lists: bool,
    impact: bool,
    **options: Any,
) -> int:
    """Let accounts keep their keys: merges the tag, leaves every other tag untouched.

    A tag that is there is shown beside what it would become; what you don't give is kept. The tag
    is read back; only then, with --enable-keys, are keys turned on. Where one of the accounts is
    not there, or not in scope, nothing is written to any.
    """
    if lists == bool(accounts or from_file):
        raise click.UsageError("Give an ACCOUNT or more, or --from-file, or --list.")
    if remove and (from_file is not None or len(accounts) > 1):
        raise click.UsageError("--remove takes one ACCOUNT.")
    ends = sum((until is not None, span is not None, open_ended))
    if ends != (0 if remove or lists else 1):
        raise click.UsageError(
            "Say how long, by one of --until, --for and --open-ended (and none of them with "
            "--remove or --list)."
        )
    if enable_keys and (remove or lists):
        raise click.UsageError("--enable-keys goes with an exemption.")
    if impact and (remove or lists):
        raise click.UsageError("--impact goes with an exemption.")
    from keysweep import exempt as command  # noqa: PLC0415
    from keysweep.names import Names  # noqa: PLC0415
    from keysweep.wish import Wish  # noqa: PLC0415

    if lists:
        return _run(options, lambda session: command.listing(session, output))
    if remove:
        return _run(options, lambda session: command.remove(session, accounts[0], output))
    last_day = until if span is None else _clock().now().date() + span
    request = command.Request(
        Names(accounts, from_file),
        Wish(last_day, reason, owner),
        enable_keys=enable_keys,
        yes=yes,
        replace=replace,
        impact=impact,
    )
    return _run(options, lambda session: command.exempt(session, output, request))


@keysweep.command(
    epilog=_examples(
        "keysweep notice --for 30d --dry-run",
        "keysweep notice --for 30d --reason CHG0042 --subscription contoso-web-prod",
        "keysweep notice --for 30d --owner web@contoso.com --output csv > notice.csv",
        "keysweep notice --for 30d --impact USES_KEYS,LIKELY_KEYS,CANT_TELL",
    )
)
@click.option(
    "--output", "-o", type=_choice("table", "json", "csv"), default="table",
    show_default=True,
    help="In which form to say what was written: csv is for the mail to the owners.",
)  # fmt: skip
@click.option(
    "--for", "span", type=_Span("30d", "4w"), required=True, metavar="SPAN",
    help="How long they are exempt, from today: 30d, 4w.",
)  # fmt: skip
@click.option(
    "--reason", default="", metavar="TEXT", help="What the tag says after `notice: keys go off on`."
)
@click.option("--owner", multiple=True, metavar="NAME", help="Only this owner's. May be repeated.")
@click.option(
    "--impact", type=_Verdicts(), default=(), metavar="VERDICTS",
    help="Only accounts with one of these verdicts of `keysweep impact`, with commas between them, "
    "such as USES_KEYS,LIKELY_KEYS,CANT_TELL. The plan shows each verdict, the worst first.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@_scoped
def notice(output: str, **options: Any) -> int:
    """Exempt what a sweep would change, for a while, so that owners see it coming.

    The accounts get the exemption tag with its last day, `notice: keys go off on` that day and
    their owner: it shows on the resource and lapses by itself. A tag that is there is never
    replaced. Accounts that begin to accept keys later are not covered.
    """
    from keysweep.notice import Request  # noqa: PLC0415
    from keysweep.notice import notice as command  # noqa: PLC0415

    request = Request(**_taken_out(options, Request))
    return _run(options, lambda session: command(session, output, request), mode="audit")


@keysweep.command(
    epilog=_examples(
        "keysweep undo --list",
        "keysweep undo 20261124T090000Z-1f3a9c0d --dry-run",
        "keysweep undo 20261124T090000Z-1f3a9c0d --for 3d",
        "keysweep undo 20261124T090000Z-1f3a9c0d --insights RESOURCE-ID --function RESOURCE-ID",
    )
)
@click.argument("sweep_id", required=False, metavar="[SWEEP-ID]")
@_output_as_json
@click.option(
    "--list", "lists", is_flag=True,
    help="Show the sweeps whose records are on this machine, the newest first.",
)  # fmt: skip
@click.option(
    "--record",
    type=_FILE,
    metavar="FILE",
    help="The sweep's record, where `keysweep sweep --record` put it.",
)
@click.option(
    "--insights",
    metavar="RESOURCE-ID",
    help="For a sweep of the Function's: its Application Insights, or the workspace of that.",
)
@click.option(
    "--for", "span", type=_Span("14d", "2w"), default="1d", show_default=True, metavar="SPAN",
    help="How long it is exempt.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@_scoped
def undo(output: str, *, lists: bool, **options: Any) -> int:
    """Give back what one sweep took: an exemption of a day first, then the keys.

    What it took comes from the sweep's own record, or from its events. An account that anybody
    turned on or off since, or that a tag speaks for, is left alone, and the plan says why; a tag
    that is there is never replaced. Give the settings and the scope that the sweep had.
    """
    if lists == bool(options["sweep_id"]):
        raise click.UsageError(
            "Give a SWEEP-ID, or --list for the sweeps whose records are on this machine."
        )
    if lists:
        return _recorded_sweeps(output, options)
    from keysweep.undo import Request  # noqa: PLC0415
    from keysweep.undo import undo as command  # noqa: PLC0415

    request = Request(**_taken_out(options, Request))
    return _run(options, lambda session: command(session, output, request))


def _recorded_sweeps(output: str, options: dict[str, Any]) -> int:
    """List recorded sweeps. Nobody is signed in, and no setting matters: so none is taken."""
    from keysweep.record import records_folder  # noqa: PLC0415 - --help must be quick
    from keysweep.recorded_sweeps import listing  # noqa: PLC0415
    from keysweep.screen import Screen  # noqa: PLC0415

    quiet = options.pop("quiet")
    del options["span"]
    if any(options.values()):
        raise click.UsageError("--list asks nothing of Azure: it takes --output and --quiet alone.")
    return listing(Screen(quiet=quiet), records_folder(), output)


@keysweep.command(
    epilog=_examples(
        "keysweep probe site-search",
        "keysweep probe site-search --deployment gpt-4o",
        "keysweep probe site-search --wait 2h",
    )
)
@click.argument("account")
@_output_as_json
@click.option("--deployment", metavar="NAME", help="Ask this deployment, for one token.")
@click.option(
    "--wait", type=_Span("90s", "30m", "2h"), metavar="SPAN",
    help="Ask until the gateway refuses keys, for 90s, 30m, 2h at most.",
)  # fmt: skip
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=15.0, show_default=True,
    metavar="SECONDS", help="How often, with --wait.",
)  # fmt: skip
@click.option(
    "--key-from-stdin",
    is_flag=True,
    help="Use a key that you have: from a pipe, or typed unseen.",
)
@_common
def probe(
    account: str,
    output: str,
    deployment: str | None,
    wait: timedelta | None,
    every: float,
    *,
    key_from_stdin: bool,
    **options: Any,
) -> int:
    """Show what the gateway does with a real key, a bogus key and an Entra ID token.

    A real key is fetched with your own rights, never shown, and kept in memory only. Without
    --deployment nothing is asked that costs anything.
    """
    from keysweep.probe import probe as command  # noqa: PLC0415

    key = _key() if key_from_stdin else None
    seconds = None if wait is None else wait.total_seconds()
    return _run(
        options,
        lambda session: command(
            session, account, deployment, key=key, wait=seconds, every=every, output=output
        ),
    )


def _key() -> str:
    """Read a key: typed without an echo, or the first line of a pipe."""
    if sys.stdin.isatty():
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            try:
                typed = getpass.getpass("Key (it is not shown): ")
            except getpass.GetPassWarning as error:
                message = "This terminal would show the key: hand it over by a pipe."
                raise click.UsageError(message) from error
            except EOFError:
                typed = ""
    else:
        typed = sys.stdin.readline()
    key = typed.strip().removeprefix(_BYTE_ORDER_MARK)
    if not key:
        raise click.UsageError("Standard input holds no key.")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise click.UsageError("What standard input holds is no key: keys are plain letters.")
    return key


@keysweep.command(
    epilog=_examples(
        "keysweep doctor",
        "keysweep doctor --function RESOURCE-ID",
        "keysweep doctor --insights RESOURCE-ID --output json",
    )
)
@_output_as_json
@click.option(
    "--insights",
    metavar="RESOURCE-ID",
    help="Look for the Function's last sweep here: its Application Insights, or the workspace of "
    "that.",
)
@_scoped
def doctor(output: str, insights: str | None, **options: Any) -> int:
    """Say what stands in the way: sign-in, settings, scope, rights, last sweep. Only reads.

    A line for each check, with what to do about it. What could not be looked at is never well.
    The rights are yours; with --function, or --insights, what the Function's last sweep could not
    do is shown as well.
    """
    from keysweep.doctor.command import doctor as command  # noqa: PLC0415 - --help must be quick

    wanted, screen = _wanted(options)
    return command(wanted, screen, output, insights, _clock())


@keysweep.command(
    epilog=_examples(
        "keysweep dashboard --capture build/capture.json --open",
        "keysweep dashboard --capture captures/ --diagnostics calls.json --out drift.html",
    )
)
@click.option(
    "--capture",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Telemetry: a file of the envelopes that an exporter sent, or a folder of such files.",
)
@click.option(
    "--diagnostics",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Logged calls: the rows of AzureDiagnostics of a workspace, for the tabs on who uses keys "
    "and what broke.",
)
@click.option(
    "--out",
    type=_FILE,
    metavar="FILE",
    default="keysweep.html",
    show_default=True,
    help="The page to write.",
)
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
def dashboard(capture: Path, diagnostics: Path | None, out: Path, *, opens: bool) -> int:
    """Draw the workbook from captured telemetry: one page, no Azure, no internet.

    It is the workbook that is deployed, and its own queries are run here.
    """
    from keysweep.screen import Screen  # noqa: PLC0415

    try:
        from keysweep.dashboard import dashboard as command  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the dashboard needs {error.name}, which is not installed: install the extra too, "
            "`uv tool install '.[cli,dashboard]'` or `pip install '.[cli,dashboard]'`."
        ) from error
    return command(Screen(), capture, diagnostics, out, opens=opens)


@keysweep.command(
    epilog=_examples(
        'eval "$(keysweep completion bash)"',
        "keysweep completion zsh > ~/.zfunc/_keysweep",
        "keysweep completion fish > ~/.config/fish/completions/keysweep.fish",
    )
)
@click.argument("shell", type=_choice("bash", "zsh", "fish"))
def completion(shell: str) -> int:
    """Print the script that makes a shell complete commands and options.

    For bash, put the line below into ~/.bashrc; zsh and fish read a file.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - seldom needed

    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"click completes nothing for {shell}.")
    click.echo(kind(keysweep, {}, "keysweep", "_KEYSWEEP_COMPLETE").source())
    return 0


def _taken_out(options: dict[str, Any], of: "type[DataclassInstance]") -> dict[str, Any]:
    """Take the options out that are fields of a class: the rest is what every command takes."""
    return {field.name: options.pop(field.name) for field in fields(of)}


def _run(options: dict[str, Any], command: "Command", mode: str = "") -> int:
    from keysweep.session import run  # noqa: PLC0415

    wanted, screen = _wanted(options)
    return run(wanted, screen, mode, command, _clock())


def _wanted(options: dict[str, Any]) -> "tuple[Options, Screen]":
    """Return what every command takes, and the screen that goes with it."""
    from keysweep.configuration import Options  # noqa: PLC0415
    from keysweep.screen import Screen  # noqa: PLC0415

    if options["quiet"] and options["verbose"]:
        raise click.UsageError("--quiet and --verbose exclude each other: give one.")
    wanted = Options(os.environ, **options)
    return wanted, Screen(quiet=wanted.quiet)


def _clock() -> "Clock":
    """Return the clock that the command line was called with."""
    from shared.workspace import SystemClock  # noqa: PLC0415 - --help must be quick

    clock: Clock | None = click.get_current_context().obj
    return clock or SystemClock()


def main(arguments: Sequence[str] | None = None, clock: "Clock | None" = None) -> int:
    """Run the command line, by the real time unless it is given a clock. Returns its exit code."""
    streams = prepared()
    try:
        code = _called(arguments, clock)
    except KeyboardInterrupt:
        code = _stopped()
    except SystemExit:
        raise  # click's, once it has offered completions
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a bug of ours
        from keysweep.bugs import kept  # noqa: PLC0415 - seldom needed

        click.echo(f"keysweep: {kept(error, datetime.now(UTC))}", err=True)
        code = BUG
    problem = streams.problem()
    if problem is None:
        return code
    click.echo(f"keysweep: The output could not be written: {problem}", err=True)
    return max(code, NOT_WHOLE)


def _called(arguments: Sequence[str] | None, clock: "Clock | None") -> int:
    try:
        code = keysweep.main(
            arguments if arguments is None else list(arguments),
            prog_name="keysweep",
            standalone_mode=False,
            obj=clock,
        )
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return FINE
    except click.ClickException as error:
        error.show()
        return USAGE
    except click.Abort:
        return _stopped()
    return int(code or 0)


def _stopped() -> int:
    """Say what a Ctrl-C before anything ran means. Returns the exit code."""
    click.echo("\nkeysweep: Stopped. Nothing was changed.", err=True)
    return STOPPED


if __name__ == "__main__":
    sys.exit(main())
