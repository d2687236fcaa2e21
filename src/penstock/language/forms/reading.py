"""From a file's bytes to the definitions in it, whatever their form."""

from collections.abc import Mapping, Sequence

from penstock.language.catalogue import nearest
from penstock.language.forms.api import from_api
from penstock.language.forms.cli_file import TOP_LEVEL, from_cli
from penstock.language.forms.cloudformation import from_cloudformation, is_cloudformation
from penstock.language.forms.json_text import read_json
from penstock.language.forms.named import NamedDefinition
from penstock.language.forms.parameter_files import PARAMETER_KEYS
from penstock.language.forms.shapes import Unreadable
from penstock.language.forms.terraform import from_terraform, is_terraform
from penstock.language.forms.texts import decoded, meant_as_json
from penstock.language.rules import Rule
from penstock.language.wording import did_you_mean, shorten
from penstock.model.definition import Definition, Finding
from penstock.model.errors import DefinitionError

_KNOWN_KEYS = ("objects", "pipelineObjects", "PipelineObjects", "Resources")


def read_definition(text: str | bytes, *, pick: str | None = None) -> Definition:
    """The one definition of a document in any form, told apart by its keys.

    `pick` is the label or name of one of several. Raises DefinitionError, with the place, or with
    the labels to pick from.
    """
    return picked(read_pipelines(text), pick).definition


def read_pipelines(text: str | bytes) -> tuple[NamedDefinition, ...]:
    """All pipelines of a document, in its order; at least one. Raises DefinitionError."""
    try:
        found = _pipelines(_document(decoded(text)))
    except RecursionError as error:
        raise DefinitionError("the document is nested too deeply to be a definition") from error
    if not found:
        raise DefinitionError(
            "the document has no pipeline in it: no resource of the type "
            "AWS::DataPipeline::Pipeline (CloudFormation) or aws_datapipeline_pipeline_definition "
            "(Terraform)"
        )
    return found


def unreadable(error: Exception) -> tuple[Finding, ...]:
    """What is wrong with a document that cannot be read: a finding for each fault."""
    if isinstance(error, Unreadable):
        return tuple(
            Finding(each.object_id, "error", Rule.UNREADABLE, each.text, each.field)
            for each in error.faults
        )
    return (Finding("", "error", Rule.UNREADABLE, str(error)),)


def picked(pipelines: Sequence[NamedDefinition], pick: str | None = None) -> NamedDefinition:
    """The pipeline with that label, or else with that name; without `pick`, the only one.

    Raises DefinitionError, which lists what there is to pick from.
    """
    if pick is None and len(pipelines) == 1:
        return pipelines[0]
    labels = ", ".join(_labelled(each) for each in pipelines)
    if pick is None:
        raise DefinitionError(
            f"the document has {len(pipelines)} pipelines; pick one of them: {labels}"
        )
    for wanted in ("label", "name"):
        matching = [each for each in pipelines if getattr(each, wanted) == pick]
        if len(matching) == 1:
            return matching[0]
    raise DefinitionError(
        f"the document has no pipeline {shorten(repr(pick))} to pick; it has {labels}"
    )


def _labelled(pipeline: NamedDefinition) -> str:
    known = [repr(each) for each in (pipeline.label, pipeline.name) if each]
    return " named ".join(dict.fromkeys(known)) or "one without a name"


def _document(text: str) -> object:
    if not text.strip():
        raise DefinitionError("the text is empty, so neither JSON nor YAML")
    if meant_as_json(text):
        return read_json(text)
    # JSON is by far the commonest; YAML's module is loaded for YAML alone.
    from penstock.language.forms.yaml_text import read_yaml

    return read_yaml(text)


def _pipelines(document: object) -> tuple[NamedDefinition, ...]:
    if not isinstance(document, dict):
        raise DefinitionError(_not_a_definition(()))
    if "pipelineObjects" in document:
        return (NamedDefinition(from_api(document), "api"),)
    if "objects" in document:
        left_out = tuple(f"the key {shorten(repr(k))}" for k in document if k not in TOP_LEVEL)
        return (NamedDefinition(from_cli(document), "cli", left_out=left_out),)
    if is_terraform(document):
        return tuple(from_terraform(document))
    if is_cloudformation(document):
        return tuple(from_cloudformation(document))
    raise DefinitionError(_not_a_definition(document))


def _not_a_definition(document: "Mapping[str, object] | tuple[()]") -> str:
    if document and set(document) <= PARAMETER_KEYS:
        return (
            "the document has parameters or their values only; give it with --parameters-file "
            "beside the definition that uses them"
        )
    if "terraform_version" in document and "resources" in document:
        return (
            "the document is Terraform's state as it is stored; give what "
            "`terraform show -json` prints of it"
        )
    guesses = (nearest(key, _KNOWN_KEYS) for key in document)
    guess = did_you_mean(next((each for each in guesses if each is not None), None))
    return (
        "the document is no pipeline definition: it must have 'objects' (the command line's form), "
        "'pipelineObjects' (the API's), 'Resources' (CloudFormation), or be the output of "
        f"`terraform show -json`.{guess}"
    )
