"""Settings come from a file, over it the environment, over it the line; nothing empty hides any."""

import json
from pathlib import Path

import pytest

from keysweep.advice import UsageProblem
from keysweep.configuration import Options
from keysweep.places import Typed
from shared.core.errors import SettingsError
from shared.core.settings import Mode

SUBSCRIPTION = "6f0c0bd2-0000-0000-0000-000000000000"
FILE = {"EXEMPTION_TAG": "of-the-file", "SWEEP_SUBSCRIPTIONS": SUBSCRIPTION}


def test_the_environment_wins_over_the_file_and_the_line_over_both() -> None:
    options = Options({"EXEMPTION_TAG": "mine"}, management_groups=("mg-a", "mg-b"))
    found = options.over(FILE, "x.json")
    assert found.values["EXEMPTION_TAG"] == "mine"
    assert found.values["SWEEP_MANAGEMENT_GROUPS"] == "mg-a,mg-b"
    assert found.values["SWEEP_SUBSCRIPTIONS"] == "", "the line takes the place of either"
    assert found.sources["EXEMPTION_TAG"] == "the environment"
    assert found.sources["SWEEP_MANAGEMENT_GROUPS"] == "the line"


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_hides_nothing(empty: str) -> None:
    found = Options({"EXEMPTION_TAG": empty}).over(FILE, "x.json")
    assert found.values["EXEMPTION_TAG"] == "of-the-file"
    assert found.sources["EXEMPTION_TAG"] == "x.json"


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_scope_on_the_line_does_not_mean_everything(empty: str) -> None:
    for options in (
        Options({}, subscriptions=(SUBSCRIPTION, empty)),
        Options({}, management_groups=(empty,)),
    ):
        with pytest.raises(UsageProblem, match="is empty: it would mean everything"):
            options.over({}, "")


@pytest.mark.parametrize(
    ("values", "mode"), [({}, Mode.ENFORCE), ({"SWEEP_MODE": " Audit "}, Mode.AUDIT)]
)
def test_without_a_mode_the_line_enforces_since_it_asks(values: dict[str, str], mode: Mode) -> None:
    assert Options(values).over({}, "").settings().mode is mode
    assert Options(values).over({}, "").settings("audit").mode is Mode.AUDIT


def test_the_options_are_repeated_for_the_way_back() -> None:
    file = Path("/tmp/my settings.json")  # noqa: S108 - it is not read
    options = Options({}, ("a", "b c"), (), file, "/function", tenant=SUBSCRIPTION)
    assert options.over({}, "").options == (
        "--settings", str(file), "--function", "/function", "--tenant", SUBSCRIPTION,
        "--subscription", "a", "--subscription", "b c",
    )  # fmt: skip
    assert Options({}, (), ("m",)).over({}, "").options == ("--management-group", "m")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options({}, ("a",), ("b",)), "exclude each other"),
        (Options({}, tenant="contoso.com"), "'contoso.com' is no tenant's id"),
    ],
)
def test_what_was_typed_is_what_is_wrong(options: Options, says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        options.over({}, "")


@pytest.mark.parametrize("mode", ["", "audit"])
def test_a_mode_that_is_none_is_wrong_for_every_command_and_its_source_is_named(mode: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Options({}).over({"SWEEP_MODE": "enfroce"}, "x.json").settings(mode)
    (problem,) = raised.value.problems
    assert problem.startswith("SWEEP_MODE is 'enfroce'")
    assert problem.endswith("(from x.json)")


def test_names_on_the_line_become_ids_and_are_still_known_as_typed() -> None:
    options = Options({"SWEEP_MANAGEMENT_GROUPS": "mg"}, ("web",))
    found = options.over({}, "").within(options.typed, Typed((SUBSCRIPTION,)))
    assert found.settings().scope.subscriptions == (SUBSCRIPTION,)
    assert found.settings().scope.management_groups == ()
    assert found.names == {SUBSCRIPTION: "web"}


def test_a_file_is_read_and_named_as_the_source(tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": FILE}))
    found = Options({}, settings_file=file).read()
    assert found.values == FILE
    assert set(found.sources.values()) == {str(file)}


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"Values": {"EXEMPTION_TAG": null}}', None])
def test_a_file_that_can_not_be_used_is_refused_by_name(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "local.settings.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageProblem, match=f"{file} can't be used: "):
        Options({}, settings_file=file).read()


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/tmp"])  # noqa: S108 - a folder
def test_what_is_no_file_of_settings_is_refused(path: str) -> None:
    with pytest.raises(UsageProblem, match="can't be used: "):
        Options({}, settings_file=Path(path)).read()


def test_a_file_and_a_function_are_two_sources(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="two sources"):
        Options({}, settings_file=tmp_path / "x.json", function="/x").read()
