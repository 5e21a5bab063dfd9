"""A token goes to one place, and a list of pages ends.

Addresses that two parsers could read differently are none.
"""

from urllib.parse import urlsplit

import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st

from shared.core.addresses import Address, Links
from shared.core.errors import Unclear

ENDPOINT = Address.parse("https://management.azure.com")
LOCAL = Address.parse("https://127.0.0.1:8443/")


def test_an_address_is_taken_apart() -> None:
    address = Address.parse("https://Management.Azure.com:8443/Subscriptions/x?api-version=1")
    assert address.host == "management.azure.com"
    assert address.port == 8443
    assert address.path == "/Subscriptions/x"


def test_without_a_port_it_is_that_of_https() -> None:
    assert ENDPOINT.port == 443


def test_without_a_path_it_is_the_root() -> None:
    assert ENDPOINT.path == "/"


def test_an_address_by_number_may_be_of_either_version() -> None:
    assert Address.parse("https://127.0.0.1:8443/").host == "127.0.0.1"
    assert Address.parse("https://[::1]:8443/").host == "[::1]"


def test_an_address_shows_its_port_where_it_is_another_and_never_its_query() -> None:
    assert str(Address.parse("https://a.example/x?s=1")) == "a.example/x"
    assert str(Address.parse("https://a.example:8443?s=1")) == "a.example:8443/"


@pytest.mark.parametrize(
    "url",
    ["", "https://user@management.azure.com/x?sig=secret", "https://management.azure.com:123456/"],
)
def test_what_is_said_of_an_address_that_is_none_shows_no_signature(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it is no plain https address$"):
        Address.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://management.azure.com",
        "https://management.azure.com/",
        "https://management.azure.com/subscriptions?api-version=2022-12-01",
        "https://management.azure.com:443/subscriptions",
        "https://management.azure.com:00443/subscriptions",
        "HTTPS://Management.AZURE.com/subscriptions",
        "https://eastus2.management.azure.com/subscriptions/x?t=1&c=MII%2Fabc==",
        "https://a.b.management.azure.com/x",
        "https://management.azure.com?$skiptoken=x",
        "https://management.azure.com/x?next=https://evil.example/@management.azure.com",
        "https://management.azure.com/@evil.example/",
        "https://management.azure.com/%2F%2Fevil.example",
    ],
)
def test_an_address_on_azure_resource_manager_or_a_subdomain_of_it_is_taken(url: str) -> None:
    assert Address.parse(url).is_of(ENDPOINT)


ELSEWHERE = [
    "https://evil.example?x=.management.azure.com/",
    "https://evil.example/?x=.management.azure.com/",
    "https://evil.example#.management.azure.com/",
    "https://evil.example/#.management.azure.com/",
    "https://evil.example/.management.azure.com",
    "https://evil.example:443?x=.management.azure.com/",
    "https://management.azure.com.evil.example/",
    "https://management.azure.com@evil.example/",
    "https://management.azure.com:443@evil.example/",
    "https://management.azure.com%40evil.example/",
    "https://user@management.azure.com/",
    "https://user:word@management.azure.com/",
    "https://@management.azure.com/",
    "https://evil.example\\@management.azure.com/",
    "https://evil.example\\.management.azure.com/",
    "https:\\\\management.azure.com\\",
    "https://management.azure.com\\@evil.example/",
    "https:///management.azure.com/",
    "https:management.azure.com/",
    "https:/management.azure.com/",
    "//management.azure.com/",
    "/subscriptions",
    "management.azure.com/subscriptions",
    "http://management.azure.com/",
    "http://management.azure.com:443/",
    "ftp://management.azure.com/",
    "https+http://management.azure.com/",
    "https://management.azure.com:80/",
    "https://management.azure.com:8443/",
    "https://management.azure.com:65979/",
    "https://management.azure.com:+443/",
    "https://management.azure.com:-443/",
    "https://management.azure.com:\u0664\u0664\u0663/",
    "https://management.azure.com:443x/",
    "https://management.azure.com:443:443/",
    "https://management.azure.com:/",
    "https://management.azure.com.:443/",
    "https://management.azure.com./",
    "https://.management.azure.com/",
    "https://a..management.azure.com/",
    "https://evilmanagement.azure.com/",
    "https://evil-management.azure.com/",
    "https://azure.com/",
    "https://management%2Eazure.com/",
    "https://management.azure.com%2F@evil.example/",
    "https://%6danagement.azure.com/",
    "https://management.azure.com%00.evil.example/",
    "https://management.azure.com\x00.evil.example/",
    "https://evil.example\x00.management.azure.com/",
    "https://evil.example\t.management.azure.com/",
    "https://management.azure.com\n.evil.example/",
    "https://evil.example\r\n.management.azure.com/",
    " https://management.azure.com/",
    "https:// management.azure.com/",
    "https://management.azure.com /",
    "https://management.azure.com/\n",
    "https://management.azure.com\n",
    "https://evil.example;.management.azure.com/",
    "https://evil.example,.management.azure.com/",
    "https://evil.example&.management.azure.com/",
    "https://evil.example!.management.azure.com/",
    "https://evil.example_.management.azure.com/",
    # The same letters to a person, or to whoever unifies them.
    "https://management\u3002azure\u3002com/",
    "https://management\uff0eazure\uff0ecom/",
    "https://\uff4danagement.azure.com/",
    "https://m\u0430nagement.azure.com/",
    "https://management.azure.co\u2098/",
    "https://evil.example\uff0f.management.azure.com/",
    "https://evil.example\u2100.management.azure.com/",
    "https://evil.example\uff1f.management.azure.com/",
    "https://evil.example\uff03.management.azure.com/",
    "https://evil.example\uff20management.azure.com/",
    "https://b\u00fccher.management.azure.com/",
    "https://management.azure.com\u200b/",
    "https://management.azure.com\u00ad/",
    "https://[::1]/",
    "https://[::1].management.azure.com/",
    "https://[management.azure.com]/",
    "https://[::ffff:127.0.0.1]:443/",
    "https://[fe80::1%25eth0]/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://localhost/",
    "",
    "https://",
]  # fmt: skip


@pytest.mark.parametrize("url", ELSEWHERE)
def test_whatever_else_an_address_looks_like_it_is_not_taken(url: str) -> None:
    try:
        address = Address.parse(url)
    except ValueError:
        return
    assert not address.is_of(ENDPOINT)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8444/",
        "https://127.0.0.1/",
        "https://127.0.0.1:443/",
        "https://localhost:8443/",
        "https://127.1:8443/",
        "https://[::ffff:127.0.0.1]:8443/",
        "https://0x7f000001:8443/",
        "https://1127.0.0.1:8443/",
    ],
)
def test_an_endpoint_on_another_port_or_by_another_name_is_another_place(url: str) -> None:
    assert not Address.parse(url).is_of(LOCAL)


def test_an_ipv6_endpoint_is_itself_alone() -> None:
    endpoint = Address.parse("https://[::1]:8443/")

    assert Address.parse("https://[::1]:8443/x").is_of(endpoint)
    assert not Address.parse("https://[::1]:8444/x").is_of(endpoint)
    assert not Address.parse("https://[::2]:8443/x").is_of(endpoint)


# What a URL is made of, the parts that matter and the letters that confuse.
_PIECES = st.sampled_from(
    [
        "https://", "http://", "HTTPS://", "https:", "//", "/", "\\", "?", "#", "@", ":", ".", "%",
        "management.azure.com", "Management.Azure.COM", ".management.azure.com", "evil.example",
        "localhost", "127.0.0.1", "[::1]", "[", "]", ":443", ":8443", ":0", ":99999", "443", "x",
        "-", "_", ";", "&", "=", "%2e", "%2F", "%40", "%5c", "xn--", "\u00df", "\u017f", "\u212a",
        "\u0130", "\u3002", "\uff0e", "\uff0f", "\uff20", "\u200b", "\u00ad", "\u2028", "\x00",
        "\x1f", "\t", "\n", "\r", " ",
    ]
)  # fmt: skip
_BUILT = st.lists(_PIECES, max_size=8).map("".join)
_AFTER_A_GOOD_START = st.builds(
    "https://{}{}".format,
    st.sampled_from(["management.azure.com", "x.management.azure.com", "evil.example", ""]),
    st.one_of(_BUILT, st.text(max_size=12)),
)


@given(url=st.one_of(_BUILT, _AFTER_A_GOOD_START, st.text(max_size=40)))
@example("https://evil.example?x=.management.azure.com/")
@example("https://management.azure.com:443/x")
@example("https://management.azure.com/\x1f//evil.example")
def test_law_what_is_taken_is_read_the_same_by_every_parser(url: str) -> None:
    try:
        address = Address.parse(url)
    except ValueError:
        return
    if not address.is_of(ENDPOINT):
        return
    assert (address.host, address.port) == _by_urllib(url)
    # aiohttp goes where yarl says.
    for is_encoded in (False, True):
        assert (address.host, address.port) == _by_yarl(url, is_encoded=is_encoded)
    assert f".{address.host}".endswith(".management.azure.com")
    assert address.port == 443


def _by_urllib(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    assert parts.scheme == "https"
    assert parts.username is None
    assert parts.password is None
    return parts.hostname, parts.port or 443


def _by_yarl(url: str, *, is_encoded: bool) -> tuple[str | None, int | None]:
    parts = yarl.URL(url, encoded=is_encoded)
    assert parts.scheme == "https"
    assert parts.user is None
    assert parts.password is None
    return parts.raw_host, parts.port


# Links


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
