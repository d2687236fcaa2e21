"""What a rehearsal tells in figures: how many runs, how late, how busy, and what never ran."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.plan import SERVICE_PREFIX
from penstock.model.ids import parse_resource_group
from penstock.model.times import Instant
from penstock.simulation.whatif import Lived, Never, Run, Try, is_work, never_ran


class Delay(Struct, frozen=True):
    """How long things took to begin: on average, at worst, and which that was; in milliseconds."""

    average_ms: int
    worst_ms: int
    worst: Run


class Crew(Struct, frozen=True):
    """The runners of one worker group: `busy` is the share of their time, from 0 to 1.

    `most_at_once` tasks were in their hands at one time; `queued` is how long tasks that were ready
    waited for one of them.
    """

    worker_group: str
    runners: int
    tasks: int
    busy: float
    most_at_once: int
    queued: Delay | None


class Forecast(Struct, frozen=True):
    """The figures of a rehearsal. `runs` counts the work, not the data nodes.

    `began` and `done` tell how long after it was due work began, and ended.
    """

    runs: int
    statuses: dict[str, int]
    tries: int
    began: Delay | None
    done: Delay | None
    crews: list[Crew]
    never: list[Never]
    over_at: Instant


def forecast(lived: Lived) -> Forecast:
    """The figures of what was lived through."""
    work = [run for run in lived.runs if is_work(run)]
    over = over_at(lived)
    statuses: dict[str, int] = {}
    for run in work:
        statuses[run.status] = statuses.get(run.status, 0) + 1
    return Forecast(
        runs=len(work),
        statuses=dict(sorted(statuses.items())),
        tries=sum(len(run.tries) for run in work),
        began=_delay((run, run.started_at - run.due_at) for run in work if run.started_at),
        done=_delay(
            (run, run.ended_at - run.due_at) for run in work if run.ended_at and run.started_at
        ),
        crews=_crews(work, lived, over),
        never=[_never(lived, each) for each in lived.never],
        over_at=over,
    )


def _never(lived: Lived, first: Never) -> Never:
    """With the number of all that never ran."""
    count = sum(never_ran(run) for run in lived.runs if run.component == first.component)
    return replace(first, count=count)


def over_at(lived: Lived) -> Instant:
    """When the last thing happened, if the pipeline finished before the scenario's end."""
    if lived.pipeline.state != "FINISHED" or lived.pipeline.finished_at is None:
        return lived.scenario.until
    return lived.pipeline.finished_at


def _delay(pairs: Iterable[tuple[Run, int]]) -> Delay | None:
    found = list(pairs)
    if not found:
        return None
    worst, worst_ms = max(found, key=lambda pair: pair[1])
    return Delay(sum(ms for _, ms in found) // len(found), worst_ms, worst)


def _crews(work: Sequence[Run], lived: Lived, over: Instant) -> list[Crew]:
    groups: dict[str, list[tuple[Run, Try]]] = {}
    for run in work:
        for each in run.tries:
            if each.worker_group.startswith(SERVICE_PREFIX):
                continue
            groups.setdefault(_crew_name(each.worker_group), []).append((run, each))
    return [_crew(group, pairs, lived, over) for group, pairs in sorted(groups.items())]


def _crew_name(worker_group: str) -> str:
    """All machines of a resource count as one crew."""
    named = parse_resource_group(worker_group)
    return worker_group if named is None else f"{named[1].component} (resource)"


def _crew(group: str, pairs: Sequence[tuple[Run, Try]], lived: Lived, over: Instant) -> Crew:
    taken = [(each.started_at, each.ended_at or over) for _, each in pairs if each.started_at]
    length_ms = max(over - lived.scenario.begin, 1)
    spent_ms = sum(stop - start for start, stop in taken)
    return Crew(
        worker_group=group,
        runners=lived.scenario.runners,
        tasks=len(pairs),
        busy=spent_ms / (length_ms * lived.scenario.runners),
        most_at_once=_most_at_once(taken),
        queued=_delay((run, (each.started_at or over) - each.ready_at) for run, each in pairs),
    )


def _most_at_once(spans: Iterable[tuple[Instant, Instant]]) -> int:
    steps = sorted(step for start, stop in spans for step in ((start, 1), (stop, -1)))
    most = now = 0
    for _, change in steps:
        now += change
        most = max(most, now)
    return most
