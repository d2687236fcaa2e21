"""The flow of data and order: what waits for what must end, and staging needs directories."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule
from penstock.language.wording import shorten

WAITING_KEYS = ("dependsOn", "input", "precondition")
"""Fields by which an object waits for what it refers to; by `output` it is the other way round."""

_OWN_ARROWS = {key: f" -{key}-> " for key in WAITING_KEYS}
_OUTPUT_ARROW = " <-output- "

LONGEST_WAY = 12
"""Steps of a cycle that are shown; of a longer one the middle is left out."""

MOST_CYCLES = 20
"""Cycles that are reported; those who have more will look again after mending these."""


class Wait(NamedTuple):
    """An arrow of the graph: whom an object waits for, and the field that says so, as shown."""

    target: str
    arrow: str


def check_flow(subject: Subject, report: Report) -> None:
    """Cycles over dependsOn, input, output and precondition; staging without a directory."""
    for number, cycle in enumerate(find_cycles(_waits(subject))):
        if number == MOST_CYCLES:
            break
        first, arrow = cycle[0]
        text = f"the object waits for itself: {_way(cycle)}; take one of these references out"
        report.error(
            first, Rule.CYCLE, text, arrow.strip(" ->") if arrow != _OUTPUT_ARROW else None
        )
    for each in subject.resolved.objects.values():
        if "stage" in each.fields and subject.known_text(each, "stage") == "true":
            for fault in _staging_faults(subject, each):
                report.error(each.id, *fault)


def _waits(subject: Subject) -> dict[str, list[Wait]]:
    """For each object what it waits for: what it refers to so, and a node for its producers."""
    waits: dict[str, list[Wait]] = {object_id: [] for object_id in subject.resolved.objects}
    for each in subject.resolved.objects.values():
        if each.type is None:
            continue  # abstract parents and Default never run
        for key in WAITING_KEYS:
            for other in each.refs(key) if key in each.fields else ():
                if other in waits:
                    waits[each.id].append(Wait(other, _OWN_ARROWS[key]))
        for output in each.refs("output"):
            if output in waits:
                waits[output].append(Wait(each.id, _OUTPUT_ARROW))
    return waits


Cycle = Sequence[tuple[str, str]]
"""Ids in order, each with the arrow to the next; the last one's leads to the first."""


def find_cycles(edges: Mapping[str, Sequence[Wait]]) -> Iterator[Cycle]:
    """One cycle for each arrow that closes one; the smallest id first, and none twice.

    By a walk without recursion, in linear time but for the cycles' own lengths. Every cycle of the
    graph has at least one of its arrows among those that are found; to list all there are could
    take for ever. The walk goes by the names of the objects, not by their order.
    """
    done: set[str] = set()
    for start in sorted(edges):
        if start in done or not edges[start]:
            continue
        path = {start: iter(sorted(set(edges[start])))}  # the way from the start, in order
        arrows: list[str] = []
        while path:
            current = next(reversed(path))
            wait = next(path[current], None)
            if wait is None:
                path.popitem()
                if arrows:
                    arrows.pop()
                done.add(current)
            elif wait.target in path:
                way = list(path)
                at = way.index(wait.target)
                yield _from_smallest(list(zip(way[at:], [*arrows[at:], wait.arrow], strict=True)))
            elif wait.target not in done:
                path[wait.target] = iter(sorted(set(edges[wait.target])))
                arrows.append(wait.arrow)


def _from_smallest(cycle: Cycle) -> Cycle:
    at = cycle.index(min(cycle))
    return [*cycle[at:], *cycle[:at]]


def _way(cycle: Cycle) -> str:
    steps = [shorten(object_id) + arrow for object_id, arrow in cycle]
    if len(steps) > LONGEST_WAY:
        half = LONGEST_WAY // 2
        left_out = f"… ({len(steps) - 2 * half} more) … "
        steps = [*steps[:half], left_out, *steps[-half:]]
    return "".join(steps) + shorten(cycle[0][0])


def _staging_faults(subject: Subject, each: ResolvedObject) -> Iterator[Fault]:
    """An output that is staged must be a directory; an input may be a file (guide, "Staging")."""
    if each.type is None:
        return
    for reference in each.refs("output"):
        node = subject.resolved.objects.get(reference)
        if node is None or node.type != "S3DataNode" or "directoryPath" in node.fields:
            continue
        text = (
            f"'stage' is true, so the output {shorten(reference)!r} needs 'directoryPath' (what "
            "the command leaves in ${OUTPUT1_STAGING_DIR} goes there); give it one instead of "
            "'filePath', or set 'stage' to false"
        )
        yield Fault(Rule.STAGING, text, "output")
