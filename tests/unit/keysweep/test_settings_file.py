"""A file of app settings is read as it is meant, or refused with one sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keysweep.settings_file import LARGEST, check_app_settings, read_app_settings
from shared.core.function_timeout import FUNCTION_TIMEOUT

VALUES = {
    "SWEEP_MODE": "enforce", "EXEMPTION_TAG": "Zürich", "UNRELATED": "x", FUNCTION_TIMEOUT: "1:0:0",
}  # fmt: skip


def local(values: object, **more: object) -> bytes:
    return json.dumps({"IsEncrypted": False, "Values": values, **more}).encode()


def listed(values: dict[str, Any]) -> bytes:
    rows = [{"name": name, "slotSetting": False, "value": text} for name, text in values.items()]
    return json.dumps(rows).encode()


def refused(content: bytes) -> str:
    with pytest.raises(ValueError, match=r"\.$|\?$") as raised:
        read_app_settings(content)
    return str(raised.value)


@pytest.mark.parametrize("form", [local, listed])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_either_form_is_read_in_every_encoding_of_powershells(form: Any, encoding: str) -> None:
    assert read_app_settings(form(VALUES).decode().encode(encoding)) == VALUES


def test_truth_and_numbers_become_the_text_that_the_host_would_see() -> None:
    values = {"SWEEP_MODE": "audit", "EXEMPTION_REQUIRE_UNTIL": True, "MAX_CHANGES_PER_SWEEP": 7}
    assert read_app_settings(local(values)) == {
        "SWEEP_MODE": "audit", "EXEMPTION_REQUIRE_UNTIL": "true", "MAX_CHANGES_PER_SWEEP": "7",
    }  # fmt: skip


def test_what_is_not_ours_may_be_anything() -> None:
    odd = {"Nothing": None, "Nested": {"a": [1]}, "Reference": "@Microsoft.KeyVault(x)", "N": 1.5}
    assert read_app_settings(local({"SWEEP_MODE": "audit", **odd})) == {
        "SWEEP_MODE": "audit", "Reference": "@Microsoft.KeyVault(x)",
    }  # fmt: skip


@pytest.mark.parametrize("form", [local, listed])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "Its EXEMPTION_TAG is null"),
        ("@Microsoft.KeyVault(SecretUri=https://x)", "a reference to a key vault"),
        (" @MICROSOFT.keyvault(VaultName=x;SecretName=y)", "a reference to a key vault"),
        ("@Microsoft.AppConfiguration(Endpoint=https://x; Key=y)", "or an App Configuration"),
        ({"a": "b"}, "Its EXEMPTION_TAG is no text"),
        (["keep-keys"], "Its EXEMPTION_TAG is no text"),
        (1.5, "Its EXEMPTION_TAG is no text"),
        (float("nan"), "Its EXEMPTION_TAG is no text"),
    ],
)
def test_a_value_of_ours_that_does_not_say_what_it_is_is_refused(
    form: Any, value: object, says: str
) -> None:
    assert says in refused(form({"SWEEP_MODE": "audit", "EXEMPTION_TAG": value}))


def test_the_list_that_azure_prints_with_hidden_values_is_refused() -> None:
    hidden = listed(dict.fromkeys(VALUES))
    assert "appsettings list" in refused(hidden)


@pytest.mark.parametrize(
    ("encrypted", "is_read"),
    [
        *((True, False), ("true", False), ("TRUE ", False), (1, False), ("yes", False)),
        *(({}, False), (False, True), ("false", True), ("FALSE", True), (None, True)),
    ],
)
def test_an_encrypted_file_is_refused_however_it_says_so(
    encrypted: object, *, is_read: bool
) -> None:
    content = json.dumps({"IsEncrypted": encrypted, "Values": VALUES}).encode()
    if is_read:
        assert read_app_settings(content) == VALUES
    else:
        assert "It is encrypted" in refused(content)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"UNRELATED": "x"},
        {"APPLICATIONINSIGHTS_CONNECTION_STRING": "x", "AZURE_CLIENT_ID": "x"},
        {FUNCTION_TIMEOUT: "00:10:00", "AZURE_TENANT_ID": "x"},
        {"ARM_ENDPOINT": "https://x", "ARM_SCOPE": "x"},
        {"exemption_tag": "keep-keys"},
    ],
)
def test_a_file_of_another_app_is_refused(values: dict[str, str]) -> None:
    for form in (local, listed):
        assert "none of Keysweep's settings" in refused(form(values))


@pytest.mark.parametrize(
    "content",
    [
        b'{"Values": {"EXEMPTION_TAG": "a", "EXEMPTION_TAG": "b"}}',
        b'{"Values": {"EXEMPTION_TAG": "a", "EXEMPTION_TAG": "a"}}',
        b'{"Values": {"EXEMPTION_TAG": "a"}, "Values": {"EXEMPTION_TAG": "b"}}',
        b'{"IsEncrypted": true, "IsEncrypted": false, "Values": {"EXEMPTION_TAG": "a"}}',
        b'[{"name": "EXEMPTION_TAG", "value": "a"}, {"name": "EXEMPTION_TAG", "value": "b"}]',
        b'[{"name": "EXEMPTION_TAG", "value": "a", "value": "b"}]',
        b'[{"name": "X", "name": "EXEMPTION_TAG", "value": "a"}]',
    ],
)
def test_what_stands_there_twice_is_refused_since_readers_differ_on_what_counts(
    content: bytes,
) -> None:
    assert "more than once" in refused(content)


def test_what_is_not_ours_may_stand_there_twice() -> None:
    content = b'{"Values": {"X": "a", "X": "b", "SWEEP_MODE": "audit"}}'
    assert read_app_settings(content)["SWEEP_MODE"] == "audit"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]", b"null", b'"SWEEP_MODE"', b"SWEEP_MODE=enforce", b"\xff\xfe\x00"),
        *(b'{"Values": null}', b'{"SWEEP_MODE": "audit"}', b'["SWEEP_MODE"]', b"\xff\xff"),
        b'{"Values": [{"name": "SWEEP_MODE", "value": "audit"}]}',
        *(
            b'[{"name": 1, "value": "audit"}]',
            b'[{"value": "audit"}]',
            b'{"Values": {"SWEEP_MODE": "aud',
        ),
        *(b"[" * 100_000, b'{"Values":' * 50_000, b" " * (LARGEST + 1)),
        b'{"Values": {"MAX_CHANGES_PER_SWEEP": ' + b"9" * 5_000 + b"}}",
    ],
)
def test_what_holds_no_app_settings_is_refused(content: bytes) -> None:
    assert refused(content)


@given(st.binary(max_size=200))
def test_no_content_is_anything_but_settings_or_refused(content: bytes) -> None:
    try:
        found = read_app_settings(content)
    except ValueError:
        return
    assert all(isinstance(text, str) for text in found.values())


def test_the_settings_of_a_function_app_are_held_to_the_same() -> None:
    assert check_app_settings(VALUES) == VALUES
    with pytest.raises(ValueError, match="key vault"):
        check_app_settings({**VALUES, "EXEMPTION_TAG": "@Microsoft.KeyVault(x)"})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (
            b'{"Values": ',
            "it ends too early, at line 1, column 12: perhaps a part of it is missing",
        ),
        (b"{\n 'Values': {}}", "at line 2, column 2 stands a single quote"),
        (b'{"Values": {},}', "before the closing bracket, a comma is too many"),
        (b'{"Values" {}}', "at line 1, column 11 stands '{', where it must go on otherwise"),
        (b"\xff\xff\xff\xff", "it is no text that can be read"),
    ],
)
def test_broken_json_is_explained_with_its_place(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match="It is no JSON: ") as raised:
        read_app_settings(content)
    assert says in str(raised.value)
