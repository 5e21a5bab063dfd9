"""Judges what is to be deployed by the product's own rules, without Azure."""

from collections.abc import Mapping

from infra.deploy.placement import placement_problems
from infra.deploy.plan import PLACEHOLDERS, Plan
from shared.core.errors import SettingsError
from shared.core.forms import GUID
from shared.core.settings import SETTINGS, read_settings

GUARDRAILS = ("off", "audit", "deny", "modify")

NO_GOVERNMENT = "Azure Government has no Flex Consumption, so Keysweep can't be deployed there"


def settings_problems(settings: Mapping[str, str]) -> list[str]:
    """Judge settings as the Function will, with its own code: the schedule included."""
    try:
        read_settings({**settings, **PLACEHOLDERS})
    except SettingsError as error:
        return list(error.problems)
    return []


def setting_problems(name: str, value: str) -> list[str]:
    """Judge one setting alone, the others being as they must."""
    others = {"SWEEP_MODE": "audit", "AZURE_TENANT_ID": "0" * 8 + "-0000-0000-0000-" + "0" * 12}
    return settings_problems({**others, name: value})


def subscription_id_problems(value: str) -> list[str]:
    """Judge the form of a subscription's id: a name does not do, since roles are named by it."""
    if GUID.fullmatch(value):
        return []
    given = repr(value) if value else "not set"
    return [f"AZURE_SUBSCRIPTION_ID is {given}: it must be the id of the Function's subscription"]


def plan_problems(plan: Plan) -> list[str]:
    """Judge what can be judged without Azure."""
    problems = settings_problems(plan.settings)
    if plan.settings.get("AZURE_SDK_CLOUD_CONF", "").upper() == "AZURE_US_GOVERNMENT":
        problems.append(f"AZURE_SDK_CLOUD_CONF is AZURE_US_GOVERNMENT: {NO_GOVERNMENT}")
    for name in ("SWEEP_KINDS", "AZURE_TENANT_ID"):
        if not plan.settings.get(name, "").strip():
            allowed = next(setting.allowed for setting in SETTINGS if setting.name == name)
            problems.append(f"{name} is not set: it must be {allowed.removesuffix(', or empty')}")
    problems += subscription_id_problems(plan.subscription)
    if not plan.management_group:
        problems.append(
            "AZURE_MANAGEMENT_GROUP_ID is not set: it must be the id of a management group to sweep"
        )
    if plan.guardrail not in GUARDRAILS:
        allowed = ", ".join(GUARDRAILS)
        problems.append(f"KEYSWEEP_GUARDRAIL is {plan.guardrail!r}: it must be one of {allowed}")
    return [*problems, *placement_problems(plan.placement)]
