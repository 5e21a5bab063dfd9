"""A management group whose contents `az` lists and deletes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.azure_cli import AzureCli

_NAMES = ("id", "name", "roleName")


@dataclass
class ManagementGroup:
    """What is at the group and its rings, by kind, as `az` lists and deletes it.

    A row with a `scope` is there alone.
    """

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
        return 0, json.dumps([row for row in rows if _is_at(row, options)])

    def _delete(self, command: Sequence[str]) -> tuple[int, str]:
        kind = " ".join(command[1 : command.index("delete")])
        options = dict(pairwise(command))
        name = options.get("--ids") or options["--name"]
        if kind in self.undeletable:
            return 1, "(AuthorizationFailed) no"
        self.there[kind] = [
            row
            for row in self.there[kind]
            if name not in {row.get(key) for key in _NAMES} or not _is_at(row, options)
        ]
        return 0, ""


def _is_at(row: Mapping[str, object], options: Mapping[str, str]) -> bool:
    """Whether a row is at the scope that a command line names, if it names one."""
    names = ("--scope", "--management-group-id", "--subscription")
    named = next((options[name] for name in names if name in options), "")
    return str(row.get("scope", named)).lower().endswith(named.lower())
