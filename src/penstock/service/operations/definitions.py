"""Operations on definitions: put, validate, get."""

from collections.abc import Callable

from penstock.language.edits import forbidden_edits
from penstock.language.validate import refusals, validate
from penstock.model.api import (
    DefinitionRequest,
    GetPipelineDefinitionRequest,
    PutPipelineDefinitionRequest,
    ValidatePipelineDefinitionAnswer,
    ValidatePipelineDefinitionRequest,
    ValidationMessages,
    ValidationWarnings,
)
from penstock.model.caller import Caller
from penstock.model.definition import Definition, Findings
from penstock.model.errors import InvalidRequest
from penstock.model.limits import Limits
from penstock.model.runtime import Pipeline
from penstock.model.times import Instant
from penstock.service import audit
from penstock.service.context import Context, find_pipeline
from penstock.service.definitions import LATEST
from penstock.service.dispatcher import LATELY_MS
from penstock.service.masking import mask_definition
from penstock.service.unit import Unit
from penstock.store.protocol import Reader

_CHANGEABLE_WHEN_FINISHED = frozenset({"endDateTime", "occurrences"})


async def put_pipeline_definition(
    context: Context, caller: Caller, request: PutPipelineDefinitionRequest
) -> ValidatePipelineDefinitionAnswer:
    """Save the draft, with ordinary validation errors too; they are answered."""
    definition, findings = await _examine(context, caller, request)
    content = await context.compute(lambda: context.definitions.encode(definition))

    def put(unit: Unit) -> None:
        pipeline = find_pipeline(unit.store, caller, request.pipeline_id)
        _refuse_if_finished(pipeline, lambda: _active(context, unit.store, pipeline), definition)
        unit.store.put_definition(pipeline.key, LATEST, content)
        audit.note(unit, caller, pipeline.key, audit.PUT, _told(definition, findings))

    await context.writer.submit(put, request.pipeline_id)
    return _answer(findings)


def _told(definition: Definition, findings: Findings) -> str:
    """What was put, in a few words."""
    errors = sum(map(len, findings.errors.values()))
    return f"objects: {len(definition.pipeline_objects)}" + (
        f", errors: {errors}" if errors else ""
    )


async def validate_pipeline_definition(
    context: Context, caller: Caller, request: ValidatePipelineDefinitionRequest
) -> ValidatePipelineDefinitionAnswer:
    """The same as putting, without saving."""
    _, findings = await _examine(context, caller, request)
    return _answer(findings)


async def _examine(
    context: Context, caller: Caller, request: DefinitionRequest
) -> tuple[Definition, Findings]:
    definition = request.definition()
    _refuse_unsavable(definition, context.settings.limits)

    def ask(store: Reader) -> tuple[Definition | None, frozenset[str] | None]:
        active = _active(context, store, find_pipeline(store, caller, request.pipeline_id))
        return active, _polled(context, store, caller)

    active, polled = await context.read(ask)
    limits = context.settings.limits
    # Of a pipeline that runs the past is done, and nothing is about to be filled in.
    now = context.clock() if active is None else None
    findings = await context.compute(
        lambda: examine(definition, active, limits, draft=True, now=now, polled=polled)
    )
    return definition, findings


def _polled(context: Context, store: Reader, caller: Caller) -> frozenset[str] | None:
    """The worker groups that runners asked for lately; None while this server cannot know."""
    now = context.clock()
    # By then every runner that waited at the server before this one has come again.
    if now - context.started_at < 2 * context.settings.poll_wait_ms:
        return None
    elsewhere = store.polled(caller.account_id, now - LATELY_MS)
    return elsewhere | context.dispatcher.polled(caller.account_id, now)


def examine(
    definition: Definition,
    active: Definition | None,
    limits: Limits,
    draft: bool,
    now: Instant | None = None,
    polled: frozenset[str] | None = None,
) -> Findings:
    """Everything that is wrong with a definition, and with it as an edit of the active one."""
    findings = validate(definition, limits, draft=draft, now=now, polled=polled)
    if active is None:
        return findings
    return Findings((*findings.found, *forbidden_edits(active, definition)))


def _active(context: Context, store: Reader, pipeline: Pipeline) -> Definition | None:
    if not pipeline.version:
        return None
    return context.definitions.load(store, pipeline.key, pipeline.version)


def _refuse_unsavable(definition: Definition, limits: Limits) -> None:
    """What cannot even be a draft (reference, PutPipelineDefinition)."""
    found = refusals(definition, limits)
    if found:
        texts = [f"{key}: {fault.text}" if key else fault.text for key, fault in found]
        raise InvalidRequest("the definition cannot be saved: " + "; ".join(texts))


def _refuse_if_finished(
    pipeline: Pipeline, load_active: Callable[[], Definition | None], definition: Definition
) -> None:
    """A FINISHED pipeline may only be given other ends (reference, PutPipelineDefinition)."""
    if pipeline.state != "FINISHED":
        return
    active = load_active()
    if active is not None and _comparable(active) != _comparable(definition):
        raise InvalidRequest(
            f"Pipeline {pipeline.id} is FINISHED; of its definition only endDateTime and "
            "occurrences can change"
        )


def _comparable(definition: Definition) -> object:
    return [
        (
            item.id,
            sorted(
                (field.key, field.string_value or "", field.ref_value or "")
                for field in item.fields
                if field.key not in _CHANGEABLE_WHEN_FINISHED
            ),
        )
        for item in sorted(definition.pipeline_objects, key=lambda item: item.id)
    ]


def _answer(findings: Findings) -> ValidatePipelineDefinitionAnswer:
    return ValidatePipelineDefinitionAnswer(
        findings.errored,
        [ValidationMessages(key, texts) for key, texts in findings.errors.items()],
        [ValidationWarnings(key, texts) for key, texts in findings.warnings.items()],
    )


async def get_pipeline_definition(
    context: Context, caller: Caller, request: GetPipelineDefinitionRequest
) -> Definition:
    """The draft (`latest`, the default) or the version in force (`active`)."""
    version = (request.version or "latest").lower()
    if version not in {"latest", "active"}:
        raise InvalidRequest(f"version is {request.version!r}; use 'latest' or 'active'")

    def ask(store: Reader) -> Definition | None:
        pipeline = find_pipeline(store, caller, request.pipeline_id)
        if version == "active":
            return _active(context, store, pipeline)
        return context.definitions.load(store, pipeline.key, LATEST)

    found = await context.read(ask) or Definition()
    return found if context.settings.reveal_secrets else mask_definition(found)
