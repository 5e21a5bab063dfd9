"""Stand-ins for `az` and `azd`: programs on PATH that answer from a file and log what they get."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, sys
folder, called = {folder!r}, [{name!r}, *sys.argv[1:]]
with open(folder + "/log", "a") as log:
    log.write(json.dumps(called) + "\\n")
answers = json.load(open(folder + "/answers.json"))
line = " ".join(called)
for prefix, (status, text) in sorted(answers.items(), key=lambda answer: -len(answer[0])):
    if line.startswith(prefix):
        print(text, file=sys.stderr if status else sys.stdout)
        sys.exit(status)
print("not answered here: " + line, file=sys.stderr)
sys.exit(2)
"""


@dataclass
class AzureCli:
    """What the programs answer, by the beginning of their command line; the longest one counts."""

    folder: Path

    def __post_init__(self) -> None:
        """Write the programs."""
        self._answers: dict[str, tuple[int, str]] = {}
        for name in ("az", "azd"):
            path = self.folder / name
            path.write_text(
                _PROGRAM.format(python=sys.executable, folder=str(self.folder), name=name)
            )
            path.chmod(0o755)
        (self.folder / "log").touch()
        self._save()

    def answer(self, command: str, value: Any) -> None:
        """Answer commands that begin so with JSON."""
        self._answers[command] = (0, json.dumps(value))
        self._save()

    def refuse(self, command: str, said: str) -> None:
        """Fail commands that begin so, with this on stderr."""
        self._answers[command] = (1, said)
        self._save()

    @property
    def calls(self) -> list[list[str]]:
        """Every command line, in order."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    def called(self, *words: str) -> list[list[str]]:
        """Return the command lines that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]

    def _save(self) -> None:
        (self.folder / "answers.json").write_text(json.dumps(self._answers))
