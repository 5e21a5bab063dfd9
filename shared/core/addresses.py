"""Where a request may go, and how the links of a list are followed. Pure.

Links to next pages and to running operations come from answers. A token goes to one place only:
over https, to the host and port of Azure Resource Manager or to a subdomain of that host. And a
list ends: a link that was followed before, or one too many, is no way on.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from shared.core.errors import Unclear

# Stricter than any URL library: what two libraries could read differently is no address here, so
# user info, backslashes, blanks and fragments are refused, wherever they stand.
_ADDRESS = re.compile(
    r"https://"
    r"(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#\s\\]*)?"
    r"(?P<query>\?[^#\s\\]*)?",
    re.IGNORECASE | re.ASCII,
)
_HTTPS = 443
# A subscription's accounts come 8 to a page or all at once (recorded exchanges, fact 82).
_MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Address:
    """An https address, taken apart. The query is left out: a polling URL's carries a signature."""

    host: str
    """In lower case."""
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Take an address apart. Raises ValueError if it is no plain https address."""
        match = _ADDRESS.fullmatch(url)
        if match is None:
            # Without the text: its query may carry a signature.
            raise ValueError("it is no plain https address")
        port = int(match["port"] or _HTTPS)
        return cls(match["host"].lower(), port, match["path"] or "/")

    def is_of(self, endpoint: Self) -> bool:
        """Whether it is on the endpoint's host or a subdomain of it, and on the same port."""
        same_host = self.host == endpoint.host or self.host.endswith(f".{endpoint.host}")
        return same_host and self.port == endpoint.port

    def __str__(self) -> str:
        port = "" if self.port == _HTTPS else f":{self.port}"
        return f"{self.host}{port}{self.path}"


@dataclass(slots=True)
class Links:
    """The links of one list, as they are followed."""

    action: str
    resource: str
    _followed: set[str] = field(default_factory=set)

    def follow(self, link: str) -> str:
        """Return the link, if it leads on.

        Raises Unclear if it was followed before, or if there is no end to them: a list that runs
        in a circle was not read to its end.
        """
        if link in self._followed:
            self._refuse("A page of the list leads back to one that was read already.")
        if len(self._followed) == _MOST_PAGES:
            self._refuse(f"The list has more than {_MOST_PAGES} pages.")
        self._followed.add(link)
        return link

    def refuse_repetition(self) -> None:
        """End a list of which a page held nothing new: the page in whose place it came is lost.

        Raises Unclear, always.
        """
        self._refuse("A page of the list holds nothing that an earlier one did not.")

    def _refuse(self, message: str) -> None:
        raise Unclear(self.action, self.resource, message=message)
