"""Sends the package to the deployment endpoint of the Function App."""

import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException

from infra.deploy.azure_cli import DeploymentStopped
from infra.deploy.upload_progress import Progress, progress_of, refusal, state_of, why_it_ended

_TRIES, _PATIENCE_SECONDS = 10, 30
_POLLS, _POLL_SECONDS = 150, 2


def upload(
    scm: str,
    token: str,
    package: bytes,
    sleep: Callable[[float], None],
    *,
    is_private: bool,
) -> None:
    """Send a package to the deployment endpoint and wait until it is taken.

    `scm` is the endpoint's address; `token` a token for Azure Resource Manager, which it takes;
    `is_private`, whether the app's public access is off. Raises DeploymentStopped with the
    endpoint's own words.
    """
    status, body = _send(scm, token, package, sleep)
    if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise DeploymentStopped(refusal(status, body, is_private=is_private))
    deployment = body.strip().strip('"') if status == HTTPStatus.ACCEPTED else "latest"
    not_found, was_seen = 0, False
    for _ in range(_POLLS):
        status, body = _request(f"{scm}/api/deployments/{deployment}", token)
        match progress_of(status, body, not_found, was_seen=was_seen):
            case Progress.DONE:
                return
            case Progress.FAILED:
                raise DeploymentStopped(why_it_ended(status, body))
            case Progress.RUNNING:
                not_found += status == HTTPStatus.NOT_FOUND
                was_seen = was_seen or state_of(body) is not None
                sleep(_POLL_SECONDS)
    waited = _POLLS * _POLL_SECONDS
    raise DeploymentStopped(f"The deployment did not end in {waited} s: {body[:500]}")


def _send(scm: str, token: str, package: bytes, sleep: Callable[[float], None]) -> tuple[int, str]:
    url = f"{scm}/api/publish?RemoteBuild=false&Deployer=keysweep"
    for _ in range(_TRIES):
        status, body = _request(url, token, package)
        # A new identity's right to write to storage can be minutes away.
        if status != HTTPStatus.BAD_REQUEST or "BlobUploadFailed" not in body:
            return status, body
        print("The app's identity can't write to its storage yet; waiting ...", flush=True)
        sleep(_PATIENCE_SECONDS)
    return _request(url, token, package)


def _request(url: str, token: str, body: bytes | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/zip"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - https, see scm
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return int(answer.status), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    # While an answer is waited for, nothing makes a URLError of what happens.
    except (OSError, HTTPException) as error:
        raise DeploymentStopped(f"{url.partition('?')[0]} can't be reached: {error}") from error
