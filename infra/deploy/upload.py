"""Sends the package to the deployment endpoint of the Function App."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus

from infra.deploy.azure_cli import DeploymentStopped, az


def upload(
    scm: str, token: str, package: bytes, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Send a package to the deployment endpoint and wait until it runs.

    `scm` is the endpoint's address; `token` a token for Azure Resource Manager, which it takes.
    Raises DeploymentStopped with the endpoint's own words.
    """
    status, body = _send(scm, token, package, sleep)
    if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        raise DeploymentStopped(f"{scm} did not take the package: {status} {body[:500]}")
    deployment = body.strip().strip('"') if status == HTTPStatus.ACCEPTED else "latest"
    for _ in range(_POLLS):
        status, body = _request(f"{scm}/api/deployments/{deployment}", token)
        # Gone after progress is done: the app is being started with the package.
        if status == HTTPStatus.NOT_FOUND:
            return
        state = json.loads(body).get("status") if status == HTTPStatus.OK else None
        if state == _SUCCEEDED:
            return
        if state in _FAILED:
            raise DeploymentStopped(f"The deployment failed: {body[:500]}")
        sleep(_POLL_SECONDS)
    waited = _POLLS * _POLL_SECONDS
    raise DeploymentStopped(f"The deployment did not end in {waited} s: {body[:500]}")


def _send(scm: str, token: str, package: bytes, sleep: Callable[[float], None]) -> tuple[int, str]:
    url = f"{scm}/api/publish?RemoteBuild=false&Deployer=keysweep"
    for _ in range(_UPLOAD_TRIES):
        status, body = _request(url, token, package)
        # A new identity's right to write to storage can be minutes away.
        if status != HTTPStatus.BAD_REQUEST or "BlobUploadFailed" not in body:
            return status, body
        print("The app's identity can't write to its storage yet; waiting ...")
        sleep(_PATIENCE_SECONDS)
    return _request(url, token, package)


_UPLOAD_TRIES, _PATIENCE_SECONDS = 10, 30
_POLLS, _POLL_SECONDS = 150, 2
# Kudu's and One Deploy's codes, from azd's source: 4 is success, 3 and -1 are failures.
_SUCCEEDED, _FAILED = 4, {3, -1}


def _request(url: str, token: str, body: bytes | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/zip"}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - https, see below
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            return int(answer.status), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except urllib.error.URLError as error:
        raise DeploymentStopped(
            f"{url.partition('?')[0]} can't be reached: {error.reason}"
        ) from error


def scm_of(subscription: str, resource_group: str, app: str) -> str:
    """Return the address of an app's deployment endpoint. Raises DeploymentStopped."""
    where = ("--subscription", subscription, "--resource-group", resource_group, "--name", app)
    site = az("functionapp", "show", *where)
    states = site.get("hostNameSslStates") or site["properties"]["hostNameSslStates"]
    for state in states:
        if state["hostType"] == "Repository":
            return f"https://{state['name']}"
    raise DeploymentStopped(f"{app} has no deployment endpoint: is it the Function App's name?")
