"""How error texts quote what a caller wrote."""

from collections.abc import Iterable

MOST_LISTED = 8
"""Names that one text lists; the rest is counted."""


def shorten(text: str, length: int = 80) -> str:
    """A text cut to `length` characters, the cut marked."""
    return text if len(text) <= length else text[: length - 1] + "…"


def did_you_mean(guess: str | None) -> str:
    """The sentence that offers a guess, with a leading space; empty without one."""
    return "" if guess is None else f" Did you mean {guess!r}?"


def listed(words: Iterable[str], last: str = "or") -> str:
    """Quoted words in a row, `'a', 'b' or 'c'`; of many only the first, and how many more."""
    quoted = [repr(shorten(word)) for word in words]
    if len(quoted) > MOST_LISTED:
        return f"{', '.join(quoted[:MOST_LISTED])} and {len(quoted) - MOST_LISTED} more"
    return f" {last} ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))


def counted(count: int, noun: str) -> str:
    """`1 value`, `2 values`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def also_at(others: Iterable[str]) -> str:
    """The other objects that one finding stands for, in brackets with a leading space."""
    names = sorted(others)
    return f" (also at {listed(names, 'and')})" if names else ""
