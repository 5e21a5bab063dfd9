"""What only the deployer can say, asked at the terminal: each answer is judged when it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.deploy.azure_checks import (
    group_problems,
    region_problems,
    subscription_problems,
    tenant_problems,
)
from infra.deploy.azure_cli import CommandFailed, DeploymentStopped, az
from infra.deploy.settings_checks import setting_problems, subscription_id_problems

ASKED = (
    "AZURE_TENANT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_LOCATION",
    "AZURE_MANAGEMENT_GROUP_ID",
    "SWEEP_MODE",
    "SWEEP_KINDS",
)
"""In this order. azd would ask for all of them too, after this."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, what an empty answer means, and what is wrong with an answer."""

    text: str
    problems: Callable[[str], list[str]]
    default: str = ""


def answers_of(
    environ: Mapping[str, str], now: datetime, ask: Callable[[str], str]
) -> dict[str, str]:
    """Ask for what an environment lacks, and return the answers by their setting.

    Raises DeploymentStopped if nobody answers, or not with what is allowed.
    """
    missing = [name for name in ASKED if not environ.get(name, "").strip()]
    questions = _questions() if missing else {}
    answers = {name: _answer(name, questions[name], ask) for name in missing}
    mode = answers.get("SWEEP_MODE", environ.get("SWEEP_MODE", "")).strip().lower()
    # Asked once: an empty answer is kept, too.
    if mode == "enforce" and "BRAKE_RELEASE_UNTIL" not in environ:
        answer = _said(
            ask,
            "Release the brake for the first day, so that all keys found go off at once? "
            "Without it, more than MAX_CHANGES_PER_SWEEP are held for you to look at. [y/N]: ",
        )
        until = f"{now.astimezone(UTC) + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
        answers["BRAKE_RELEASE_UNTIL"] = until if answer.lower() in {"y", "yes"} else ""
    return answers


def _questions() -> dict[str, Question]:
    try:
        account = az("account", "show")
    except CommandFailed as error:
        raise DeploymentStopped(
            f"Nobody is signed in: run `az login`. Azure CLI says: {error.output}"
        ) from error
    return {
        "AZURE_TENANT_ID": Question(
            "Home tenant",
            lambda answer: (
                setting_problems("AZURE_TENANT_ID", answer) or tenant_problems(answer, account)
            ),
            account["tenantId"],
        ),
        "AZURE_SUBSCRIPTION_ID": Question(
            "Subscription for the Function, by its id", _subscription, account.get("id", "")
        ),
        "AZURE_LOCATION": Question("Region, such as westeurope", region_problems),
        "AZURE_MANAGEMENT_GROUP_ID": Question(
            "Management group to sweep, by its id", group_problems
        ),
        "SWEEP_MODE": Question(
            "Mode: audit (reports only) or enforce (turns keys off)",
            lambda answer: setting_problems("SWEEP_MODE", answer),
            "audit",
        ),
        "SWEEP_KINDS": Question(
            "Kinds of account, by comma",
            lambda answer: setting_problems("SWEEP_KINDS", answer),
            "OpenAI,AIServices",
        ),
    }


def _subscription(answer: str) -> list[str]:
    if problems := subscription_id_problems(answer):
        return problems
    try:
        az("account", "show", "--subscription", answer)
    except CommandFailed as error:
        return [f"AZURE_SUBSCRIPTION_ID is {answer!r}: Azure CLI says: {error.output}"]
    return subscription_problems(answer)


def _answer(name: str, question: Question, ask: Callable[[str], str]) -> str:
    shown = f" [{question.default}]" if question.default else ""
    problems: list[str] = []
    for _ in range(_TRIES):
        answer = _said(ask, f"{question.text} ({name}){shown}: ") or question.default
        problems = question.problems(answer) if answer else [f"{name} must have a value"]
        if not problems:
            return answer
        print("\n".join(problems), flush=True)
    raise DeploymentStopped("Nothing was deployed. " + "\n".join(problems))


def _said(ask: Callable[[str], str], question: str) -> str:
    try:
        return ask(question).strip()
    except (EOFError, KeyboardInterrupt) as error:
        raise DeploymentStopped("Nothing was deployed: nobody answered.") from error
