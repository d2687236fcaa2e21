"""The command `penstock`: one module per subcommand, imported when it is used."""

from penstock.cli.main import main

__all__ = ["main"]
