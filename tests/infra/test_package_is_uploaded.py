"""The upload is over when the package is taken, and is of use when Azure lists the function."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.deploy.__main__ import main
from infra.deploy.azure_cli import DeploymentStopped
from infra.deploy.command_lines import own_command
from infra.deploy.sweep_times import next_sweep
from infra.deploy.triggers import (
    PAUSE_SECONDS,
    TRIES,
    await_sweep_function,
    first_sweep,
)
from infra.deploy.upload import upload
from infra.deploy.upload_progress import Progress, progress_of, refusal, why_it_ended
from infra.deploy.verification import Clock
from tests.support.azure_cli import AzureCli
from tests.support.deployments import APP, FUNCTIONS, LISTED, PROVISIONED, PassingTime

TOKEN = "a-token"


HANGS_UP = (0, "")


@dataclass(frozen=True)
class Request:
    """A request as the deployment endpoint got it."""

    method: str
    path: str
    authorization: str | None
    body: bytes


class Endpoint(HTTPServer):
    """The deployment endpoint of a Function App: it gives its answers one after the other."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[Request] = []

    def upload(self, *, is_private: bool = False) -> list[float]:
        """Let a package be sent here. Returns how long it was waited."""
        time = PassingTime()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        scm = f"http://127.0.0.1:{self.server_port}"
        try:
            upload(scm, TOKEN, b"zip", time.sleep, is_private=is_private)
        finally:
            self.shutdown()
            self.server_close()
        return time.waits


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization")
        self.server.requests.append(Request(self.command, self.path, authorization, body))
        status, text = self.server.answers.pop(0)
        if (status, text) == HANGS_UP:
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = _answer  # noqa: N815 - the base class looks for these names


def test_a_package_is_sent_as_it_is_and_waited_for() -> None:
    endpoint = Endpoint((202, '"deployment-1"'), (200, '{"status": 1}'), (200, '{"status": 4}'))
    endpoint.upload()
    sent, *polls = endpoint.requests
    assert sent.method == "POST"
    assert sent.authorization == f"Bearer {TOKEN}"
    assert sent.body == b"zip"
    assert "RemoteBuild=false" in sent.path
    assert [poll.path for poll in polls] == ["/api/deployments/deployment-1"] * 2


def test_an_upload_waits_for_the_identitys_right_to_its_storage() -> None:
    late = (400, "BlobUploadFailedException: 403")
    assert Endpoint(late, late, (202, "1"), (200, '{"status": 4}')).upload() == [30, 30]


def test_a_deployment_that_is_not_known_yet_and_then_gone_is_done() -> None:
    gone, under_way = (404, ""), (200, '{"status": 2}')
    Endpoint((202, "1"), gone, gone, gone, gone, under_way, gone).upload()


def test_an_upload_that_fails_says_so_in_azures_words_and_shows_no_token() -> None:
    failed = (200, '{"status": 3, "status_text": "no such runtime"}')
    with pytest.raises(DeploymentStopped, match="no such runtime") as stopped:
        Endpoint((202, "1"), failed).upload()
    assert TOKEN not in str(stopped.value)


def test_an_endpoint_that_hangs_up_stops_the_upload_with_its_address() -> None:
    with pytest.raises(DeploymentStopped, match="/api/publish can't be reached"):
        Endpoint(HANGS_UP).upload()


def test_a_private_app_says_from_where_it_takes_packages() -> None:
    with pytest.raises(DeploymentStopped, match="from its network alone"):
        Endpoint((403, "Ip Forbidden")).upload(is_private=True)
    assert "Microsoft.Web/sites/publish/Action" in refusal(403, "", is_private=False)
    assert "network" not in refusal(409, "busy", is_private=True)


@pytest.mark.parametrize(
    ("status", "body", "not_found", "was_seen", "progress"),
    [
        (200, '{"status": 4}', 0, True, Progress.DONE),
        (200, '{"status": 0}', 0, False, Progress.RUNNING),
        (202, '{"status": 1}', 0, False, Progress.RUNNING),
        (200, "not json", 0, False, Progress.RUNNING),
        (200, '{"status": 3}', 0, True, Progress.FAILED),
        (200, '{"status": -1}', 0, True, Progress.FAILED),
        (200, '{"status": 5}', 0, True, Progress.FAILED),
        (200, '{"status": 6}', 0, True, Progress.FAILED),
        # Not known yet, which is no end; and gone after it was seen, which is one.
        (404, "", 3, False, Progress.RUNNING),
        (404, "", 3, True, Progress.RUNNING),
        (404, "", 4, True, Progress.DONE),
        (404, "", 4, False, Progress.FAILED),
        (503, "", 0, True, Progress.RUNNING),
        (429, "", 0, True, Progress.RUNNING),
        (401, "", 0, True, Progress.FAILED),
    ],
)
def test_states_are_read_as_azd_reads_them(
    status: int, body: str, not_found: int, *, was_seen: bool, progress: Progress
) -> None:
    assert progress_of(status, body, not_found, was_seen=was_seen) is progress


@pytest.mark.parametrize(
    ("state", "end"), [(5, "another deployment"), (6, "only a part"), (-1, "cancelled")]
)
def test_each_end_has_its_words(state: int, end: str) -> None:
    assert end in why_it_ended(200, f'{{"status": {state}}}')


# The function

SYNC = f"az rest --method post --url {APP.url('syncfunctiontriggers')}"


def test_the_function_is_waited_for_until_azure_lists_it(cli: AzureCli) -> None:
    cli.refuse(SYNC, "(BadRequest) the host is starting", then=None)
    cli.answer(FUNCTIONS, {"value": []}, {"value": [{"name": "func-keysweep/other"}]}, LISTED)
    time = PassingTime()
    await_sweep_function(APP, time.sleep)
    assert time.waits == [PAUSE_SECONDS] * 2
    assert len([call for call in cli.calls if "post" in call]) == 3


def test_a_function_that_is_never_listed_is_no_success_and_says_what_azure_said(
    cli: AzureCli,
) -> None:
    cli.refuse(SYNC, "(BadRequest) from host runtime")
    cli.answer(FUNCTIONS, {"value": []})
    time = PassingTime()
    with pytest.raises(DeploymentStopped, match=r"its timer will not fire.*from host runtime"):
        await_sweep_function(APP, time.sleep)
    assert time.waits == [PAUSE_SECONDS] * TRIES


def test_a_function_that_could_not_be_looked_for_is_not_said_to_be_missing(cli: AzureCli) -> None:
    cli.refuse("az rest", "(AuthorizationFailed) no")
    with pytest.raises(DeploymentStopped, match=r"could not be seen.*AuthorizationFailed"):
        await_sweep_function(APP, PassingTime().sleep)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("", "2027-03-30 08:15 UTC, in 14 minutes"),
        ("0 0 6 * * *", "2027-03-31 06:00 UTC"),
        ("never", "can't be told"),
        (None, "can't be seen"),
    ],
)
def test_the_first_sweep_is_told_from_the_schedule(schedule: str | None, said: str) -> None:
    assert said in next_sweep(schedule, PassingTime().now())


def test_how_to_see_the_first_sweep_is_a_command() -> None:
    said = first_sweep(APP, "", PassingTime().now())
    assert "verify --subscription" in said
    assert "--since 2027-03-30T08:01:00Z --wait 30m" in said
    daily = first_sweep(APP, "0 0 6 * * *", PassingTime().now())
    assert daily.endswith(f" --wait {21 * 60 + 59 + 15}m\n")
    assert own_command("verify", platform="win32") == "py -3.13 -m infra.deploy verify"


def site(cli: AzureCli, **properties: str) -> None:
    """Let Azure have the app."""
    endpoint = {"hostType": "Repository", "name": "scm.example"}
    cli.answer("az functionapp show", {"hostNameSslStates": [endpoint], **properties})


def test_both_ways_of_uploading_end_with_the_function_listed_and_the_first_sweep(
    cli: AzureCli,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site(cli, publicNetworkAccess="Disabled")
    cli.answer(SYNC, None)
    cli.answer(FUNCTIONS, LISTED)
    cli.answer("az account get-access-token", {"accessToken": TOKEN})
    schedule = [{"name": "SWEEP_SCHEDULE", "value": "0 0 * * * *"}]
    cli.answer("az functionapp config appsettings list", schedule)
    sent: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        "infra.deploy.__main__.upload",
        lambda scm, *_, is_private: sent.append((scm, is_private)),
    )
    package = tmp_path / "keysweep.zip"
    package.write_bytes(b"zip")
    names = ["--subscription", APP.subscription, "--resource-group", APP.resource_group]
    line = ["upload", *names, "--app", APP.name, "--package", str(package)]
    time = PassingTime()
    assert main(line, {}, Clock(time.now, time.sleep)) == 0
    assert sent == [("https://scm.example", True)]
    by_hand = capsys.readouterr().out
    environ = {**PROVISIONED, "SWEEP_SCHEDULE": "0 0 * * * *"}
    assert main(["postdeploy"], environ, Clock(time.now, time.sleep)) == 0
    assert capsys.readouterr().out == by_hand
    assert "2027-03-30 09:00 UTC" in by_hand
