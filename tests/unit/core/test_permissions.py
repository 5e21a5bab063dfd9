"""Which actions roles allow."""

import pytest

from shared.core.permissions import Permission, grants

WRITE = "Microsoft.CognitiveServices/accounts/write"


@pytest.mark.parametrize(
    ("actions", "not_actions", "allowed"),
    [
        (("*",), (), True),
        (("*/write",), (), True),
        (("microsoft.cognitiveservices/ACCOUNTS/*",), (), True),
        (("Microsoft.CognitiveServices/*/write",), (), True),
        ((WRITE,), (), True),
        (("*/read",), (), False),
        (("Microsoft.CognitiveServices/accounts",), (), False),
        ((), (), False),
        (("*",), ("*/Write",), False),
        (("*",), ("Microsoft.Authorization/*",), True),
    ],
)
def test_a_role_allows_what_its_patterns_cover_and_it_does_not_take_away(
    actions: tuple[str, ...], not_actions: tuple[str, ...], *, allowed: bool
) -> None:
    assert Permission(actions, not_actions).grants(WRITE) is allowed


def test_what_one_role_takes_away_another_may_give() -> None:
    contributor = Permission(("*",), (WRITE,))
    assert not grants([contributor], WRITE)
    assert grants([contributor, Permission((WRITE,))], WRITE)
