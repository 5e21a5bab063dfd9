"""What the workbook says in words: which result is worst, what to do, what each colour means."""

from keysweep.tones import TONES, Tone

WORST_FIRST = """case(Result in ('FAILED', 'UNVERIFIED', 'NO_ROLE', 'NOT_TOLD'), 0,
    Result in ('LOCKED', 'POLICY_DENIED'), 1, Result in ('DISABLED', 'ALREADY_OFF'), 3, 2)"""
# How long a drift is open, in words. Rounded down: "at least" stays true.
AGED = """
| extend span = case(hours < 1, 60 * hours, hours < 48, hours, hours / 24),
    unit = case(isnull(hours), '', hours < 1, 'min', hours < 48, 'h', 'days'),
    least = iff(known == 'atLeast', 'at least ', '')
| extend OpenFor = iff(unit == '', 'unknown', strcat(least, tolong(floor(span, 1)), ' ', unit))
""".strip()
WHAT_TO_DO = """case(
    Result == 'LOCKED', 'Ask the owner of the lock, or tag the account as exempt.',
    Result == 'POLICY_DENIED', 'Ask the owner of the policy, or tag the account as exempt.',
    Result == 'NO_ROLE', 'Give the identity its role there; look for deny assignments.',
    Result == 'UNVERIFIED', 'Look at the account: the change may or may not have been made.',
    Result in ('BUSY', 'DEFERRED') and hours > 24, 'Put off for more than a day: see the runbook.',
    Result == 'BUSY', 'Nothing: the next sweep tries again.',
    Result == 'DEFERRED', 'Nothing: the next sweep carries on.',
    Result == 'WOULD_DISABLE', 'Tag what must keep its keys, then enforce.',
    Result == 'OUT_OF_SCOPE', 'Nothing: it is not in scope any more, such as another kind.',
    Result == 'SETTLED', 'Nothing: a later sweep read it, and did not find it adrift.',
    Result == 'NOT_TOLD', 'The sweep still runs, or was killed before it could tell: see Health.',
    'Read the message of Azure, and the runbook.')"""
WHAT_TO_MEND = """case(
    Reason == 'UNREADABLE_TAG', 'Mend the value of the tag.',
    Reason == 'NEAR_MISS_TAG', 'Rename the tag, or take it away.',
    Reason == 'TAG_BREAKS_RULE', 'Give the tag an end date that the rule allows.',
    Reason == 'UNREADABLE_LEVEL', 'Let the identity read the tags of the level above.',
    Reason == 'NO_SUBDOMAIN', 'Give the account a custom subdomain, for Entra ID.',
    Reason == 'NOW_HELD', 'Wait for the next sweep, which says why.',
    Reason == 'BRAKE', 'Look at the list, then release the brake as the runbook says.',
    '')"""

_ICONS = {Tone.BAD: "error", Tone.FORBIDDEN: "warning", Tone.WAITS: "pending",
          Tone.ALLOWED: "info", Tone.DONE: "success"}  # fmt: skip
# What is adrift, as the command line colours it; what left the scope or settled is for information.
ICONS_RESULT = {
    **{result: _ICONS[TONES[result]] for result in (
        "FAILED", "UNVERIFIED", "NO_ROLE", "NOT_TOLD", "LOCKED", "POLICY_DENIED", "BUSY",
        "DEFERRED", "WOULD_DISABLE", "DISABLED")},
    "OUT_OF_SCOPE": "info", "SETTLED": "info",
}  # fmt: skip
ICONS_SEEN = {
    "Unseen": "error",
    "Incomplete": "warning",
    "Left the scope": "info",
    "Read": "success",
}
ICONS_WHOLE = {"no": "warning", "yes": "success"}

STATES = {"Keys off": "green", "Exempt": "blue", "Held": "orange", "Drift": "redBright"}
# Side by side, results of one tone have shades of it.
RESULTS = {
    "DISABLED": "green", "WOULD_DISABLE": "redBright", "LOCKED": "purple", "POLICY_DENIED": "pink",
    "FAILED": "brown", "UNVERIFIED": "redDark", "NO_ROLE": "red", "BUSY": "yellow",
    "DEFERRED": "orange", "NOW_EXEMPT": "blue", "GONE": "grayBlue", "OUT_OF_SCOPE": "gray",
}  # fmt: skip
WHO = {"TurnedOnBy": "Keys on by", "TurnedOnWith": "With", "TurnedOnAt": "Keys on since"}
AGE = {"OpenFor": "Open for"}
READ = {"LastRead": "Last read"}
