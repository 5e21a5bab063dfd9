"""A management group whose contents `az` lists and deletes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.azure_cli import AzureCli

_NAMES = ("id", "name", "roleName")


@dataclass
class ManagementGroup:
    """What is at the group and its ring, by kind, as `az` lists and deletes it."""

    there: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    undeletable: set[str] = field(default_factory=set)

    def play(self, cli: AzureCli) -> None:
        """Answer in the place of `az`."""
        cli.answer("az account management-group show", {})
        for kind in self.there:
            cli.act(f"az {kind} list", self._list)
            cli.act(f"az {kind} delete", self._delete)

    def _list(self, command: Sequence[str]) -> tuple[int, str]:
        rows = self.there[" ".join(command[1 : command.index("list")])]
        options = dict(pairwise(command))
        if command[2] == "assignment" and command[1] == "role":
            rows = [row for row in rows if str(row["scope"]).lower() == options["--scope"].lower()]
        return 0, json.dumps(rows)

    def _delete(self, command: Sequence[str]) -> tuple[int, str]:
        kind = " ".join(command[1 : command.index("delete")])
        options = dict(pairwise(command))
        name = options.get("--ids") or options["--name"]
        if kind in self.undeletable:
            return 1, "(AuthorizationFailed) no"
        self.there[kind] = [
            row for row in self.there[kind] if name not in {row.get(key) for key in _NAMES}
        ]
        return 0, ""
