"""`penstock run FILE`: a whole definition, from put to finished, with a server and runners inside.

A client of the public API like any other, except that it also starts what it speaks to.
"""

import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import click
from msgspec import Struct
from msgspec.structs import replace

from penstock.cli.main import INTERRUPTED_STATUS
from penstock.cli.options import (
    definition_argument,
    parameter_option,
    parameters_file_option,
    pick_option,
)

if TYPE_CHECKING:
    from penstock.app import Embedded
    from penstock.model.definition import Definition, ParameterValue
    from penstock.wire.client import Client

GRACE_SECONDS = 10.0
LOGS = "logs"


class Given(Struct, frozen=True):
    """What the command line says of the definition to run."""

    file: BinaryIO
    pick: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    parameter_files: tuple[BinaryIO, ...] = ()


class Job(Struct, frozen=True):
    """A definition ready to be put, and what has to run beside the server for it."""

    name: str
    definition: "Definition"
    values: "tuple[ParameterValue, ...]"
    groups: tuple[str, ...]
    endless: tuple[str, ...]
    at_start: bool
    zone: str


def parse_until(
    context: click.Context, option: click.Parameter, text: str | None
) -> datetime | None:
    """Click's callback for `--until`: any date a definition may hold."""
    from penstock.language.periods import parse_datetime
    from penstock.model.errors import DefinitionError

    try:
        return parse_datetime(text) if text is not None else None
    except DefinitionError as error:
        raise click.BadParameter(str(error), context, option) from error


@click.command("run")
@definition_argument
@pick_option
@parameter_option
@parameters_file_option
@click.option("--no-retry", is_flag=True, help="Let the first failure of anything be its last.")
@click.option(
    "--until",
    metavar="DATE",
    callback=parse_until,
    help="End every schedule here (YYYY-MM-DDTHH:MM:SS, UTC).",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory for the database and logs (else a temporary one, which is kept).",
)
@click.option("--name", metavar="NAME", help="The pipeline's name (else the file's).")
@click.option(
    "--tasks",
    type=click.IntRange(1, 1000),
    default=4,
    show_default=True,
    help="Tasks at a time, for each worker group.",
)
def command(
    file: BinaryIO,
    pick: str | None,
    parameters: tuple[tuple[str, str], ...],
    parameter_files: tuple[BinaryIO, ...],
    no_retry: bool,
    until: datetime | None,
    data: Path | None,
    name: str | None,
    tasks: int,
) -> int:
    """Run a definition to its end: a server and its runners start, work, and stop.

    Past intervals are run too. Exit status 1 if anything failed. A schedule without an end goes on
    until --until or Ctrl-C.
    """
    from penstock.app import Embedded
    from penstock.config import Settings

    given = Given(file, pick, parameters, parameter_files)
    job = prepare(given, no_retry, until)
    if job is None:
        return 1
    if name is not None:
        job = replace(job, name=name)
    directory = data or Path(tempfile.mkdtemp(prefix="penstock-"))
    settings = Settings(
        data_dir=directory, port=0, allow_backfill=True, attached=True, runner_tasks=tasks
    )
    # Something that asks us to end is answered like Ctrl-C: work is called off, then all stops.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with Embedded(settings) as server:
        return run_job(job, server, directory.resolve(), tasks)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def checked(given: Given) -> "tuple[Definition, tuple[ParameterValue, ...]] | None":
    """The definition and its parameters' values; None if its errors were shown instead."""
    from penstock.cli.findings import Verdict, as_text
    from penstock.cli.validate import extension, located, parameter_values
    from penstock.language.forms import read_definition
    from penstock.language.validate import validate
    from penstock.model.limits import Limits

    content = given.file.read()
    definition = extension(given.parameter_files)(read_definition(content, pick=given.pick))
    values = parameter_values(given.parameters)
    findings = validate(definition, Limits(), values)
    if not findings.errored:
        return definition, values
    found = located(content, findings.found, given.pick)
    for line in as_text([Verdict(given.file.name, found=found)]):
        click.echo(line, err=True)
    return None


def prepare(given: Given, no_retry: bool, until: datetime | None) -> Job | None:
    """Read, check and adapt the definition; None if its errors were shown instead."""
    from penstock.cli import preparation
    from penstock.clock import system_clock
    from penstock.language.resolve import resolve
    from penstock.model.times import to_datetime

    found = checked(given)
    if found is None:
        return None
    definition, values = found
    now = to_datetime(system_clock())
    resolved = resolve(definition, values)
    if missing := preparation.unserved(resolved):
        raise click.ClickException("; ".join(missing))
    if no_retry:
        definition = preparation.without_retries(definition, resolved)
    if until is not None:
        definition = preparation.ended_by(definition, resolved, until, now)
    return Job(
        name=Path(given.file.name).stem.strip("<>"),
        definition=definition,
        values=values,
        groups=tuple(preparation.worker_groups(resolved)),
        endless=() if until is not None else tuple(preparation.endless(resolved, now)),
        at_start=preparation.due_at_start(resolved),
        zone=preparation.time_zone(resolved),
    )


def run_job(job: Job, server: "Embedded", directory: Path, tasks: int) -> int:
    """Put and activate the pipeline, follow it, and say how it went; the exit status."""
    from penstock.cli.following import Follower, summary
    from penstock.wire.client import Client

    client = Client(server.endpoint, server.credentials)
    pipeline_id = submit(client, job)
    click.echo(f"Pipeline {job.name} ({pipeline_id}), data and logs in {directory}")
    for schedule in job.endless:
        click.echo(f"{schedule} has no end: Ctrl-C ends this run (or use --until DATE).")
    follower = Follower(client, pipeline_id, job.at_start, job.zone)
    interrupted = False
    with runner(job, server, directory, tasks) as runner_ended:
        try:
            follower.follow(runner_ended)
        except KeyboardInterrupt:
            interrupted = True
            call_off(client, pipeline_id)
    instances = follower.last_look()
    for line in summary(instances, log_places(directory, pipeline_id), pipeline_id, interrupted):
        click.echo(line)
    client.close()
    if any(each.failed and not (interrupted and each.canceled) for each in instances):
        return 1
    return INTERRUPTED_STATUS if interrupted and not job.endless else 0


def submit(client: "Client", job: Job) -> str:
    """Create, put and activate; the pipeline's id. Each run is a pipeline of its own."""
    import msgspec

    created = client.call("CreatePipeline", {"name": job.name, "uniqueId": uuid.uuid4().hex})
    pipeline_id = str(created["pipelineId"])
    definition = msgspec.to_builtins(job.definition)
    put = client.call("PutPipelineDefinition", {"pipelineId": pipeline_id, **definition})
    if put.get("errored"):
        texts = [text for each in put["validationErrors"] for text in each["errors"]]
        raise click.ClickException("the server refused the definition: " + "; ".join(texts))
    values = msgspec.to_builtins(job.values)
    client.call("ActivatePipeline", {"pipelineId": pipeline_id, "parameterValues": values})
    return pipeline_id


def log_places(directory: Path, pipeline_id: str) -> list[Path]:
    """Where the runners that did something for a pipeline have put their logs."""
    from penstock.equipment import RESOURCES

    places = [directory / LOGS, *sorted((directory / RESOURCES).glob(f"{pipeline_id}_*"))]
    return [place for place in places if (place / pipeline_id).is_dir()]


def call_off(client: "Client", pipeline_id: str) -> None:
    """Cancel what runs, so that the runner's stop is not taken for a failure to be retried."""
    from penstock.wire.client import ServiceError

    click.echo("Ending: running work is called off.", err=True)
    try:
        client.call("DeactivatePipeline", {"pipelineId": pipeline_id, "cancelActive": True})
    except ServiceError:
        # It finished in the same moment; there is nothing to call off.
        pass


@contextmanager
def runner(
    job: Job, server: "Embedded", directory: Path, tasks: int
) -> "Iterator[Callable[[], str | None]]":
    """A runner process for all worker groups, ended with the block.

    Gives a question that is None while the runner lives, and then says how it ended.
    """
    from penstock.resources.local import RunnerOrder, start_runner

    if not job.groups:
        yield lambda: None
        return
    order = RunnerOrder(
        job.groups,
        server.endpoint,
        server.credentials.access_key_id,
        server.credentials.secret_access_key,
        directory / LOGS,
        tasks,
        GRACE_SECONDS,
    )
    started = start_runner(order)
    try:
        yield started.ended
    finally:
        started.stop(GRACE_SECONDS)
