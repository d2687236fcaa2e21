"""From a file's bytes to the definitions in it, whatever their form."""

from penstock.language.forms.api import from_api
from penstock.language.forms.cli_file import from_cli
from penstock.language.forms.json_text import read_json
from penstock.language.forms.texts import decoded
from penstock.model.definition import Definition
from penstock.model.errors import DefinitionError


def read_definition(text: str | bytes) -> Definition:
    """A definition from JSON text in either form, told apart by its keys.

    Raises DefinitionError for anything else, with the place.
    """
    try:
        document = read_json(decoded(text))
    except RecursionError as error:
        raise DefinitionError("the JSON is nested too deeply to be a definition") from error
    if isinstance(document, dict) and "pipelineObjects" in document:
        return from_api(document)
    if isinstance(document, dict) and "objects" in document:
        return from_cli(document)
    raise DefinitionError(
        "the document is no pipeline definition: it must be a JSON object with 'objects' "
        "(command line form) or 'pipelineObjects' (API form)"
    )
