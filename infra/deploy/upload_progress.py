"""What the deployment endpoint's answers say of an upload. Pure.

Read as azd reads them (cli/azd/pkg/azsdk/funcapp_host_client.go at ae35809f, 2026-08-21).
"""

import json
from enum import Enum
from http import HTTPStatus

_SUCCESS = 4
_ENDS = {
    -1: "it was cancelled",
    3: "it failed",
    5: "another deployment was in progress",
    6: "only a part of it succeeded",
}
_EARLY_NOT_FOUND = 4
"""So many answers of 404 are of a deployment that is not known yet."""


FROM_THE_NETWORK = (
    "packages come from its network alone. Upload from a machine or a runner in that network, or "
    "peered with it, that resolves the app's two names to its private endpoint."
)


class Progress(Enum):
    """How far an upload is."""

    RUNNING = "it is under way"
    DONE = "the app has the package"
    FAILED = "it came to another end"


def progress_of(status: int, body: str, not_found: int, *, was_seen: bool) -> Progress:
    """Judge an answer to a question for a deployment's state.

    `not_found`: how many answers before it were 404. `was_seen`: whether one showed a state.
    """
    if status == HTTPStatus.NOT_FOUND:
        if not_found < _EARLY_NOT_FOUND:
            return Progress.RUNNING
        # Gone after it was seen: what deployed is being recycled, and it is done.
        return Progress.DONE if was_seen else Progress.FAILED
    if status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        state = state_of(body)
        if state == _SUCCESS:
            return Progress.DONE
        return Progress.FAILED if state in _ENDS else Progress.RUNNING
    is_passing = (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    )
    return Progress.RUNNING if is_passing else Progress.FAILED


def state_of(body: str) -> int | None:
    """Return the number of a state, None if there is none."""
    try:
        state = json.loads(body)["status"]
    except (ValueError, KeyError, TypeError):
        return None
    return state if isinstance(state, int) else None


def why_it_ended(status: int, body: str) -> str:
    """Return a sentence about an upload that failed, with the endpoint's own words."""
    end = _ENDS.get(state_of(body) or 0, f"the endpoint answered {status}")
    return f"The deployment did not succeed: {end}. {body[:500]}"


def refusal(status: int, body: str, *, is_private: bool) -> str:
    """Say why a package was not taken, and for 403 what to do."""
    said = f"The package was not taken: {status} {body[:500]}"
    if status != HTTPStatus.FORBIDDEN:
        return said
    if is_private:
        return f"{said}\nPublic access to the app is off: {FROM_THE_NETWORK}"
    return (
        f"{said}\nPublic access to the app is on, so it is either your rights "
        "(Microsoft.Web/sites/publish/Action: Website Contributor, Contributor or Owner) or a "
        "restriction that a policy or a person put on the deployment endpoint."
    )
