"""The tab on exemptions: who may keep keys, and for how long."""

from infra.readings import CURRENT
from infra.workbook.freshness import NOW, NOW_WITH_DRIFTS
from infra.workbook.lists import listed
from infra.workbook.steps import ACCOUNT, DAYS_LEFT, Step, grid, moment, tab, tiles
from infra.workbook.words import READ, WHAT_TO_MEND

# What the newest readings say of tags. Those of whoever is exempt are as many as were counted;
# the others are told, and not counted. An account that was tagged while a sweep was on its way to
# it is exempt too, and its tag will be told by the next one.
TAGGED = f"""
{NOW_WITH_DRIFTS}
let tagged = materialize(events
| where name == 'ExemptionObserved'
{CURRENT}
| extend Account = tostring(customDimensions.accountName), LastRead = readAt,
    State = tostring(customDimensions.state), keysOn = tostring(customDimensions.keysOn),
    Until = tostring(customDimensions['until']), DaysLeft = tolong(customMeasurements.daysLeft),
    Reason = tostring(customDimensions.exemptionReason),
    SaidOwner = tostring(customDimensions.exemptionOwner),
    Level = tostring(customDimensions.level), verdict = tostring(customDimensions.verdict));
let newlyTagged = drifted
| where isOfReading and Result == 'NOW_EXEMPT';
let inForce = union
(tagged | where verdict == 'EXEMPT'
| project Account, Subscription, DaysLeft, Until, SaidOwner, Reason, Level, LastRead, accountId),
(newlyTagged
| project Account = tostring(customDimensions.accountName), Subscription, DaysLeft = long(null),
    Until = 'see the next sweep', SaidOwner = '', Reason = Detail, Level = '', LastRead = timestamp,
    accountId);
""".strip()

# Tags that are wrong: they hold an account, or with EXEMPTION_UNREADABLE=disable count for nothing.
_WRONG = f"""
let wrong = union
(events | where name == 'AccountHeld'
{CURRENT}
| extend Reason = tostring(customDimensions.holdReason), Why = tostring(customDimensions.reason)
| where Reason in ('UNREADABLE_TAG', 'NEAR_MISS_TAG', 'TAG_BREAKS_RULE')
| project Account = tostring(customDimensions.accountName), Subscription, accountId, Reason, Why,
    Effect = 'held', LastRead = readAt),
(events | where name == 'ExemptionObserved' and tostring(customDimensions.state) == 'unreadable'
| where tostring(customDimensions.verdict) == 'DRIFT'
{CURRENT}
| project Account = tostring(customDimensions.accountName), Subscription, accountId,
    Reason = 'UNREADABLE_TAG', Why = tostring(customDimensions.problem),
    Effect = 'counts for nothing', LastRead = readAt);
""".strip()
_COLUMNS = "Account, Subscription, DaysLeft, Until, SaidOwner, Reason, Level, LastRead, accountId"
_TAG = {"SaidOwner": "Owner by the tag"}
_LABELS = {"DaysLeft": "Days left", "Level": "Where the tag stands", **_TAG, **READ}


def exemptions() -> Step:
    """Return the tab."""
    return tab(
        "Exemptions", _now(), _soon(), _wrong(), _endless(), _later(), _unneeded(), _lapsed()
    )


def _now() -> Step:
    return tiles(
        "exemptions-now",
        "Exemptions now",
        f"""
{TAGGED}
{_WRONG}
let numbers = inForce
| summarize active = count(), soon = countif(DaysLeft between (0 .. 30)),
    endless = countif(isempty(Until))
| extend unneeded = toscalar(tagged | where State == 'active' and keysOn == 'false'
    | summarize count()),
    broken = toscalar(wrong | summarize count()),
    justTagged = toscalar(newlyTagged | summarize count()),
    read = toscalar(present | summarize countif(isnotnull(readAt)))
| extend nothing = case(read == 0, 'nothing was read', isnotempty(doubt), 'not sure: see above',
        justTagged > 0, 'as far as is known', 'none'),
    unsure = case(read == 0, 'bad', isnotempty(doubt), 'warn', justTagged > 0, '', 'good');
union
(numbers | project place = 1, Title = 'Lapse within 30 days',
    Value = iff(read == 0, long(null), soon), status = iff(soon > 0, 'warn', unsure),
    Note = iff(soon > 0, 'ask the owners', nothing)),
(numbers | project place = 2, Title = 'Tags that are wrong',
    Value = iff(read == 0, long(null), broken),
    status = iff(broken > 0 or read == 0, 'bad', ''),
    Note = iff(broken > 0, 'see below', nothing)),
(numbers | project place = 3, Title = 'Without an end',
    Value = iff(read == 0, long(null), endless), status = iff(endless > 0, 'warn', unsure),
    Note = iff(endless > 0, 'ask for a date', nothing)),
(numbers | project place = 4, Title = 'In force', Value = iff(read == 0, long(null), active),
    status = '', Note = iff(read == 0, nothing, 'accounts that keep their keys')),
(numbers | project place = 5, Title = 'Not needed', Value = iff(read == 0, long(null), unneeded),
    status = '', Note = iff(read == 0, nothing, 'keys are off already'))
""",
        "Nothing was received in this time range.",
    )


def _soon() -> Step:
    return grid(
        "exemptions-soon",
        "Lapsing within 30 days: after that day the keys go off",
        listed(
            TAGGED,
            "inForce\n| where DaysLeft between (0 .. 30) or Until == 'see the next sweep'",
            _COLUMNS,
            "DaysLeft asc, Account asc",
        ),
        "No exemption lapses within 30 days.",
        [*ACCOUNT, DAYS_LEFT, *moment("LastRead")],
        _LABELS,
        fine=True,
    )


def _wrong() -> Step:
    return grid(
        "exemptions-wrong",
        "Tags that nobody can read, nearly ours, or against a rule",
        listed(
            f"{NOW}\n{_WRONG}",
            f"wrong\n| extend ToDo = {WHAT_TO_MEND}",
            "Account, Subscription, Reason, Effect, Why, LastRead, ToDo, accountId",
            "Reason asc, Account asc",
        ),
        "No account is held for its tag.",
        [*ACCOUNT, *moment("LastRead")],
        {"Effect": "The tag", "Why": "What is wrong", "ToDo": "What to do", **READ},
        fine=True,
    )


def _endless() -> Step:
    return grid(
        "exemptions-endless",
        "Without an end date",
        listed(
            TAGGED,
            "inForce\n| where isempty(Until) or Until == 'see the next sweep'",
            "Account, Subscription, SaidOwner, Reason, Level, LastRead, accountId",
            "Account asc",
        ),
        "Every exemption in force has an end date.",
        [*ACCOUNT, *moment("LastRead")],
        {"Level": _LABELS["Level"], **_TAG, **READ},
        fine=True,
    )


def _later() -> Step:
    return grid(
        "exemptions-later",
        "Lapsing later",
        listed(
            TAGGED,
            "inForce\n| where DaysLeft > 30",
            _COLUMNS,
            "DaysLeft asc, Account asc",
            now=False,
        ),
        "No exemption in force is known to lapse later than in 30 days.",
        [*ACCOUNT, DAYS_LEFT, *moment("LastRead")],
        _LABELS,
    )


def _unneeded() -> Step:
    return grid(
        "exemptions-unneeded",
        "Not needed: the keys are off already",
        listed(
            TAGGED,
            "tagged\n| where State == 'active' and keysOn == 'false'",
            _COLUMNS,
            "Account asc",
            now=False,
        ),
        "The newest readings tell of no exemption that is not needed.",
        [*ACCOUNT, *moment("LastRead")],
        _LABELS,
    )


def _lapsed() -> Step:
    return grid(
        "exemptions-lapsed",
        "Lapsed: the last day has passed, and the tag keeps no keys any more",
        listed(
            TAGGED,
            "tagged\n| where State == 'lapsed'\n"
            "| extend HasKeys = iff(keysOn == 'true', 'yes', 'no')",
            "Account, Subscription, Until, SaidOwner, Reason, HasKeys, LastRead, accountId",
            "Until desc, Account asc",
            now=False,
        ),
        "The newest readings tell of no tag with a day that has passed.",
        [*ACCOUNT, *moment("LastRead")],
        {"HasKeys": "Keys on, as found", **_TAG, **READ},
    )
