"""Tokens of one identity: fetched once, kept while they are good, and given up on in time."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Self

import pytest
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from shared.border.tokens import TokenCache
from tests.support.virtual_time import VirtualClock

SCOPE, OTHER = "https://management.azure.com/.default", "https://monitor.azure.com/.default"
REFUSED = ClientAuthenticationError("no identity")
HOUR = 3600.0

type Answer = float | BaseException
"""For how many seconds the token is good, or why there is none."""


@dataclass
class Credential:
    """An identity in memory: each answer takes a while."""

    clock: VirtualClock
    answers: Iterator[Answer]
    seconds: float
    asked: list[str]
    is_closed: bool = False

    async def get_token_info(self, *scopes: str, **_: Any) -> AccessTokenInfo:
        """Return a token, numbered, or fail."""
        self.asked.extend(scopes)
        await self.clock.sleep(self.seconds)
        match next(self.answers):
            case BaseException() as error:
                raise error
            case good_for:
                now = self.clock.now().timestamp()
                return AccessTokenInfo(f"token-{len(self.asked)}", int(now + good_for))

    async def close(self) -> None:
        """Let go."""
        self.is_closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@dataclass
class Identity:
    """What makes credentials, and the tokens that are kept."""

    clock: VirtualClock
    answers: Iterable[Answer] = field(default_factory=lambda: repeat(HOUR))
    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    credentials: list[Credential] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers = iter(self.answers)
        self.tokens = TokenCache(self._make, self.clock)

    def _make(self) -> Credential:
        assert isinstance(self.answers, Iterator)
        self.credentials.append(Credential(self.clock, self.answers, self.seconds, self.asked))
        return self.credentials[-1]


async def test_a_token_is_fetched_once_and_kept(clock: VirtualClock) -> None:
    identity = Identity(clock)
    assert [await identity.tokens.token(SCOPE) for _ in range(3)] == ["token-1"] * 3
    assert identity.asked == [SCOPE]


async def test_nothing_is_made_before_a_token_is_asked_for(clock: VirtualClock) -> None:
    assert Identity(clock).credentials == []


async def test_whoever_asks_at_the_same_time_gets_the_same_token(clock: VirtualClock) -> None:
    identity = Identity(clock, seconds=5)
    asked = (identity.tokens.token(SCOPE) for _ in range(20))
    assert set(await asyncio.gather(*asked)) == {"token-1"}
    assert clock.monotonic() == 5


async def test_each_scope_has_a_token_of_its_own(clock: VirtualClock) -> None:
    identity = Identity(clock)
    assert await identity.tokens.token(SCOPE) != await identity.tokens.token(OTHER)
    assert len(identity.credentials) == 1


@pytest.mark.parametrize(("left", "token"), [(300, "token-1"), (299, "token-2")])
async def test_a_token_is_renewed_when_less_than_five_minutes_of_it_are_left(
    clock: VirtualClock, left: float, token: str
) -> None:
    identity = Identity(clock)
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - left)
    assert await identity.tokens.token(SCOPE) == token


# A token that fails


async def test_an_identity_that_gets_no_token_says_so(clock: VirtualClock) -> None:
    identity = Identity(clock, [REFUSED])
    with pytest.raises(ClientAuthenticationError, match="no identity"):
        await identity.tokens.token(SCOPE)


async def test_a_token_that_failed_is_asked_for_again_by_the_next(clock: VirtualClock) -> None:
    identity = Identity(clock, [REFUSED, HOUR])
    with pytest.raises(ClientAuthenticationError):
        await identity.tokens.token(SCOPE)
    assert await identity.tokens.token(SCOPE) == "token-2"


async def test_a_thread_that_can_not_be_started_is_a_token_that_failed(
    clock: VirtualClock,
) -> None:
    identity = Identity(clock, [RuntimeError("can't start new thread")])
    with pytest.raises(ClientAuthenticationError, match="can't start new thread"):
        await identity.tokens.token(SCOPE)


@pytest.mark.parametrize(
    "error", [TypeError(), ValueError(), KeyError("expires_in"), AttributeError(), RecursionError()]
)
async def test_an_odd_answer_is_a_token_that_failed(clock: VirtualClock, error: Exception) -> None:
    identity = Identity(clock, [error])
    with pytest.raises(ClientAuthenticationError):
        await identity.tokens.token(SCOPE)


async def test_a_token_that_never_ends_is_none(clock: VirtualClock) -> None:
    identity = Identity(clock, [1e12])
    with pytest.raises(ClientAuthenticationError, match="no moment"):
        await identity.tokens.token(SCOPE)


@pytest.mark.parametrize("error", [REFUSED, ServiceRequestError("no network")])
async def test_a_token_that_could_not_be_renewed_is_used_for_as_long_as_it_is_good(
    clock: VirtualClock, error: Exception
) -> None:
    identity = Identity(clock, [HOUR, error])
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - 200)
    assert await identity.tokens.token(SCOPE) == "token-1"


async def test_for_half_a_minute_its_renewal_is_not_tried_again(clock: VirtualClock) -> None:
    identity = Identity(clock, [HOUR, REFUSED, HOUR])
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - 200)
    await identity.tokens.token(SCOPE)
    await clock.sleep(29)
    assert await identity.tokens.token(SCOPE) == "token-1"
    assert len(identity.asked) == 2
    await clock.sleep(1)
    assert await identity.tokens.token(SCOPE) == "token-3"


async def test_a_scope_whose_renewal_failed_keeps_no_other_from_its_own(
    clock: VirtualClock,
) -> None:
    identity = Identity(clock, [HOUR, HOUR, REFUSED, HOUR])
    await identity.tokens.token(SCOPE)
    await identity.tokens.token(OTHER)
    await clock.sleep(HOUR - 200)
    await identity.tokens.token(SCOPE)
    assert await identity.tokens.token(OTHER) == "token-4"


@pytest.mark.parametrize("left", [59, 0, -100])
async def test_a_token_that_ends_within_a_minute_is_not_used(
    clock: VirtualClock, left: float
) -> None:
    identity = Identity(clock, [HOUR, REFUSED])
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - left)
    with pytest.raises(ClientAuthenticationError):
        await identity.tokens.token(SCOPE)


async def test_a_token_with_just_a_minute_left_is_used(clock: VirtualClock) -> None:
    identity = Identity(clock, [HOUR, REFUSED])
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - 60)
    assert await identity.tokens.token(SCOPE) == "token-1"


async def test_a_renewal_that_rests_ends_with_the_last_minute(clock: VirtualClock) -> None:
    identity = Identity(clock, [HOUR, REFUSED, HOUR])
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - 70)
    await identity.tokens.token(SCOPE)
    await clock.sleep(11)
    assert await identity.tokens.token(SCOPE) == "token-3"


# A token that hangs


async def test_a_token_that_hangs_is_given_up_after_half_a_minute(clock: VirtualClock) -> None:
    identity = Identity(clock, seconds=1000)
    with pytest.raises(ClientAuthenticationError, match="no token within 30 s"):
        await identity.tokens.token(SCOPE)
    assert clock.monotonic() == 30


async def test_a_token_that_takes_just_less_is_waited_for(clock: VirtualClock) -> None:
    assert await Identity(clock, seconds=29).tokens.token(SCOPE) == "token-1"


async def test_whoever_waited_behind_a_token_that_hung_asks_anew(clock: VirtualClock) -> None:
    identity = Identity(clock, seconds=1000)
    asked = (identity.tokens.token(SCOPE) for _ in range(2))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in found] == [ClientAuthenticationError] * 2
    assert clock.monotonic() == 60


async def test_a_renewal_that_hangs_leaves_the_token_that_there_is(clock: VirtualClock) -> None:
    identity = Identity(clock)
    await identity.tokens.token(SCOPE)
    await clock.sleep(HOUR - 200)
    identity.credentials[0].seconds = 1000
    assert await identity.tokens.token(SCOPE) == "token-1"
    assert clock.monotonic() == HOUR - 170


# A token that Azure does not take


async def test_a_token_that_azure_refused_is_fetched_anew_from_a_new_credential(
    clock: VirtualClock,
) -> None:
    identity = Identity(clock)
    identity.tokens.forget(SCOPE, await identity.tokens.token(SCOPE))
    assert await identity.tokens.token(SCOPE) == "token-2"
    assert [credential.is_closed for credential in identity.credentials] == [True, False]


async def test_it_is_made_anew_once(clock: VirtualClock) -> None:
    identity = Identity(clock)
    identity.tokens.forget(SCOPE, await identity.tokens.token(SCOPE))
    await identity.tokens.token(SCOPE)
    await identity.tokens.token(OTHER)
    assert len(identity.credentials) == 2


async def test_an_old_token_that_is_refused_late_costs_nothing(clock: VirtualClock) -> None:
    identity = Identity(clock)
    await identity.tokens.token(SCOPE)
    identity.tokens.forget(SCOPE, "token-0")
    identity.tokens.forget(OTHER, "token-1")
    assert await identity.tokens.token(SCOPE) == "token-1"


# Its end


async def test_a_cache_that_is_closed_lets_go_of_its_credential(clock: VirtualClock) -> None:
    identity = Identity(clock)
    await identity.tokens.token(SCOPE)
    await identity.tokens.close()
    assert identity.credentials[0].is_closed


async def test_one_that_never_had_a_credential_closes_too(clock: VirtualClock) -> None:
    identity = Identity(clock)
    await identity.tokens.close()
    assert identity.credentials == []


async def test_after_that_a_new_credential_is_made(clock: VirtualClock) -> None:
    identity = Identity(clock)
    await identity.tokens.token(SCOPE)
    await identity.tokens.close()
    await identity.tokens.token(OTHER)
    assert len(identity.credentials) == 2
