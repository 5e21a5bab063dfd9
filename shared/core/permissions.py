"""Which actions roles allow, by the patterns that Azure writes them with. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Permission:
    """What one role allows at a scope: its actions, without those that it takes away again."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()

    def grants(self, action: str) -> bool:
        """Whether the role allows an action. What it takes away counts for itself alone."""
        return _covers(self.actions, action) and not _covers(self.not_actions, action)


def grants(permissions: Iterable[Permission], action: str) -> bool:
    """Whether one of several roles allows an action."""
    return any(permission.grants(action) for permission in permissions)


def _covers(patterns: Sequence[str], action: str) -> bool:
    # fnmatch knows more signs than `*`, and no action has them.
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)
