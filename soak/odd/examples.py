"""Examples that found the planted bugs, made small."""

from collections.abc import Mapping

from soak.odd.example import Account, Bend, Example, Field, Options, Subscription
from soak.planted import Bug

_ONE = (Subscription(),)
_HIDDEN = (Subscription(hidden=True),)
_TWO_HIDDEN = (Subscription((Account(), Account()), hidden=True),)
_DELEGATED = Subscription(standing="delegated")

PLANTED: Mapping[Bug, Example] = {
    Bug.ONLY_AN_ID: Example(_ONE, (Bend("account", "only its id"),)),
    Bug.NULL_IS_NO_TAG: Example(
        (Subscription((Account(tag="reason"),)),),
        (Bend("listing", Field("tags", "null")), Bend("account", Field("tags", "null"))),
    ),
    Bug.NO_ARRAY_IS_EMPTY: Example(
        _TWO_HIDDEN, (Bend("accounts", "empty object", skip=1),), Options(page=1)
    ),
    Bug.KIND_MISSING: Example(_TWO_HIDDEN, (Bend("accounts", Field("kind", "dropped")),)),
    Bug.STRANGERS: Example((*_HIDDEN, _DELEGATED), (Bend("accounts", "to another subscription"),)),
    Bug.BY_NUMBER: Example(
        (Subscription((Account(), Account())),), (Bend("listing", "a row repeated"),)
    ),
    Bug.ONE_WITNESS: Example(
        (Subscription(), Subscription()), (Bend("subscriptions", "a row repeated"),)
    ),
    Bug.IN_A_CIRCLE: Example(_HIDDEN, (Bend("accounts", "to itself", 999),)),
    Bug.COLUMN_MISSING: Example(_ONE, (Bend("listing", Field("kind", "dropped")),)),
    Bug.TAKEN_FOR_A_COUNT: Example(
        (Subscription((Account(keys="off"), Account(keys="off"))),),
        (Bend("census", Field("keysOff", "true")),),
    ),
    Bug.TOO_DEEP: Example(_ONE, (Bend("subscriptions", "too deep"),)),
    Bug.NO_CEILING_OF_AN_ANSWER: Example(_ONE, (Bend("account", "gzip that unfolds"),)),
    Bug.ENDS_LIKE_OURS: Example(_HIDDEN, (Bend("accounts", "that ends like ours"),)),
    Bug.ANY_PORT: Example(_ONE, (Bend("patch", "to another port"),)),
    Bug.NOTHING_TAKEN: Example(_ONE, (Bend("announcement", "drops all without a word"),)),
    Bug.RELEASE_SEEN_ONCE: Example(
        (Subscription((Account(), Account())),),
        (Bend("account", "slow"),),
        Options(most_changes=1, released_for=3, concurrency=1),
    ),
    Bug.HUGE_NUMBERS: Example(_HIDDEN, (Bend("accounts", "429 for years"),)),
    Bug.NO_DATES: Example(_HIDDEN, (Bend("accounts", "429 until a date"),)),
    Bug.FIRST_WORD: Example(_HIDDEN, (Bend("accounts", "429 in two words"),)),
    Bug.DISALLOWED_IS_NO_ROLE: Example(_ONE, (Bend("patch", "disallowed by Azure"),)),
    Bug.CONFLICT_IS_BUSY: Example(_ONE, (Bend("patch", "not registered"),)),
    Bug.UNVERIFIED_AT_ONCE: Example(_ONE, (Bend("patch", "503"),), Options(budget=600)),
    Bug.LEVEL_BELIEVED: Example(_ONE, (Bend("group", "empty object", 9),), Options(inherit=True)),
    Bug.COUNTED_TWICE: Example(_HIDDEN, (Bend("accounts", "a row twice"),)),
    Bug.NOT_HANDED_OVER: Example(_ONE, (Bend("telemetry", "takes no event", 9, 2),)),
    Bug.PLACE_KEPT: Example(
        (*_TWO_HIDDEN, *_TWO_HIDDEN),
        (Bend("accounts", "429 for 20 s"),),
        Options(concurrency=1, page=1),
    ),
    Bug.GOOD_TOKEN_UNUSED: Example(_ONE, (Bend("token", "HTML", 9, 1),), Options(token_life=250)),
    Bug.FEW_SIGNS: Example((Subscription((Account(tag="near miss by signs"),)),)),
    Bug.AUDIT_REFUSED: Example(_ONE, options=Options(audit=True, released_for=600)),
    Bug.TENANT_IS_NO_ROLE: Example(_ONE, (Bend("patch", "another tenant", 9),)),
    Bug.TURNS_MISSED: Example(_ONE, options=Options(fired_before=30)),
}
"""What found each planted bug."""

_TWO = (Subscription(), Subscription())

FINDINGS: Mapping[str, tuple[Example, str]] = {
    "a list of descendants that goes on in another list": (
        Example(
            _TWO,
            (Bend("descendants", "to another subscription"),),
            Options(scope="group", page=1),
        ),
        "seen",
    ),
    "a subscription lost from ARM's list, and a token that is not taken for it": (
        Example(_TWO, (Bend("subscriptions", "a row repeated"), Bend("subscription", "401", 9))),
        "seen",
    ),
    "a page of Resource Graph's that says truncated by a list": (
        Example(_ONE, (Bend("census", Field("resultTruncated", "a list"), 999),)),
        "ends as it may",
    ),
    "an answer with a token, nested too deeply": (
        Example(_ONE, (Bend("token", "too deep"),)),
        "ends as it may",
    ),
    "an answer with a token, packed badly": (
        Example(_ONE, (Bend("token", "gzip that is none"),)),
        "ends as it may",
    ),
    "a token whose end is no number": (
        Example(_ONE, (Bend("token", Field("expires_on", "an object")),)),
        "ends as it may",
    ),
}
"""What was found in the product, and the law that it broke."""
