"""How alike two names are: what is left without case and punctuation, and how many edits. Pure."""

import difflib
import unicodedata
from collections.abc import Iterable

# Letters by their category in Unicode, and yet nobody sees them: the fillers of Hangul, to which
# NFKC brings the other two (U+3164, U+FFA0).
_UNSEEN_LETTERS = frozenset("\u115f\u1160")
_LEAST_LIKENESS = 0.5


def essence(name: str) -> str:
    """Return the letters and digits of a name, without regard to case and compatibility forms.

    Blanks, dashes, underscores, combining marks and invisible characters of every kind fall away.
    A name that has no letter and no digit stands for itself.
    """
    # NFKC again: casefold leaves some letters taken apart.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = (letter for letter in folded if letter.isalnum() and letter not in _UNSEEN_LETTERS)
    return "".join(kept) or folded


def edits(name: str, other: str, most: int) -> int:
    """Count the edits that make one name another, up to `most`.

    An edit inserts a letter, takes one away, replaces one, or swaps two neighbours.

    Returns `most` + 1 if there are more. (The distance is that of optimal string alignment.)
    """
    if abs(len(name) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(name, 1):
        before, above, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            swapped = i > 1 and j > 1 and letter == other[j - 2] and name[i - 2] == wanted
            row.append(min(least, above[j - 2] + 1) if swapped else least)
        if min(*row, *before) > most:
            return most + 1
    return min(row[-1], most + 1)


def likeliest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, None if there is nothing like it."""
    by_essence = {essence(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(essence(name), by_essence, 1, _LEAST_LIKENESS)
    return by_essence[found[0]] if found else None
