"""Operations on pipelines as such: create, list, describe, tag, delete."""

import json

import msgspec
from msgspec.structs import replace

from penstock.engine.events import CancelInstance, HoldInstance, UpdatePipeline
from penstock.engine.objects import text_field
from penstock.engine.plan import RESOURCE, Plan
from penstock.model.api import (
    AddTagsRequest,
    CreatePipelineAnswer,
    CreatePipelineRequest,
    DeletePipelineRequest,
    DescribePipelinesAnswer,
    DescribePipelinesRequest,
    EmptyAnswer,
    ListPipelinesAnswer,
    ListPipelinesRequest,
    PipelineDescription,
    PipelineIdName,
    RemoveTagsRequest,
    Tag,
)
from penstock.model.caller import Caller
from penstock.model.definition import Field
from penstock.model.errors import InvalidRequest
from penstock.model.runtime import Pipeline, Timer
from penstock.model.status import WAITING_FOR_RUNNER
from penstock.model.times import Instant, format_instant
from penstock.service import audit
from penstock.service.context import Context, find_pipeline
from penstock.service.unit import Unit
from penstock.store.protocol import Reader, lock_of

PAGE = 50
MOST_IDS = 100
"""The reference says 25; stock clients send 100."""


async def create_pipeline(
    context: Context, caller: Caller, request: CreatePipelineRequest
) -> CreatePipelineAnswer:
    """Make an empty pipeline; again with the same name and uniqueId answers the first's id."""
    tags = _merge_tags((), request.tags, context.settings.limits.tags_per_pipeline)

    def create(unit: Unit) -> str:
        account, name, unique_id = caller.account_id, request.name, request.unique_id
        existing = unit.store.pipeline_by_unique_id(account, name, unique_id)
        if existing is not None:
            return existing.id
        pipeline = Pipeline(
            key=0,
            id=context.new_pipeline_id(),
            account_id=account,
            user_id=caller.user_id,
            name=name,
            unique_id=unique_id,
            description=request.description,
            tags=tags,
            state="PENDING",
            version=0,
            created_at=unit.now,
        )
        key = unit.store.insert_pipeline(pipeline)
        audit.note(unit, caller, key, audit.CREATE)
        return pipeline.id

    token = lock_of("create", caller.account_id, request.name, request.unique_id)
    return CreatePipelineAnswer(await context.writer.submit(create, token))


async def list_pipelines(
    context: Context, caller: Caller, request: ListPipelinesRequest
) -> ListPipelinesAnswer:
    """The account's pipelines in creation order, 50 a page; `marker` is the last id."""

    def ask(store: Reader) -> list[Pipeline]:
        after = 0
        if request.marker:
            last = store.pipeline_by_id(caller.account_id, request.marker)
            if last is None:
                raise InvalidRequest(
                    f"marker {request.marker!r} is not one that ListPipelines gave; leave it out "
                    "to begin at the start"
                )
            after = last.key
        return store.pipelines_after(caller.account_id, after, PAGE + 1)

    found = await context.read(ask)
    page = found[:PAGE]
    more = len(found) > PAGE
    return ListPipelinesAnswer(
        [PipelineIdName(pipeline.id, pipeline.name) for pipeline in page],
        more,
        page[-1].id if more else None,
    )


async def describe_pipelines(
    context: Context, caller: Caller, request: DescribePipelinesRequest
) -> DescribePipelinesAnswer:
    """What is known of pipelines; one unknown id refuses the whole call."""
    if len(request.pipeline_ids) > MOST_IDS:
        raise InvalidRequest(
            f"{len(request.pipeline_ids)} pipeline ids are asked for; at most {MOST_IDS} are "
            "answered in one call"
        )

    def ask(store: Reader) -> list[PipelineDescription]:
        pipelines = [find_pipeline(store, caller, key) for key in request.pipeline_ids]
        return [_description(context, store, pipeline) for pipeline in pipelines]

    return DescribePipelinesAnswer(await context.read(ask))


def _description(context: Context, store: Reader, pipeline: Pipeline) -> PipelineDescription:
    return PipelineDescription(
        pipeline.id,
        pipeline.name,
        pipeline_fields(context, store, pipeline),
        pipeline.description,
        list(pipeline.tags),
    )


def pipeline_fields(context: Context, store: Reader, pipeline: Pipeline) -> list[Field]:
    """The fields of a pipeline, all with string values, as stock scripts expect them."""
    values: dict[str, str | None] = {
        "@pipelineState": pipeline.state,
        "description": pipeline.description or None,
        "name": pipeline.name,
        "@creationTime": format_instant(pipeline.created_at),
        "@id": pipeline.id,
        "@sphere": "PIPELINE",
        "@userId": pipeline.user_id,
        "@accountId": pipeline.account_id,
        "uniqueId": pipeline.unique_id,
        "pipelineCreator": pipeline.user_id,
        "*tags": _tags_text(pipeline.tags),
        "@version": str(pipeline.version) if pipeline.version else None,
        "@firstActivationTime": _time(pipeline.first_activated_at),
        "@lastActivationTime": _time(pipeline.last_activated_at),
        "@lastDeactivatedTime": _time(pipeline.last_deactivated_at),
        "@finishedTime": _time(pipeline.finished_at),
    }
    if pipeline.version:
        plan = context.definitions.plan(store, pipeline, pipeline.version)
        values |= _schedule_fields(store, pipeline, plan)
        values |= _health_fields(store, pipeline)
    return [text_field(key, value) for key, value in values.items() if value is not None]


def _tags_text(tags: tuple[Tag, ...]) -> str | None:
    return json.dumps(msgspec.to_builtins(tags), separators=(",", ":")) if tags else None


def _time(instant: Instant | None) -> str | None:
    return format_instant(instant) if instant is not None else None


def _schedule_fields(store: Reader, pipeline: Pipeline, plan: Plan) -> dict[str, str | None]:
    fields = {"@latestRunTime": _time(store.latest_run(pipeline.key))}
    schedules = [c.schedule for c in plan.components.values() if c.schedule]
    if not schedules:
        return fields
    schedule = schedules[0]
    open_rows = [row.next_start for row in store.components(pipeline.key) if row.open]
    fields["@nextRunTime"] = _time(min(open_rows, default=None))
    fields["@scheduledStartTime"] = _time(schedule.start(0))
    if schedule.count is not None:
        fields["@scheduledEndTime"] = _time(schedule.start(schedule.count))
    unit = schedule.period.unit + ("s" if schedule.period.count != 1 else "")
    fields["@scheduledPeriod"] = f"{schedule.period.count} {unit}"
    return fields


def _health_fields(store: Reader, pipeline: Pipeline) -> dict[str, str | None]:
    """ERROR if any component is in error, HEALTHY if one has finished, else nothing."""
    rows = [row for row in store.components(pipeline.key) if row.health is not None]
    if not rows:
        return {}
    errors = [row for row in rows if row.health == "ERROR"]
    return {
        "@healthStatus": "ERROR" if errors else "HEALTHY",
        "@healthStatusUpdatedTime": _time(max(row.health_at or 0 for row in errors or rows)),
    }


async def add_tags(context: Context, caller: Caller, request: AddTagsRequest) -> EmptyAnswer:
    """Add tags; a key given again replaces its value."""
    limit = context.settings.limits.tags_per_pipeline

    def add(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        tags = _merge_tags(pipeline.tags, request.tags, limit)
        told = ", ".join(f"{tag.key}={tag.value}" for tag in request.tags)
        audit.note(unit, caller, pipeline.key, audit.ADD_TAGS, told)
        unit.save_change(UpdatePipeline(replace(pipeline, tags=tags)))

    await context.writer.submit(add, request.pipeline_id)
    return EmptyAnswer()


def _merge_tags(kept: tuple[Tag, ...], new: tuple[Tag, ...], limit: int | None) -> tuple[Tag, ...]:
    merged = {tag.key: tag for tag in (*kept, *new)}
    if limit is not None and len(merged) > limit:
        raise InvalidRequest(
            f"a pipeline can have at most {limit} tags; with these it would have {len(merged)}"
        )
    return tuple(merged.values())


async def remove_tags(context: Context, caller: Caller, request: RemoveTagsRequest) -> EmptyAnswer:
    """Remove tags by key; unknown keys are no fault."""

    def remove(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        tags = tuple(tag for tag in pipeline.tags if tag.key not in request.tag_keys)
        told = ", ".join(request.tag_keys)
        audit.note(unit, caller, pipeline.key, audit.REMOVE_TAGS, told)
        unit.save_change(UpdatePipeline(replace(pipeline, tags=tags)))

    await context.writer.submit(remove, request.pipeline_id)
    return EmptyAnswer()


async def delete_pipeline(context: Context, caller: Caller, request: DeletePipelineRequest) -> None:
    """Delete a pipeline: a tombstone stays, its history goes in small steps.

    Nothing of it is offered from now on; runners learn of it by PipelineDeletedException. Its
    resources are shut down first, and the history goes when they are.
    """

    def delete(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        audit.note(unit, caller, pipeline.key, audit.DELETE, pipeline.name)
        components = unit.plan(pipeline, pipeline.version).components if pipeline.version else {}
        for instance in unit.store.unfinished(pipeline.key):
            if instance.status == WAITING_FOR_RUNNER:
                unit.run(HoldInstance(instance.key))
            elif components[instance.component].category == RESOURCE:
                unit.run(CancelInstance(instance.key, "the pipeline was deleted"))
        gone = replace(pipeline, state="DELETED", deleted_at=unit.now)
        unit.save_change(UpdatePipeline(gone))
        unit.store.clear_timer("tick", pipeline.key)
        unit.store.set_timer(Timer("purge", pipeline.key, unit.now))

    await context.writer.submit(delete, request.pipeline_id)
