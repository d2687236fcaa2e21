"""Commands run within the test's own process."""

import click
from click.testing import CliRunner


def typed(command: click.Command, *words: str) -> str:
    """What a command that succeeds prints."""
    ran = CliRunner().invoke(command, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output
