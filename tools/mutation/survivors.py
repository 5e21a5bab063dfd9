"""The survivors that are known, in `survivors.toml`, each with its reason.

An entry is either equivalent (no test could ever tell the mutant from the original) or accepted (a
test could, and it isn't worth having: the reason says why).
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tools.mutation.mutants import Mutant, Name

FILE = Path(__file__).parent / "survivors.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """One survivor. The names of its fields are those of the file."""

    file: str
    scope: str = ""
    text: str
    change: str
    nth: int = 1
    equivalent: str = ""
    """Why no test could tell."""
    accepted: str = ""
    """Why no test does."""

    def __post_init__(self) -> None:
        if bool(self.equivalent) == bool(self.accepted):
            raise ValueError(f"{self.name} has to be either equivalent or accepted, and say why")

    @property
    def name(self) -> Name:
        """What identifies it: `Mutant.name`."""
        return self.file, self.scope, self.text, self.change, self.nth


def read(text: str) -> tuple[Survivor, ...]:
    """Read the file. Raises ValueError if an entry lacks a reason or is there twice."""
    found = tuple(Survivor(**entry) for entry in tomllib.loads(text).get("survivor", []))
    if len({entry.name for entry in found}) < len(found):
        raise ValueError("a survivor is listed twice")
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """The survivors of a run beside those that are known."""

    equivalent: tuple[Mutant, ...] = ()
    accepted: tuple[Mutant, ...] = ()
    unknown: tuple[Mutant, ...] = ()
    no_more: tuple[Survivor, ...] = ()
    """Entries whose mutant was killed, or is none any more."""

    @classmethod
    def of(cls, survivors: Iterable[Mutant], known: Iterable[Survivor]) -> Self:
        """Compare the survivors of some files with the entries of the same files."""
        left = {entry.name: entry for entry in known}
        equivalent, accepted, unknown = list[Mutant](), list[Mutant](), list[Mutant]()
        for mutant in survivors:
            match left.pop(mutant.name, None):
                case None:
                    unknown.append(mutant)
                case entry if entry.equivalent:
                    equivalent.append(mutant)
                case _:
                    accepted.append(mutant)
        return cls(tuple(equivalent), tuple(accepted), tuple(unknown), tuple(left.values()))


def entry_for(mutant: Mutant) -> str:
    """Return the entry of a survivor, ready for its reason."""
    scope = f"scope = {_quoted(mutant.scope)}\n" if mutant.scope else ""
    nth = f"nth = {mutant.nth}\n" if mutant.nth > 1 else ""
    return (
        f"[[survivor]]\nfile = {_quoted(mutant.file)}\n{scope}text = {_quoted(mutant.text)}\n"
        f"change = {_quoted(mutant.change)}\n{nth}"
    )


def _quoted(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
