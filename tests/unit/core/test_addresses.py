"""A token goes to one place, and a list of pages ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.addresses import Address, Links
from shared.core.errors import Unclear

ARM = Address.parse("https://management.azure.com")


def test_an_address_is_taken_apart() -> None:
    address = Address.parse("https://Management.Azure.com:8443/Subscriptions/x?api-version=1")
    assert address.host == "management.azure.com"
    assert address.port == 8443
    assert address.path == "/Subscriptions/x"


def test_without_a_port_it_is_that_of_https() -> None:
    assert ARM.port == 443


def test_without_a_path_it_is_the_root() -> None:
    assert ARM.path == "/"


def test_an_address_by_number_may_be_of_either_version() -> None:
    assert Address.parse("https://127.0.0.1:8443/").host == "127.0.0.1"
    assert Address.parse("https://[::1]:8443/").host == "[::1]"


def test_an_address_is_shown_without_its_query() -> None:
    signed = "https://management.azure.com/operations/1?t=secret"
    assert str(Address.parse(signed)) == "management.azure.com/operations/1"


def test_an_address_is_shown_with_a_port_that_is_not_that_of_https() -> None:
    assert str(Address.parse("https://localhost:8443/x")) == "localhost:8443/x"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://management.azure.com/",
        "https:/management.azure.com/",
        "https://",
        "https://me@management.azure.com/",
        "https://me:secret@management.azure.com/",
        "https://management.azure.com#.evil.example",
        "https://evil.example\\.management.azure.com/",
        "https://management.azure.com/a b",
        "https://management.azure.com/x#y",
        "https://management.azure.com/x?y#z",
        "https://management..azure.com/",
        "https://management.azure.com:/",
        "https://management.azure.com:123456/",
        "https://mänagement.azure.com/",
        " https://management.azure.com/",
        "https://management.azure.com/\n",
    ],
)
def test_what_two_readers_could_read_differently_is_no_address_and_is_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it is no plain https address$"):
        Address.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com/x",
        "https://management.azure.com:443/x",
        "https://MANAGEMENT.azure.com/x",
        "https://westeurope.management.azure.com/x",
    ],
)
def test_the_endpoint_and_its_subdomains_are_arms(url: str) -> None:
    assert Address.parse(url).is_of(ARM)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://evil.example?x=.management.azure.com/",
        "https://evilmanagement.azure.com/x",
        "https://management.azure.com.evil.example/x",
        "https://azure.com/x",
        "https://management.azure.com:8443/x",
    ],
)
def test_nothing_else_is(url: str) -> None:
    assert not Address.parse(url).is_of(ARM)


@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,3}", fullmatch=True), st.integers(1, 65535))
def test_law_only_a_host_that_ends_in_the_endpoints_name_is_of_it(host: str, port: int) -> None:
    labels = Address.parse(f"https://{host}:{port}/").host.split(".")
    is_below = labels[-3:] == ["management", "azure", "com"]
    assert Address.parse(f"https://{host}:{port}/").is_of(ARM) is (is_below and port == 443)


def links() -> Links:
    return Links("Listing accounts of", "sub-1")


def test_a_link_that_leads_on_is_followed() -> None:
    followed = links()
    assert followed.follow("https://x/1") == "https://x/1"
    assert followed.follow("https://x/2") == "https://x/2"


def test_a_link_that_was_followed_before_is_no_way_on() -> None:
    followed = links()
    followed.follow("https://x/1")
    with pytest.raises(Unclear, match="leads back to one that was read already") as caught:
        followed.follow("https://x/1")
    assert str(caught.value).startswith("Listing accounts of sub-1: A page of the list ")


def test_a_list_of_ten_thousand_pages_ends_and_one_more_is_too_many() -> None:
    followed = links()
    for number in range(10_000):
        followed.follow(f"https://x/{number}")
    with pytest.raises(Unclear, match="more than 10000 pages"):
        followed.follow("https://x/more")


def test_a_page_that_holds_nothing_new_is_no_page() -> None:
    with pytest.raises(Unclear, match="holds nothing that an earlier one did not"):
        links().refuse_repetition()
