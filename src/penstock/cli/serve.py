"""`penstock serve`: the server, until Ctrl-C."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.options import (
    PROFILES,
    data_option,
    database_of,
    database_options,
    parse_parameters,
    parse_retention,
)
from penstock.config import CREDENTIALS_FILE, CREDENTIALS_PROFILE

if TYPE_CHECKING:
    from penstock.config import ProviderName, Settings

PROVIDERS = ("local", "aws", "none")


@click.command("serve")
@data_option
@database_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8780,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--limits",
    "profile",
    type=click.Choice(PROFILES),
    default="default",
    show_default=True,
    help="Our wide limits, or the original service's published ones.",
)
@click.option(
    "--allow-backfill",
    is_flag=True,
    help="Let a first activation run intervals that are more than a day past.",
)
@click.option(
    "--provider",
    type=click.Choice(PROVIDERS),
    help="Where Ec2Resource and EmrCluster are made: as runners on this host, in AWS, or not"
    " (default: local; with PostgreSQL none).",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where machines elsewhere reach this server; --provider aws needs it.",
)
@click.option(
    "--runner-package",
    metavar="REQUIREMENT",
    help="What pip installs on machines elsewhere (else this version of penstock).",
)
@click.option(
    "--webhook-host",
    "webhook_hosts",
    multiple=True,
    metavar="HOST",
    help="A host that alarms may call though it is not public; may be repeated.",
)
@click.option(
    "--retention",
    default="90 days",
    show_default=True,
    metavar="TIME",
    callback=parse_retention,
    help="How long what has ended is kept; 'never' forgets nothing.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    callback=parse_parameters,
    help="Any other setting, such as acknowledge_timeout=30s; may be repeated.",
)
def command(
    data: Path,
    database_url: str | None,
    database_url_file: Path | None,
    key_file: Path | None,
    host: str,
    port: int,
    profile: str,
    allow_backfill: bool,
    provider: "ProviderName | None",
    public_url: str | None,
    runner_package: str | None,
    webhook_hosts: tuple[str, ...],
    retention: int | None,
    changes: tuple[tuple[str, str], ...],
) -> None:
    """Serve the API, keeping everything in a directory, or in PostgreSQL for several servers.

    The first start makes an account, a user and an access key, and writes DIR/credentials.
    PENSTOCK_ACCESS_KEY_ID and PENSTOCK_SECRET_ACCESS_KEY fix that first key. PENSTOCK_SMTP_URL
    (smtps://USER:PASSWORD@HOST?from=ADDRESS) is for alarms by mail, PENSTOCK_WEBHOOK_SECRET signs
    those that call a webhook.
    """
    from penstock.app import App
    from penstock.config import Settings, with_profile, with_setting
    from penstock.equipment import alarm_means, check_provider
    from penstock.log import configure_log
    from penstock.wire.serve import listen

    given = Settings(
        data_dir=data,
        database=database_of(database_url, database_url_file),
        key_file=key_file,
        host=host,
        port=port,
        allow_backfill=allow_backfill,
        retention_ms=retention,
        # Several servers share a database, and none sees what runs on another's host.
        provider=provider or ("none" if database_url or database_url_file else "local"),
        public_url=public_url,
        runner_package=runner_package,
        webhook_hosts=frozenset(webhook_hosts),
    )
    settings = with_profile(given, profile)
    for name, text in changes:
        try:
            settings = with_setting(settings, name, text)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--set") from None
    try:
        check_provider(settings)
        alarm_means(settings, os.environ)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    configure_log()
    # The port first: a start that fails for want of it must leave nothing behind.
    try:
        listener = listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {error.strerror}; "
            "--host and --port choose others"
        ) from None
    try:
        app = App.open(settings)
    except BaseException:
        listener.close()
        raise
    first_start = app.first_credential is not None
    app.serve(lambda url: click.echo(greeting(settings, url, first_start)), listener)


def greeting(settings: "Settings", url: str, first_start: bool) -> str:
    """What a person needs to begin; never the secret, since output often ends in a log."""
    path = settings.data_dir.resolve() / CREDENTIALS_FILE
    place = settings.database.shown if settings.database else settings.data_dir.resolve()
    lines = [
        f"Penstock serves {url} from {place} (Ctrl-C ends it)",
        f"To watch, open {url}/ in a browser and sign in with an access key.",
    ]
    if first_start:
        lines += [
            f"A first access key was made; it stands in {path}. Use it with the AWS CLI:",
            "",
            f"  export AWS_SHARED_CREDENTIALS_FILE={path}",
            f"  export AWS_PROFILE={CREDENTIALS_PROFILE} AWS_DEFAULT_REGION=us-east-1",
            f"  aws datapipeline list-pipelines --endpoint-url {url}",
        ]
    return "\n".join(lines)
