"""The tab on rings: where keys go off and from when on, and how much drift is in each ring."""

from infra.workbook.freshness import NOW_WITH_DRIFTS
from infra.workbook.lists import listed
from infra.workbook.steps import Step, bar, grid, icon, moment, tab
from infra.workbook.words import ICONS_SEEN

# How each subscription stood in its newest reading. One that no sweep read has a ring that nobody
# knows; so has one whose first sweep still runs.
_STANDINGS = f"""
{NOW_WITH_DRIFTS}
let standings = materialize(present
| project deployment, subscriptionId, sweepId, Subscription, Seen, LastRead = readAt,
    Accounts = accounts
| join kind=leftouter (events
    | where name == 'SubscriptionRead'
    | summarize arg_max(timestamp, customDimensions) by deployment, subscriptionId, sweepId)
    on deployment, subscriptionId, sweepId
| project deployment, subscriptionId, Subscription, Seen, LastRead, Accounts,
    mode = tostring(customDimensions.mode), listed = tostring(customDimensions.ring),
    From = todatetime(tostring(customDimensions.enforceFrom))
| join kind=fullouter (open
    | summarize Drift = count() by deployment, subscriptionId, openIn = Subscription)
    on deployment, subscriptionId
| extend Subscription = iff(isempty(Subscription), openIn, Subscription),
    Seen = iff(isempty(Seen), 'Unseen', Seen), Drift = coalesce(Drift, 0),
    Standing = case(isempty(mode), 'not known', mode == 'enforce', 'in force',
        isnull(From), 'audited', From <= {{TimeRange:end}}, 'due with the next sweep', 'to come')
| extend Ring = case(isnotempty(listed), listed, Standing == 'not known', 'not known',
        Standing == 'audited', 'none', 'everywhere'),
    place = case(Standing == 'not known', 0, Standing == 'in force', 1, Standing == 'audited', 3, 2)
| project Ring, Standing, From, Subscription, Seen, LastRead, Accounts, Drift, place);
""".strip()
_ICONS_STANDING = {
    "not known": "error", "in force": "success", "to come": "pending",
    "due with the next sweep": "pending", "audited": "info",
}  # fmt: skip
_STANDING = icon("Standing", _ICONS_STANDING)
_LABELS = {"From": "Keys go off on", "Drift": "Open drift"}
_EMPTY = "No sweep read a subscription in this time range."


def rings() -> Step:
    """Return the tab."""
    return tab("Rings", _by_ring(), _by_subscription())


def _by_ring() -> Step:
    return grid(
        "rings-drift",
        "Open drift by ring, with the day on which keys go off there",
        listed(
            _STANDINGS,
            """standings
| summarize Subscriptions = count(), Accounts = sum(Accounts), Drift = sum(Drift)
    by Ring, Standing, From, place""",
            "Ring, Standing, From, Subscriptions, Accounts, Drift",
            "place asc, From asc, Ring asc",
            "Ring",
        ),
        _EMPTY,
        [_STANDING, *moment("From"), bar("Drift", "orange")],
        _LABELS,
    )


def _by_subscription() -> Step:
    return grid(
        "rings-subscriptions",
        "The ring of every subscription, as its newest reading found it",
        listed(
            _STANDINGS,
            "standings",
            "Subscription, Ring, Standing, From, Accounts, Drift, Seen, LastRead",
            "place asc, From asc, Ring asc, Subscription asc",
            "Subscription",
        ),
        _EMPTY,
        [_STANDING, *moment("From", "LastRead"), icon("Seen", ICONS_SEEN)],
        {**_LABELS, "LastRead": "Last read"},
    )
