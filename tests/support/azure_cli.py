"""A stand-in for `az` and `azd`: it answers by the beginning of a command line, and keeps them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from subprocess import CompletedProcess
from typing import Any

type Answer = tuple[int, str] | Callable[[Sequence[str]], tuple[int, str]]


@dataclass
class AzureCli:
    """What the programs answer, by the beginning of their command line; the longest one counts."""

    calls: list[list[str]] = field(default_factory=list)
    """Every command line, in order."""
    _answers: dict[str, list[Answer]] = field(default_factory=dict)

    def __call__(self, command: Sequence[str]) -> CompletedProcess[str]:
        """Answer a command line, in the place of a program."""
        self.calls.append(list(command))
        line = " ".join(command)
        known = [prefix for prefix in self._answers if line.startswith(prefix)]
        if not known:
            return CompletedProcess(command, 2, "", f"not answered here: {line}")
        # The last of several answers stays.
        waiting = self._answers[max(known, key=len)]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        status, text = answer(command) if callable(answer) else answer
        return CompletedProcess(command, status, "" if status else text, text if status else "")

    def answer(self, command: str, *values: Any) -> None:
        """Answer commands that begin so with JSON: with one value after the other."""
        self._answers[command] = [(0, json.dumps(value)) for value in values]

    def refuse(self, command: str, *said: str, then: Any = ...) -> None:
        """Fail commands that begin so, with this on stderr; after these `then` is the answer."""
        answers: list[Answer] = [(1, text) for text in said]
        self._answers[command] = answers if then is ... else [*answers, (0, json.dumps(then))]

    def act(self, command: str, does: Callable[[Sequence[str]], tuple[int, str]]) -> None:
        """Let a function answer commands that begin so: for what keeps state."""
        self._answers[command] = [does]

    def called(self, *words: str) -> list[list[str]]:
        """Return the command lines that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]
