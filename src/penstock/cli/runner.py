"""`penstock runner`: take tasks of a worker group and do them."""

import click


@click.command(
    "runner",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Do the tasks of one or more worker groups.

    The options are the original Task Runner's, in any spelling; `penstock runner --help` lists
    them. They are parsed by the runner itself, which also reads them from a file.
    """
    if {"-h", "--help"} & set(arguments):
        from penstock.runner.options import help_text

        click.echo("Usage: penstock runner --workerGroup NAME [OPTIONS]\n")
        click.echo("Takes tasks of a worker group from a server and does them.\n")
        click.echo(help_text())
        return 0
    from penstock.runner.main import run

    return run(arguments, click.echo)
