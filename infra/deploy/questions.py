"""What only the deployer can say, asked at the terminal."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from infra.deploy.azure_cli import CommandFailed, az

ASKED = ("SWEEP_MODE", "SWEEP_KINDS", "AZURE_TENANT_ID", "AZURE_MANAGEMENT_GROUP_ID")


def answers_of(
    environ: Mapping[str, str], now: datetime, ask: Callable[[str], str]
) -> dict[str, str]:
    """Ask for what an environment lacks, and return the answers by their setting."""

    def missing(name: str) -> bool:
        return not environ.get(name, "").strip()

    answers = {}
    questions = {
        "SWEEP_MODE": ("audit", "Mode: audit (reports only) or enforce (turns keys off)"),
        "SWEEP_KINDS": ("OpenAI,AIServices", "Kinds of account, by comma"),
        "AZURE_TENANT_ID": (signed_in_tenant(), "Home tenant"),
        "AZURE_MANAGEMENT_GROUP_ID": ("", "Management group to sweep, by its id"),
    }
    for name in ASKED:
        default, question = questions[name]
        if missing(name):
            shown = f" [{default}]" if default else ""
            answers[name] = ask(f"{question} ({name}){shown}: ").strip() or default
    mode = answers.get("SWEEP_MODE", environ.get("SWEEP_MODE", "")).strip().lower()
    # Asked once: an empty answer is kept, too.
    if mode == "enforce" and "BRAKE_RELEASE_UNTIL" not in environ:
        answer = ask(
            "Release the brake for the first day, so that all keys found go off at once? "
            "Without it, more than MAX_CHANGES_PER_SWEEP are held for you to look at. [y/N]: "
        )
        until = f"{now.astimezone(UTC) + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
        answers["BRAKE_RELEASE_UNTIL"] = until if answer.strip().lower() in {"y", "yes"} else ""
    return answers


def signed_in_tenant() -> str:
    """Return the tenant that `az` is signed in to, empty if to none."""
    try:
        return str(az("account", "show")["tenantId"])
    except CommandFailed:
        return ""
