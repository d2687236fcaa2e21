"""How error texts quote what a caller wrote."""


def shorten(text: str, length: int = 80) -> str:
    """A text cut to `length` characters, the cut marked."""
    return text if len(text) <= length else text[: length - 1] + "…"


def did_you_mean(guess: str | None) -> str:
    """The sentence that offers a guess, with a leading space; empty without one."""
    return "" if guess is None else f" Did you mean {guess!r}?"
