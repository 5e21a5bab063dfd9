"""Which settings are in force for a command that writes, where they come from, and who acts."""

from collections.abc import Iterator

from keysweep.session import Session
from keysweep.words import in_tenant
from shared.core.model import Level

# The settings that decide what is hit; where none of them is given, the defaults count.
_DECIDING = (
    *("EXEMPTION_TAG", "EXEMPTION_INHERIT", "EXEMPTION_REQUIRE_UNTIL", "EXEMPTION_MAX_DAYS"),
    *("EXEMPTION_UNREADABLE", "NO_SUBDOMAIN", "SWEEP_MODE", "ENFORCE_FROM", "ENFORCE_SCOPES"),
    *("SWEEP_MANAGEMENT_GROUPS", "SWEEP_SUBSCRIPTIONS", "SWEEP_EXCLUDE_SUBSCRIPTIONS"),
    *("SWEEP_KINDS", "MAX_CHANGES_PER_SWEEP", "BRAKE", "BRAKE_RELEASE_UNTIL"),
)
# Levels above an account whose tag may count as well.
_IN_WORDS = {Level.RESOURCE_GROUP: "its resource group", Level.SUBSCRIPTION: "its subscription"}


async def in_force(session: Session) -> str:
    """Say as whom a command acts, in which tenant, and by which settings. Raises AzureError."""
    arm = session.parts.arm
    who = (await arm.own_names() or ["an identity that its token does not name"])[0]
    where = in_tenant(await arm.home_tenant())
    return "\n".join([f"As {who}, {where}.", *_settings(session)])


def _settings(session: Session) -> Iterator[str]:
    rules, scope = session.settings.rules, session.settings.scope
    inherit = session.settings.inherit
    carriers = ["the account", *(_IN_WORDS[level] for level in Level if level in inherit)]
    yield (
        f"Exempt: the tag {rules.tag!r} on {' or '.join(carriers)}. "
        f"Kinds: {', '.join(scope.kinds)}."
    )
    in_words = {
        "an exemption needs an end": rules.require_until,
        f"it lasts {rules.max_days} days at most": rules.max_days,
        "a tag that can't be read protects nothing": not rules.hold_unreadable,
        "without a custom subdomain an account is held": rules.hold_no_subdomain,
    }
    if any(in_words.values()):
        yield f"Rules: {'; '.join(words for words, holds in in_words.items() if holds)}."
    typed = session.configuration.names
    named = ", ".join(
        typed.get(place, place) for place in scope.management_groups or scope.subscriptions
    )
    excluded = ", ".join(scope.excluded_subscriptions)
    without = f", without {excluded}" if excluded else ""
    yield f"Scope: {named or 'every subscription that you can read'}{without}."
    if session.settings.enforce_scopes:
        yield f"Rings: {', '.join(map(str, session.settings.enforce_scopes))}."
    configuration = session.configuration
    sources = {
        configuration.sources[name]
        for name in _DECIDING
        if configuration.values.get(name, "").strip()
    }
    if sources:
        yield f"These come from {' and '.join(sorted(sources))}; the rest are defaults."
    else:
        yield (
            "These are defaults: nothing says how the deployed Function is set. --function "
            "RESOURCE-ID reads its settings, --settings FILE those of a file."
        )
