"""How figures, times and states read on a page. Pure; templates call these as filters."""

from urllib.parse import quote

from penstock.model.ids import instance_id
from penstock.model.runtime import Attempt, Instance
from penstock.model.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant, format_instant

STATUS_WORDS = {
    "WAITING_ON_DEPENDENCIES": "waiting on dependencies",
    "WAITING_FOR_RUNNER": "waiting for a runner",
    "RUNNING": "running",
    "FINISHED": "finished",
    "FAILED": "failed",
    "CANCELED": "canceled",
    "CASCADE_FAILED": "cascade failed",
    "TIMEDOUT": "timed out",
    "PAUSED": "paused",
    "SKIPPED": "skipped",
    "VALIDATING": "being checked",
    "CREATING": "being created",
    "ACTIVATING": "waiting for its runner",
    "SHUTTING_DOWN": "shutting down",
}
"""States of instances and attempts."""

STREAM_NAMES = {"activity": "Activity.log", "stdout": "StdOutput", "stderr": "StdError"}
"""What the runner's files of an attempt's streams are called."""

NOTHING = "\N{EN DASH}"

_UNITS = (
    (DAY_MS, "d", HOUR_MS, "h"),
    (HOUR_MS, "h", MINUTE_MS, "min"),
    (MINUTE_MS, "min", SECOND_MS, "s"),
)


def status_words(status: str) -> str:
    """A state as people read it; what is unknown is only put in lower case."""
    return STATUS_WORDS.get(status, status.replace("_", " ").lower())


def stream_name(stream: str) -> str:
    """A stream as people know it: by its file's name."""
    return STREAM_NAMES.get(stream, stream)


def status_class(status: str) -> str:
    """The style sheet's name for a state."""
    return "s-" + status.lower().replace("_", "-")


def moment(instant: Instant | None) -> str:
    """`2024-05-14 09:15:00`, or a dash."""
    return NOTHING if instant is None else format_instant(instant).replace("T", " ")


def moment_after(instant: Instant | None, earlier: Instant | None) -> str:
    """The same beside an earlier moment: on the same day its time alone is enough."""
    text = moment(instant)
    return text[11:] if earlier is not None and text[:10] == moment(earlier)[:10] else text


def day(instant: Instant) -> str:
    """`2024-05-14`."""
    return format_instant(instant)[:10]


def minute(instant: Instant) -> str:
    """`09:15`."""
    return format_instant(instant)[11:16]


def every(period: str) -> str:
    """`15 minutes`, but `hour` for `1 hour`."""
    return period.removeprefix("1 ")


def duration(milliseconds: int | None) -> str:
    """`340 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`, or a dash."""
    if milliseconds is None or milliseconds < 0:
        return NOTHING
    if milliseconds < SECOND_MS:
        return f"{milliseconds} ms"
    if milliseconds < MINUTE_MS:
        return f"{milliseconds / SECOND_MS:.1f} s"
    unit_ms, unit, part_ms, part = next(each for each in _UNITS if milliseconds >= each[0])
    whole, rest = divmod(milliseconds, unit_ms)
    return f"{whole:,} {unit}" + (f" {rest // part_ms} {part}" if rest >= part_ms else "")


def span(instance: Instance) -> str:
    """An instance's interval, as briefly as it can be told without doubt.

    `2024-05-14 10:00 - 10:15`, `2024-05-14` for a whole day, `2024-05-14 10:00 - 05-15 10:00`.
    """
    start, end = moment(instance.start), moment(instance.end)
    if instance.end <= instance.start:
        return start
    length = instance.end - instance.start
    if instance.start % DAY_MS == instance.end % DAY_MS == 0:
        start, end = start[:10], end[:10]
        if length == DAY_MS:
            return start
    else:
        start, end = start.removesuffix(":00"), end.removesuffix(":00")
    if length < DAY_MS:
        end = end[11:]
    elif start[:5] == end[:5]:
        end = end[5:]
    return f"{start} {NOTHING} {end}"


def count(number: int, most: int) -> str:
    """`1,204`, or `10,000+` where counting stopped."""
    return f"{number:,}{'+' if number >= most else ''}"


def run_ms(attempt: Attempt | None, now: Instant) -> int | None:
    """How long an attempt ran, or has been running; None if no runner took it."""
    if attempt is None or attempt.handed_at is None:
        return None
    return (attempt.ended_at or now) - attempt.handed_at


def pipeline_path(pipeline_id: str) -> str:
    """Where a pipeline's page is."""
    return f"/pipelines/{quote(pipeline_id, safe='')}"


def object_path(object_id: str, pipeline_id: str) -> str:
    """Where a component's or an instance's page is."""
    return f"{pipeline_path(pipeline_id)}/objects/{quote(object_id, safe='@')}"


def instance_name(instance: Instance) -> str:
    """An instance's id."""
    return instance_id(instance.component, instance.start)
