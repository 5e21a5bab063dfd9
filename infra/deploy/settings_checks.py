"""Judges what is to be deployed by the product's own rules, without Azure."""

from collections.abc import Mapping

from infra.deploy.plan import PLACEHOLDERS, Plan
from infra.placement import placement_problems
from shared.core.errors import SettingsError
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


def plan_problems(plan: Plan) -> list[str]:
    """Judge what can be judged without Azure."""
    problems = settings_problems(plan.settings)
    if plan.settings.get("AZURE_SDK_CLOUD_CONF", "").upper() == "AZURE_US_GOVERNMENT":
        problems.append(f"AZURE_SDK_CLOUD_CONF is AZURE_US_GOVERNMENT: {NO_GOVERNMENT}")
    for name in ("SWEEP_KINDS", "AZURE_TENANT_ID"):
        if not plan.settings.get(name, "").strip():
            allowed = next(setting.allowed for setting in SETTINGS if setting.name == name)
            problems.append(f"{name} is not set: it must be {allowed.removesuffix(', or empty')}")
    if not plan.management_group:
        problems.append(
            "AZURE_MANAGEMENT_GROUP_ID is not set: it must be the id of a management group to sweep"
        )
    if plan.guardrail not in GUARDRAILS:
        allowed = ", ".join(GUARDRAILS)
        problems.append(f"KEYSWEEP_GUARDRAIL is {plan.guardrail!r}: it must be one of {allowed}")
    return [*problems, *placement_problems(plan.placement)]
