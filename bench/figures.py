"""Figures, their targets, and the table that shows them."""

from collections.abc import Iterable

from msgspec import Struct
from rich.console import Console
from rich.table import Table


class Figure(Struct, frozen=True):
    """One measured value; `at_least` tells whether more or less is better than the target."""

    part: str
    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = True
    note: str = ""

    @property
    def verdict(self) -> str:
        """`ok`, `short`, or nothing without a target."""
        if self.target is None:
            return ""
        met = self.value >= self.target if self.at_least else self.value <= self.target
        return "ok" if met else "short"

    @property
    def ratio(self) -> float | None:
        """Above 1 is better than the target, whichever way the target points."""
        if self.target is None or not self.value:
            return None
        return self.value / self.target if self.at_least else self.target / self.value


def show(figures: Iterable[Figure]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "figure"):
        table.add_column(heading)
    for heading in ("value", "target", "times"):
        table.add_column(heading, justify="right")
    for heading in ("", "note"):
        table.add_column(heading, overflow="fold")
    part = ""
    for figure in figures:
        sign = "≥" if figure.at_least else "≤"
        table.add_row(
            f"({figure.part})" if figure.part != part else "",
            figure.name,
            f"{number(figure.value)} {figure.unit}",
            f"{sign} {number(figure.target)}" if figure.target is not None else "",
            f"{figure.ratio:.2f}" if figure.ratio is not None else "",
            figure.verdict,
            figure.note,
        )
        part = figure.part
    Console(highlight=False, width=132).print(table)


def number(value: float) -> str:
    """Three digits that matter, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
