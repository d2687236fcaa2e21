"""docs/state-machine.md, from the table of legal transitions that the engine holds itself to."""

from collections.abc import Iterable, Iterator

from penstock.model.status import ENDED, TRANSITIONS, UNDER_WAY, Status

WAITING: tuple[Status, ...] = tuple(
    each
    for each in ("WAITING_ON_DEPENDENCIES", "WAITING_FOR_RUNNER", "PAUSED")
    if each in TRANSITIONS
)
GROUP = "Waiting"
BESIDE = " / "
_OR = "; "

RERUN = "RERUN"
MARK = "MARK_FINISHED"
CANCEL = "TRY_CANCEL, Terminate"
SKIP = "activation with a later startTimestamp"
TIME_UP = "preconditionTimeout is over"
ENDS = "it has failed, ran out of time, is cancelled, or nobody uses it any more"

CAUSES: dict[Status, dict[Status, str]] = {
    "WAITING_ON_DEPENDENCIES": {
        "WAITING_FOR_RUNNER": "nothing is left to wait for",
        "PAUSED": "PAUSE",
        "FINISHED": f"a data node waits for nothing any more; {MARK}",
        "FAILED": f"a value cannot be evaluated; {TIME_UP}",
        "CANCELED": CANCEL,
        "CASCADE_FAILED": "a dependency has failed, in mode cascade",
        "SKIPPED": SKIP,
        "VALIDATING": "an instance waits for nothing but the resource",
    },
    "WAITING_FOR_RUNNER": {
        "RUNNING": "handed to a runner",
        "WAITING_ON_DEPENDENCIES": "it has to wait again",
        "PAUSED": "PAUSE",
        "FINISHED": MARK,
        "FAILED": f"a value cannot be evaluated; {TIME_UP}",
        "CANCELED": CANCEL,
        "SKIPPED": SKIP,
    },
    "RUNNING": {
        "FINISHED": "the runner says so",
        "FAILED": "failed, lost or timed out, and no try is left",
        "CANCELED": "its runner has learned of the cancellation",
        "SHUTTING_DOWN": ENDS,
        "WAITING_FOR_RUNNER": "not acknowledged in time, or the runner hung up",
        "WAITING_ON_DEPENDENCIES": "failed, with a try left; a precondition that is not met yet",
        "PAUSED": "its attempt ends, or is put back, while its component is paused",
    },
    "PAUSED": {
        "WAITING_ON_DEPENDENCIES": "RESUME",
        "WAITING_FOR_RUNNER": "RESUME",
        "FINISHED": f"a data node waits for nothing any more; {MARK}",
        "FAILED": f"a value cannot be evaluated; {TIME_UP}",
        "CANCELED": CANCEL,
        "CASCADE_FAILED": "RESUME, and a dependency has failed, in mode cascade",
        "SKIPPED": SKIP,
    },
    "VALIDATING": {
        "CREATING": "the provider finds nothing wrong",
        "FINISHED": "nobody uses it any more",
        "FAILED": "the provider refuses its fields, or no try is left",
        "CANCELED": CANCEL,
        "WAITING_ON_DEPENDENCIES": "failed, with a try left",
        "PAUSED": "failed, with a try left, while its component is paused",
    },
    "CREATING": {
        "ACTIVATING": "the machine is up",
        "RUNNING": "a runner on it is heard at once",
        "SHUTTING_DOWN": ENDS,
    },
    "ACTIVATING": {"RUNNING": "a runner on it is heard", "SHUTTING_DOWN": ENDS},
    "SHUTTING_DOWN": {
        "FINISHED": "stopped, since nobody uses it any more",
        "FAILED": "stopped, and no try is left",
        "CANCELED": "stopped after a cancellation",
        "TIMEDOUT": "stopped at terminateAfter",
        "WAITING_ON_DEPENDENCIES": "stopped, with a try left",
        "PAUSED": "stopped, with a try left, while its component is paused",
    },
    **{
        ended: {
            "WAITING_ON_DEPENDENCIES": RERUN,
            "WAITING_FOR_RUNNER": f"{RERUN}, with nothing to wait for",
            "PAUSED": f"{RERUN}, while its component is paused",
            "FINISHED": MARK,
            "CASCADE_FAILED": f"{RERUN}, and a dependency is still failed, in mode cascade",
        }
        for ended in TRANSITIONS
        if ended in ENDED
    },
}
"""What brings each transition about; of what the table does not have, nothing is shown."""

OPENING = """# The states of an instance

Made from the table in `src/penstock/model/status.py` by `make reference`; do not edit. The engine
takes every step through that table, so a transition that is not in it does not happen, whatever a
runner or a person asks for. What the states mean stands in [engine.md](engine.md).

## From waiting to an end
"""

FROM_WAITING = """
## From any waiting state
"""

PAUSES = """
## Pauses
"""

RESOURCES = """
## Resources

A resource has no runner to wait for but one of its own. Its ends lie behind SHUTTING_DOWN, so that
nothing that was made is left behind.
"""

AFTERWARDS = """
## After the end

Only a person, or the activation after a deactivation, brings back what has ended.
"""

TABLE = """
## All of them

| from | to | by |
| --- | --- | --- |
"""

OF_RESOURCES: frozenset[Status] = UNDER_WAY - {"RUNNING"}
UNFINISHED = tuple(each for each in TRANSITIONS if each not in ENDED)
OVER = tuple(each for each in TRANSITIONS if each in ENDED)


def state_machine() -> str:
    """The page."""
    shared = set.intersection(*(set(TRANSITIONS[each]) for each in WAITING)) - set(WAITING)
    own = [
        (source, target)
        for source in UNFINISHED
        for target in _targets(source)
        if not (source in WAITING and target in shared)
    ]
    resources = [pair for pair in own if not OF_RESOURCES.isdisjoint(pair)]
    own = [pair for pair in own if pair not in resources]
    pauses = [pair for pair in own if "PAUSED" in pair]
    return "".join(
        (
            OPENING,
            _mermaid(_arrow(*pair) for pair in own if pair not in pauses),
            FROM_WAITING,
            _mermaid(_from_waiting(shared)),
            PAUSES,
            _mermaid(_arrow(*pair) for pair in pauses),
            RESOURCES,
            _mermaid(_arrow(*pair) for pair in resources),
            AFTERWARDS,
            _mermaid(_afterwards()),
            TABLE,
            *_rows(),
        )
    )


def _mermaid(lines: Iterable[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"\n```mermaid\nstateDiagram-v2\n{body}```\n"


def _arrow(source: Status, target: Status) -> str:
    return f"{source} --> {target} : {_label(CAUSES[source][target].split(_OR))}"


def _from_waiting(shared: set[Status]) -> Iterator[str]:
    """What all waiting states have in common, from one box for the three."""
    yield _box(GROUP, WAITING)
    for target in TRANSITIONS:
        if target in shared:
            causes = [part for each in WAITING for part in CAUSES[each][target].split(_OR)]
            yield f"{GROUP} --> {target} : {_label(causes)}"


def _afterwards() -> Iterator[str]:
    """Out of ended states, those that can do the same in one box."""
    kinds: dict[frozenset[Status], list[Status]] = {}
    for each in OVER:
        kinds.setdefault(TRANSITIONS[each], []).append(each)
    yield _box(GROUP, WAITING)
    for number, (targets, sources) in enumerate(kinds.items(), 1):
        name = sources[0] if len(sources) == 1 else f"Ended{number}"
        if len(sources) > 1:
            yield _box(name, sources)
        if set(WAITING) <= targets:
            yield f"{name} --> {GROUP} : {RERUN}"
        for target in _targets(sources[0]):
            if target not in WAITING:
                causes = CAUSES[sources[0]][target].split(_OR)
                yield f"{name} --> {target} : {_label(causes)}"


def _box(name: str, states: Iterable[Status]) -> str:
    return f'state "{BESIDE.join(states)}" as {name}'


def _targets(source: Status) -> list[Status]:
    """In the order of the table's own rows."""
    return [each for each in TRANSITIONS if each in TRANSITIONS[source]]


def _label(causes: Iterable[str]) -> str:
    """Of an arrow, which takes no semicolon."""
    return ", or ".join(dict.fromkeys(causes))


def _rows() -> Iterator[str]:
    for source in TRANSITIONS:
        for target in _targets(source):
            yield f"| {source} | {target} | {CAUSES[source][target]} |\n"
