"""Bearer tokens: made by the managed identity endpoint, checked by everything else."""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_azure.clock import Clock
from local_azure.sources import behaviour
from local_azure.state.access import Principal
from local_azure.state.tenant import Tenant

ARM_AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
)
INGESTION_AUDIENCES = (
    "https://monitor.azure.com",
    "https://monitor.azure.com/",
    "https://monitor.azure.com//",
)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a token isn't taken: ARM's error code and text, and the challenge's description."""

    code: str
    message: str
    description: str


class Tokens:
    """Makes tokens and checks them, by one clock and one secret."""

    def __init__(self, tenant: Tenant, clock: Clock, lifetime: float) -> None:
        self._tenant = tenant
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self.lifetime = lifetime
        self._not_before = 0.0

    def issue(self, principal: Principal, audience: str) -> tuple[str, int]:
        """Return a token for the audience, and when it expires (unix time)."""
        now = int(self._clock.now().timestamp())
        expires = now + int(self.lifetime)
        person = principal.kind == "User"
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self._tenant.id}/",
            "iat": now,
            "nbf": now,
            "exp": expires,
            "appid": principal.client_id,
            "idtyp": "app" if principal.kind == "Application" else "user",
            "oid": principal.object_id,
            **(dict.fromkeys(("upn", "unique_name"), principal.name) if person else {}),
            "sub": principal.object_id,
            "tid": self._tenant.id,
            "ver": "1.0",
        }
        signed = ".".join(_encode(part) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
        return f"{signed}.{_base64(self._signature(signed))}", expires

    def revoke(self) -> None:
        """Every token issued so far is expired from now on."""
        self._not_before = self._clock.now().timestamp() + 1e-6

    @behaviour(
        "401 for a missing, foreign, expired or misdirected token, with WWW-Authenticate",
        "data/recorded arm-401-01 (expired), arm-401-03 (audience)",
        "recorded",
    )
    @behaviour(
        "the texts of 401 for a missing header and for a token that can't be read",
        "AuthenticationFailed's text is quoted in public guides; the other's isn't",
        "unverified",
    )
    def check(self, header: str | None, audiences: tuple[str, ...]) -> Principal | Refused:
        """Who the bearer is, or why it isn't taken."""
        if not header:
            return Refused(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
                "The authentication failed because of missing 'Authorization' header.",
            )
        claims = self._claims(header)
        if claims is None:
            invalid = "The access token is invalid."
            return Refused("InvalidAuthenticationToken", invalid, invalid)
        now = self._clock.now()
        expiry = min(
            float(claims["exp"]), now.timestamp() if claims["iat"] < self._not_before else 9e99
        )
        if now.timestamp() >= expiry:
            expired = american(datetime.fromtimestamp(expiry, UTC))
            return Refused(
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{expired}' is earlier than current UTC time "
                f"'{american(now)}'.",
                "The access token has expired.",
            )
        if claims["aud"] not in audiences:
            allowed = ",".join(f"'{audience}'" for audience in audiences)
            wrong = (
                f"The access token has been obtained for wrong audience or resource "
                f"'{claims['aud']}'. It should exactly match with one of the allowed audiences "
                f"{allowed}."
            )
            return Refused("InvalidAuthenticationTokenAudience", wrong, wrong)
        principal = self._tenant.principals.get(claims["oid"])
        if principal is None:
            gone = f"The principal '{claims['oid']}' of the access token is not in the tenant."
            return Refused("InvalidAuthenticationToken", gone, gone)
        return principal

    def _signature(self, signed: str) -> bytes:
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()

    def _claims(self, header: str) -> dict[str, Any] | None:
        scheme, _, token = header.partition(" ")
        signed, _, signature = token.strip().rpartition(".")
        expected = _base64(self._signature(signed))
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            signature.encode(), expected.encode()
        ):
            return None
        body = signed.partition(".")[2]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return claims


def american(moment: datetime) -> str:
    """`8/17/2020 3:46:33 AM`, as ARM writes times in 401 (recorded: fact 29)."""
    return f"{moment.month}/{moment.day}/{moment.year} {moment:%I:%M:%S %p}".replace(" 0", " ", 1)


def _encode(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
