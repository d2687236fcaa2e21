"""The name that a mistyped one most likely meant, among few or very many."""

from collections.abc import Collection, Mapping

from penstock.language.catalogue import nearest
from penstock.language.wording import did_you_mean

FEW = 100
"""Candidates up to which each is compared with the name: fields, types, attributes."""

MOST_COMPARISONS = 20_000
"""Comparisons of one validation beyond those with few: a wrong name in each of thousands of
objects, compared with each of thousands of ids, would take minutes."""

_LONGEST = 100
_SHORTEST_CUT = 3
_MOST_INDEXES = 4


class Guesser:
    """Finds nearest names; of many candidates it keeps an index, made when first needed."""

    def __init__(self) -> None:
        self._left = MOST_COMPARISONS
        self._told: dict[tuple[str, tuple[str, ...]], str | None] = {}
        self._indexes: dict[int, tuple[Collection[str], Mapping[str, str]]] = {}

    def sentence(self, name: str, *candidates: Collection[str]) -> str:
        """The guess as a sentence with a leading space, empty without one."""
        return did_you_mean(self.nearest(name, *candidates))

    def nearest(self, name: str, *candidates: Collection[str]) -> str | None:
        """The nearest candidate, or None.

        A large collection should be the same one each time, since its index is kept.
        """
        count = sum(map(len, candidates))
        if len(name) > _LONGEST or not count:
            return None
        if count > FEW:
            close = [self._one_slip_away(name, each) for each in candidates if len(each) > FEW]
            self._left -= count
            if self._left < 0 or any(close):
                return next(filter(None, close), None)
        # Sorted, so that the order of the objects does not choose among equals.
        names = sorted({text for each in candidates for text in each})
        return nearest(name, names) or _completed(name, names)

    def nearest_field(self, name: str, fields: tuple[str, ...]) -> str | None:
        """The nearest of a type's fields: remembered, as one slip is often made in many objects."""
        if (name, fields) not in self._told:
            self._told[name, fields] = self.nearest(name, fields)
        return self._told[name, fields]

    def _one_slip_away(self, name: str, candidates: Collection[str]) -> str | None:
        """A candidate that differs by one letter: wrong, missing, one too many, two swapped.

        All of these leave the same text when one letter is left out of each, so that two look-ups
        in an index of such texts find it, however many candidates there are.
        """
        held, index = self._indexes.get(id(candidates), (None, {}))
        if held is not candidates:
            index = _index(candidates)
            if len(self._indexes) >= _MOST_INDEXES:
                self._indexes.clear()
            # The collection is held too, so that its id stays its own.
            self._indexes[id(candidates)] = (candidates, index)
        found = (index.get(text) for text in _shortened(name.lower()))
        return min(filter(None, found), default=None)


def _completed(name: str, names: Collection[str]) -> str | None:
    """The shortest name that begins so, for what was cut short: `Int`, `desc`."""
    lower = name.lower()
    longer = [each for each in names if each.lower().startswith(lower)]
    return min(longer, key=len, default=None) if len(name) >= _SHORTEST_CUT else None


def _index(candidates: Collection[str]) -> dict[str, str]:
    index: dict[str, str] = {}
    for candidate in sorted(candidates):
        if len(candidate) <= _LONGEST:
            for text in _shortened(candidate.lower()):
                index.setdefault(text, candidate)
    return index


def _shortened(name: str) -> list[str]:
    """The name, and the name without each of its letters."""
    return [name, *(name[:at] + name[at + 1 :] for at in range(len(name)))]
