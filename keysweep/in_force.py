"""Which settings are in force for a command that writes, where they come from, and who acts."""

from collections.abc import Iterator

from keysweep.session import Given
from shared.core.model import Level
from shared.core.settings import Settings
from shared.workspace import Parts

# The settings that decide what is hit; where none of them is given, the defaults count.
_DECIDING = (
    "EXEMPTION_TAG",
    "EXEMPTION_INHERIT",
    "EXEMPTION_REQUIRE_UNTIL",
    "EXEMPTION_MAX_DAYS",
    "EXEMPTION_UNREADABLE",
    "NO_SUBDOMAIN",
    "SWEEP_MODE",
    "ENFORCE_FROM",
    "SWEEP_KINDS",
    "SWEEP_MANAGEMENT_GROUPS",
    "SWEEP_SUBSCRIPTIONS",
    "SWEEP_EXCLUDE_SUBSCRIPTIONS",
    "MAX_CHANGES_PER_SWEEP",
    "BRAKE",
    "BRAKE_RELEASE_UNTIL",
)


# Levels above an account whose tag may count as well.
_IN_WORDS = {Level.RESOURCE_GROUP: "its resource group", Level.SUBSCRIPTION: "its subscription"}


async def in_force(parts: Parts, given: Given) -> str:
    """Say as whom a command acts, in which tenant, and by which settings. Raises AzureError."""
    who = (await parts.arm.own_names() or ["an identity that its token does not name"])[0]
    tenant = await parts.arm.home_tenant()
    lines = [f"As {who}, in tenant {tenant}.", *_settings(parts.settings, given)]
    return "\n".join(lines)


def _settings(settings: Settings, given: Given) -> Iterator[str]:
    subdomain = settings.rules.hold_no_subdomain
    carriers = ["the account", *(_IN_WORDS[level] for level in Level if level in settings.inherit)]
    kinds = ", ".join(settings.scope.kinds)
    yield f"Exempt: the tag {settings.rules.tag!r} on {' or '.join(carriers)}. Kinds: {kinds}."
    rules = [
        *(["an exemption needs an end"] if settings.rules.require_until else []),
        *([f"it lasts {days} days at most"] if (days := settings.rules.max_days) else []),
        *([] if settings.rules.hold_unreadable else ["a tag that can't be read protects nothing"]),
        *(["without a custom subdomain an account is held"] if subdomain else []),
    ]
    if rules:
        yield f"Rules: {'; '.join(rules)}."
    groups, subscriptions = settings.scope.management_groups, settings.scope.subscriptions
    where = ", ".join(groups or subscriptions) or "every subscription that you can read"
    excluded = settings.scope.excluded_subscriptions
    without = f", without {', '.join(excluded)}" if excluded else ""
    yield f"Scope: {where}{without}."
    sources = {given.sources[name] for name in _DECIDING if given.values.get(name, "").strip()}
    if sources:
        yield f"These come from {' and '.join(sorted(sources))}; the rest are defaults."
    else:
        yield (
            "These are defaults: nothing says how the deployed Function is set. --function "
            "RESOURCE-ID reads its settings, --settings FILE those of a file."
        )
