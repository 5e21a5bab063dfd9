"""Border: the tokens of one identity.

The aio credentials have no single flight (docs/facts.md, 3), and no way to make them forget: once
Azure refuses a token that looks good, they give it again and again. So a token is fetched here once
however many ask, and the credential is made here, and made anew then. azure-core's own policy was
read and left (docs/decisions/0004-own-tokens.md).
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

from azure.core.credentials import AccessTokenInfo
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import ClientAuthenticationError

from shared.core.deadline import within
from shared.core.model import Clock

# Tokens are renewed when this little of their life is left, so that none expires on its way.
_RENEW_SECONDS = 300.0
# One that could not be renewed is used while this much of its life is left, and its renewal is not
# tried again at once.
_USABLE_SECONDS = 60.0
_RENEW_AGAIN_SECONDS = 30.0
# The credential's own requests pass another pipeline, which would wait for minutes.
_TOKEN_SECONDS = 30.0
# What azure-identity raises when the answer to its request is odd (run: an end that is null, or no
# number), when the system has no thread left for it, or when JSON is nested too deeply.
_FAILURES = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, zlib.error,
)  # fmt: skip
# The last second of the year 9999.
_LAST_MOMENT = 253_402_300_799


class TokenCache:
    """Tokens of one identity, one per scope."""

    def __init__(self, make: Callable[[], AsyncSupportsTokenInfo], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._credential: AsyncSupportsTokenInfo | None = None
        self._is_spent = False
        self._tokens: dict[str, AccessTokenInfo] = {}
        self._renewal_failed_at: dict[str, float] = {}
        self._lock = asyncio.Lock()

    async def token(self, scope: str) -> str:
        """Return a token that is good for some minutes, or for one where none can be had.

        Raises azure-core's ClientAuthenticationError, or another of its errors, if the identity
        gets none.
        """
        async with self._lock:
            held = self._tokens.get(scope)
            left = held.expires_on - self._clock.now().timestamp() if held is not None else 0.0
            is_usable = left >= _USABLE_SECONDS
            rests = is_usable and self._failed_just_now(scope)
            if held is not None and (left >= _RENEW_SECONDS or rests):
                return held.token
            try:
                held = self._tokens[scope] = await self._fetch(scope)
            except SdkError:
                if held is None or not is_usable:
                    raise
                self._renewal_failed_at[scope] = self._clock.monotonic()
            return held.token

    def _failed_just_now(self, scope: str) -> bool:
        failed_at = self._renewal_failed_at.get(scope)
        return failed_at is not None and self._clock.monotonic() - failed_at < _RENEW_AGAIN_SECONDS

    async def _fetch(self, scope: str) -> AccessTokenInfo:
        if self._is_spent:
            await self.close()
        if self._credential is None:
            self._credential = self._make()
        try:
            request = self._credential.get_token_info(scope)
            fetched = await within(self._clock, _TOKEN_SECONDS, request)
        except TimeoutError as error:
            message = f"no token within {_TOKEN_SECONDS:.0f} s"
            raise ClientAuthenticationError(message) from error
        except _FAILURES as error:
            message = f"the token can't be fetched, or its answer is odd: {error}"
            raise ClientAuthenticationError(message) from error
        if fetched.expires_on > _LAST_MOMENT:
            raise ClientAuthenticationError("the token's end is no moment")
        # azure-identity hands on whatever the answer calls a token.
        token: object = fetched.token
        if not isinstance(token, str):
            raise ClientAuthenticationError("the token is no text")
        return fetched

    def forget(self, scope: str, token: str) -> None:
        """Drop a token that Azure did not take, and the credential that would give it again."""
        held = self._tokens.get(scope)
        if held is not None and held.token == token:
            del self._tokens[scope]
            self._is_spent = True

    async def close(self) -> None:
        """Let go of the credential; whoever asks for a token next makes a new one."""
        credential, self._credential, self._is_spent = self._credential, None, False
        if credential is not None:
            await credential.close()


class NoCredential(AsyncTokenCredential):
    """What the clients are given: they insist on a credential, and the pipeline has the token."""

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        """Never called."""
        raise NotImplementedError(scopes)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aexit__(self, *_: object) -> None:
        """Nothing to leave."""
