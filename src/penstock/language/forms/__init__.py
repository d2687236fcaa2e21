"""The forms in which definitions are written: read, written, and where in them things stand."""

from penstock.language.forms.api import from_api, to_api
from penstock.language.forms.cli_file import cli_losses, from_cli, to_cli
from penstock.language.forms.cloudformation_writing import missing_resources, to_cloudformation
from penstock.language.forms.named import Form, NamedDefinition
from penstock.language.forms.parameter_files import (
    read_parameters,
    with_parameters,
    with_values,
)
from penstock.language.forms.positions import Positions, locate
from penstock.language.forms.reading import (
    picked,
    read_definition,
    read_pipelines,
    unreadable,
)
from penstock.language.forms.writing import write_json, write_yaml

__all__ = [
    "Form",
    "NamedDefinition",
    "Positions",
    "cli_losses",
    "from_api",
    "from_cli",
    "locate",
    "missing_resources",
    "picked",
    "read_definition",
    "read_parameters",
    "read_pipelines",
    "to_api",
    "to_cli",
    "to_cloudformation",
    "unreadable",
    "with_parameters",
    "with_values",
    "write_json",
    "write_yaml",
]
