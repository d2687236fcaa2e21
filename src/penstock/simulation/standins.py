"""What the engine does not run yet, taken for granted: so that the rest can be thought through."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from penstock.engine.compile import unsupported
from penstock.engine.plan import Plan
from penstock.model.definition import Definition, Field, PipelineObject

ATTACHING_FIELDS = ("runsOn", "precondition", "onFail", "onSuccess", "onLateAction")


class Granted(Struct, frozen=True):
    """A definition without what cannot run yet, and a sentence on each thing left out."""

    definition: Definition
    notes: tuple[str, ...]


class _Attached(Struct, frozen=True):
    component: str
    key: str
    target: str


def granted(definition: Definition, plan: Plan) -> Granted:
    """The definition with resources, preconditions and actions taken for granted, as far as the
    engine would refuse them. An activity then works for a worker group of its resource's name.
    """
    found = list(_refused(plan))
    gone = {(each.key, each.target) for each in found}
    groups = {each.component: each.target for each in found if each.key == "runsOn"}
    objects = tuple(_without(item, gone, groups) for item in definition.pipeline_objects)
    notes = dict.fromkeys(_note(plan, each) for each in found)
    return Granted(replace(definition, pipeline_objects=objects), tuple(notes))


def _refused(plan: Plan) -> Iterator[_Attached]:
    sentences = unsupported(plan)
    for component in plan.components.values():
        item = plan.written(component.id)
        for key in ATTACHING_FIELDS:
            for target in item.refs(key):
                beginning = f"{item.id}.{key} refers to {target}, "
                if any(sentence.startswith(beginning) for sentence in sentences):
                    yield _Attached(item.id, key, target)


def _without(
    item: PipelineObject, gone: set[tuple[str, str]], groups: dict[str, str]
) -> PipelineObject:
    fields = tuple(field for field in item.fields if (field.key, field.ref_value) not in gone)
    group = groups.get(item.id)
    if group is not None:
        fields = (
            *(field for field in fields if field.key != "workerGroup"),
            Field("workerGroup", string_value=group),
        )
    return replace(item, fields=fields)


def _note(plan: Plan, each: _Attached) -> str:
    kind = plan.resolved.objects[each.target].type or "object"
    if each.key == "runsOn":
        return f"{each.target} ({kind}) is taken to be there at once"
    if each.key == "precondition":
        return f"{each.target} ({kind}) is taken to be met at once"
    return f"{each.target} ({kind}) is left out"
