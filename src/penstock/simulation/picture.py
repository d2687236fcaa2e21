"""A Gantt chart as an SVG: one file that needs nothing else, its texts real texts."""

from collections.abc import Iterator
from html import escape

from penstock.model.times import Instant, format_instant
from penstock.simulation.gantt import (
    KINDS,
    RANK,
    RUNNING_KINDS,
    Bar,
    Chart,
    Kind,
    Lane,
    cells,
    ticks,
)

COLOURS: dict[Kind, str] = {
    "finished": "#2e8b57",
    "failed": "#c0392b",
    "cascaded": "#e67e22",
    "canceled": "#8e44ad",
    "running": "#1f8fbf",
    "retry": "#f0b429",
    "queued": "#6f9bd8",
    "waiting": "#d5d9e0",
}
WIDTH = 1_200
MARGIN = 24
ROW = 22
TOP = 84
LEGEND = 44
LETTER = 7.2
"""About the width of a letter of the labels."""

LONGEST_LABEL = 36
MOST_BARS = 400
"""Of one lane; where there are more they are drawn as columns, higher where more ran."""

_STYLE = (
    "text{font:12px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#222}"
    ".title{font-size:17px;font-weight:600}.note{fill:#667}.axis{fill:#556;font-size:11px}"
    ".grid{stroke:#e3e6eb;stroke-width:1}.stripe{fill:#f6f7f9}"
)


def svg(chart: Chart, title: str, subtitle: str) -> str:
    """The picture as a text."""
    label_width = _label_width(chart)
    height = TOP + ROW * max(len(chart.lanes), 1) + LEGEND + MARGIN
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{MARGIN}" y="32">{escape(title)}</text>',
        f'<text class="note" x="{MARGIN}" y="52">{escape(subtitle)}</text>',
    ]
    plot = _Plot(chart, label_width)
    lines.extend(plot.axis())
    for row, lane in enumerate(chart.lanes):
        lines.extend(plot.lane(row, lane))
    lines.extend(_legend(chart, TOP + ROW * len(chart.lanes) + LEGEND - 12))
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def _label_width(chart: Chart) -> float:
    longest = max((len(lane.label) for lane in chart.lanes), default=0)
    return min(longest, LONGEST_LABEL) * LETTER + 14


class _Plot:
    """The area of the bars: where a moment lies, and what is drawn there."""

    def __init__(self, chart: Chart, label_width: float) -> None:
        self._chart = chart
        self._left = MARGIN + label_width
        self._width = WIDTH - MARGIN - self._left

    def _x(self, at: Instant) -> float:
        chart = self._chart
        share = (at - chart.begin) / (chart.end - chart.begin)
        return round(self._left + share * self._width, 1)

    def axis(self) -> Iterator[str]:
        """Stripes behind every other lane, and the marks of time."""
        bottom = TOP + ROW * len(self._chart.lanes)
        for row in range(0, len(self._chart.lanes), 2):
            yield (
                f'<rect class="stripe" x="{MARGIN}" y="{TOP + row * ROW}" '
                f'width="{WIDTH - 2 * MARGIN}" height="{ROW}"/>'
            )
        for tick in ticks(self._chart.begin, self._chart.end, int(self._width // 70)):
            x = self._x(tick.at)
            yield f'<line class="grid" x1="{x}" y1="{TOP - 6}" x2="{x}" y2="{bottom}"/>'
            anchor = "end" if x > WIDTH - MARGIN - 30 else "start"
            yield (
                f'<text class="axis" x="{x}" y="{TOP - 12}" text-anchor="{anchor}">'
                f"{tick.label}</text>"
            )

    def lane(self, row: int, lane: Lane) -> Iterator[str]:
        """A label and its bars."""
        top = TOP + row * ROW
        label = lane.label
        if len(label) > LONGEST_LABEL:
            label = label[: LONGEST_LABEL - 1] + "…"
        yield f'<text x="{MARGIN + 4}" y="{top + 15}">{escape(label)}</text>'
        if len(lane.bars) > MOST_BARS:
            yield from self._columns(top, lane)
        else:
            for bar in sorted(lane.bars, key=lambda each: RANK[each.kind]):
                yield self._bar(top, bar)

    def _bar(self, top: int, bar: Bar) -> str:
        x = self._x(bar.start)
        width = max(self._x(bar.stop) - x, 1.2)
        ran = bar.kind in RUNNING_KINDS or bar.kind == "cascaded"
        y, height = (top + 4, ROW - 8) if ran else (top + 8, ROW - 16)
        hint = f"{KINDS[bar.kind]}: {format_instant(bar.start)} to {format_instant(bar.stop)}"
        return (
            f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" rx="1.5" '
            f'fill="{COLOURS[bar.kind]}"><title>{hint}</title></rect>'
        )

    def _columns(self, top: int, lane: Lane) -> Iterator[str]:
        """Many bars, two pixels a column: as high as the share of time that something ran."""
        count = int(self._width // 2)
        most = ROW - 8
        for place, cell in enumerate(cells(lane.bars, self._chart.begin, self._chart.end, count)):
            if cell is None:
                continue
            height = max(cell.share * most, 3.0)
            x = self._left + place * self._width / count
            yield (
                f'<rect x="{x:.1f}" y="{top + 4 + most - height:.1f}" width="2" '
                f'height="{height:.1f}" fill="{COLOURS[cell.kind]}"/>'
            )


def _legend(chart: Chart, y: int) -> Iterator[str]:
    x = float(MARGIN)
    for kind in chart.kinds:
        text = KINDS[kind]
        yield f'<rect x="{x:.0f}" y="{y - 10}" width="12" height="12" fill="{COLOURS[kind]}"/>'
        yield f'<text x="{x + 17:.0f}" y="{y}">{text}</text>'
        x += 17 + len(text) * LETTER + 18
