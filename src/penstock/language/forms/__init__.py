"""The forms in which definitions are written: read, written, and where in them things stand."""

from penstock.language.forms.api import from_api, to_api
from penstock.language.forms.cli_file import cli_losses, from_cli, to_cli
from penstock.language.forms.positions import Positions, locate
from penstock.language.forms.reading import read_definition

__all__ = [
    "Positions",
    "cli_losses",
    "from_api",
    "from_cli",
    "locate",
    "read_definition",
    "to_api",
    "to_cli",
]
