"""The flow of data and order: what waits for what must end, and staging needs directories."""

from collections.abc import Iterator, Mapping, Sequence

from penstock.language.checks.subject import Fault, Report, Subject
from penstock.language.resolve import ResolvedObject
from penstock.language.rules import Rule


def check_flow(subject: Subject, report: Report) -> None:
    """Cycles over dependsOn, input and output; staging without a directory."""
    for cycle in find_cycles(_waits(subject)):
        way = " -> ".join([*cycle, cycle[0]])
        text = f"the object waits for itself (dependsOn, input, output): {way}"
        report.error(cycle[0], Rule.CYCLE, text)
    for each in subject.resolved.objects.values():
        if (each.string("stage") or "").strip().lower() == "true":
            for fault in _staging_faults(subject, each):
                report.error(each.id, *fault)


def _waits(subject: Subject) -> dict[str, list[str]]:
    """For each object what it waits for: inputs, dependsOn, and a node for its producers."""
    waits: dict[str, list[str]] = {object_id: [] for object_id in subject.resolved.objects}
    for each in subject.resolved.objects.values():
        if each.type is None:
            continue  # abstract parents and Default never run
        waits[each.id].extend(
            other for other in (*each.refs("dependsOn"), *each.refs("input")) if other in waits
        )
        for output in each.refs("output"):
            if output in waits:
                waits[output].append(each.id)
    return waits


def find_cycles(edges: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """One cycle for each knot of the graph that a walk meets; without recursion, in linear time."""
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        path = {start: iter(edges[start])}  # the way from the start, in order
        while path:
            current = next(reversed(path))
            following = next(path[current], None)
            if following is None:
                path.popitem()
                done.add(current)
            elif following in path:
                way = list(path)
                yield way[way.index(following) :]
                # The rest of the knot would only repeat it.
                done.update(path)
                path.clear()
            elif following not in done:
                path[following] = iter(edges[following])


def _staging_faults(subject: Subject, each: ResolvedObject) -> Iterator[Fault]:
    if each.type is None:
        return
    for key in ("input", "output"):
        for reference in each.refs(key):
            node = subject.resolved.objects.get(reference)
            if node is None or node.type != "S3DataNode" or "directoryPath" in node.fields:
                continue
            text = (
                f"'stage' is true, so the {key} {reference!r} needs 'directoryPath'; "
                "give it one, or set 'stage' to false"
            )
            yield Fault(Rule.STAGING, text, key)
