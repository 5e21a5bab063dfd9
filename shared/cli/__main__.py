"""`keysweep`: the commands and their help. Each command's module is imported when it runs."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from shared import __version__

_USAGE = 64
_OUTPUT = click.Choice(["table", "json", "csv", "sarif"])

EPILOG = """\b
Exit codes:
  0   compliant, or all fixed
  1   drift or holds remain
  2   something could not be read or done
  64  the command line or the settings are wrong
  130 stopped by Ctrl-C before anything was begun

Sign in with `az login`, VS Code, or a pipeline's workload identity. The Function's settings
are read from the environment, or from a file (--settings), so that a scan judges as the
timer does. ACCOUNT is a resource id, a name, or resource-group/name.
"""


class _Commands(click.Group):
    """Lists the commands in the order in which an operator meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(self.commands)


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"max_content_width": 96})
@click.version_option(__version__, prog_name="keysweep")
def keysweep() -> None:
    """Keep Azure OpenAI keyless, from a terminal.

    Finds accounts that accept API keys, says why each one does, turns the keys off, and gives
    them back. Start with `keysweep scan`: it only reads.
    """


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _common(command: Callable[..., int]) -> Callable[..., int]:
    """Add what every command takes."""
    for option in (
        click.option("--verbose", "-v", is_flag=True, help="Show every request (never a token)."),
        click.option(
            "--settings",
            "settings_file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Read app settings from here: local.settings.json, or the output of "
            "`az functionapp config appsettings list`.",
        ),
    ):
        command = option(command)
    return command


def _scoped(command: Callable[..., int]) -> Callable[..., int]:
    """Add what narrows the scope."""
    for option in (
        click.option(
            "--management-group", "-m", "management_groups", multiple=True, metavar="ID",
            help="Look below this management group. May be repeated.",
        ),
        click.option(
            "--subscription", "-s", "subscriptions", multiple=True, metavar="ID",
            help="Look into this subscription. May be repeated.",
        ),
    ):  # fmt: skip
        command = option(command)
    return _common(command)


_output = click.option(
    "--output", "-o", type=_OUTPUT, default="table", show_default=True, help="In which form."
)


@keysweep.command(
    epilog=_examples(
        "keysweep scan",
        "keysweep scan --output sarif > keysweep.sarif",
        "keysweep scan --subscription 6f0c0bd2-0000-0000-0000-000000000000 --all",
    )
)
@_output
@click.option("--all", "everything", is_flag=True, help="List compliant accounts too.")
@_scoped
def scan(output: str, *, everything: bool, **options: Any) -> int:
    """Show every account that accepts keys, worst first. Only reads."""
    from shared.cli.scan import scan as command  # noqa: PLC0415 - --help must be quick

    return _run(
        options,
        lambda parts, screen: command(parts, screen, output, everything=everything),
        mode="audit",
    )


@keysweep.command(
    epilog=_examples(
        "keysweep sweep",
        "keysweep sweep --only rg-web/site-search",
        "keysweep sweep --yes --output json > sweep.json",
    )
)
@_output
@click.option("--audit", is_flag=True, help="Show the plan and stop.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--only", multiple=True, metavar="ACCOUNT", help="Only this one. May be repeated.")
@_scoped
def sweep(output: str, only: Sequence[str], *, audit: bool, yes: bool, **options: Any) -> int:
    """Turn keys off, as the timer does, now: shows the plan, asks, and does it.

    Your yes releases the brake for what was shown. Ctrl-C stops what is not begun and finishes
    what is in flight.
    """
    from shared.cli.sweep import sweep as command  # noqa: PLC0415

    return _run(
        options,
        lambda parts, screen: command(parts, screen, output, only, audit=audit, yes=yes),
        mode="audit",
    )


def _run(options: dict[str, Any], command: Callable[[Any, Any], Any], mode: str = "") -> int:
    from shared.cli.screen import Screen  # noqa: PLC0415
    from shared.cli.session import Options, run  # noqa: PLC0415

    screen = Screen()
    given = Options(os.environ, **options)
    return run(given, screen, lambda: given.settings(mode), lambda parts: command(parts, screen))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns its exit code."""
    try:
        code = keysweep.main(
            arguments if arguments is None else list(arguments),
            prog_name="keysweep",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        return _USAGE
    except click.Abort:
        return 130
    except BrokenPipeError:
        # Who reads has had enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
