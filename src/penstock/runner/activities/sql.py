"""SqlActivity: run a script on a database.

Source of the rules: developer guide, "SqlActivity". The script is one transaction unless it has
transactions of its own. Neither statements nor arguments are logged: either may hold a secret.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.runner.activities.context import Context
from penstock.runner.activities.copy import INVALID, database_of, ensure_table, stopping
from penstock.runner.connectors import Connection, DatabaseFault, connect
from penstock.runner.connectors.lexing import count_placeholders
from penstock.runner.connectors.scripts import Statement, split_script
from penstock.runner.errors import LocationError, TaskFailed
from penstock.runner.staging import STAGING_FAILED

LONGEST_SCRIPT_BYTES = 64 * 1024 * 1024
"""A longer script is data, and belongs into a copy."""


def run_sql(context: Context) -> None:
    """Run the script's statements, one after the other."""
    script = _script(context)
    with stopping(context):
        connection = connect(database_of(context, context.task.attempt), context)
        try:
            _run(context, connection, split_script(script, connection.kind))
        finally:
            connection.rollback()
            connection.close()


def _script(context: Context) -> str:
    attempt = context.task.attempt
    script, uri = attempt.string("script"), attempt.string("scriptUri")
    if script:
        return script
    if not uri:
        raise TaskFailed(INVALID, "The activity has neither script nor scriptUri.")
    try:
        with context.mover.open_read(uri) as reader:
            content = reader.read(LONGEST_SCRIPT_BYTES + 1)
    except (LocationError, OSError) as error:
        raise TaskFailed(STAGING_FAILED, f"The script could not be fetched: {error}") from error
    if len(content) > LONGEST_SCRIPT_BYTES:
        raise TaskFailed(INVALID, f"{uri} is longer than a script may be (64 MB).")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskFailed(INVALID, f"{uri} is no text in UTF-8.") from error


def _run(context: Context, connection: Connection, statements: Sequence[Statement]) -> None:
    if not statements:
        raise TaskFailed(INVALID, "The script has no statement.")
    arguments = _dealt(context, connection, statements)
    own = any(statement.is_transaction for statement in statements)
    creating = [n for n in context.task.referenced("output") if n.string("createTableSql")]
    # What may not run within a transaction (VACUUM, CREATE DATABASE) can stand alone in a script.
    if own or (len(statements) == 1 and not creating):
        connection.commit_each()
    if queue := context.task.attempt.string("queue"):
        _choose_queue(context, connection, queue)
    for node in creating:
        ensure_table(context, connection, node)
    for number, (statement, values) in enumerate(zip(statements, arguments, strict=True), 1):
        context.stop.check()
        place = f"statement {number} of {len(statements)} (line {statement.line})"
        try:
            count = connection.execute(statement.text, values)
        except DatabaseFault as fault:
            raise DatabaseFault(fault.error_id, f"{_capital(place)}: {fault}", fault.code) from None
        rows = f", {count:,} rows" if count >= 0 else ""
        context.logs.write(f"{place}: {statement.verb}{rows}")
        context.progress.put("percentComplete", str(number * 99 // len(statements)))
    context.stop.check()
    connection.commit()


def _dealt(
    context: Context, connection: Connection, statements: Sequence[Statement]
) -> list[Sequence[str]]:
    """The arguments of each statement; without any, a `?` is whatever it is to the database."""
    given = context.task.attempt.strings("scriptArgument")
    if not given:
        return [()] * len(statements)
    counts = [count_placeholders(each.text, connection.kind) for each in statements]
    if sum(counts) != len(given):
        message = f"The script has {sum(counts)} `?`, and there are {len(given)} scriptArguments."
        raise TaskFailed(INVALID, message)
    rest = iter(given)
    return [[next(rest) for _ in range(count)] for count in counts]


def _choose_queue(context: Context, connection: Connection, queue: str) -> None:
    if connection.kind != "redshift":
        context.logs.write("queue is Redshift's and means nothing here")
        return
    quoted = queue.replace("'", "''")
    connection.execute(f"SET query_group TO '{quoted}'")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
