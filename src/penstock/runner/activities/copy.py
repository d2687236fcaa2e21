"""CopyActivity: rows, or whole files, from one data node to another.

Source of the rules: developer guide, "CopyActivity". Between files of the same format the files
are copied as they are; otherwise rows stream through in batches, with constant memory. A table
gets all rows or none, and an output file is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from msgspec import Struct

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.connectors import Connection, Table, connect
from penstock.runner.connectors.lexing import count_placeholders, plain_insert
from penstock.runner.errors import LocationError, Stopped, TaskFailed
from penstock.runner.locations import join_uri, parse_uri, read_manifest, uri_of
from penstock.runner.records.batches import Batch, as_rows
from penstock.runner.records.blocks import Block
from penstock.runner.records.files import SUFFIXES, FileForm, Source, read_file, write_file
from penstock.runner.records.formats import Column, read_format
from penstock.runner.staging import STAGING_FAILED, wants_encryption

INVALID = "InvalidActivity"
"""errorId of a copy that a definition describes wrongly."""

NO_TABLE = "TableMissing"
"""errorId when the table is not there and nothing says how to create it."""

_PROGRESS_BYTES = 4 * 1024 * 1024


class File(Struct, frozen=True):
    """A file to be read: its URI, its path relative to the node's directory, its bytes."""

    uri: str
    name: str
    size: int


class Stream(Struct, frozen=True):
    """Rows on their way: what is known of their columns, and how many values each has."""

    columns: tuple[Column, ...]
    width: int | None
    batches: Iterable[Batch]


def run_copy(context: Context) -> None:
    """Copy the input to the output."""
    inputs, target = _nodes(context)
    try:
        with stopping(context):
            _copy(context, inputs, target)
    except (LocationError, OSError) as error:
        raise TaskFailed(STAGING_FAILED, f"The copy failed: {error}") from error


@contextmanager
def stopping(context: Context) -> Iterator[None]:
    """What fails because it was told to stop has not failed."""
    try:
        yield
    except Stopped:
        raise
    except Exception:
        context.stop.check()
        raise


def _nodes(context: Context) -> tuple[tuple[PipelineObject, ...], PipelineObject]:
    inputs, outputs = context.task.referenced("input"), context.task.referenced("output")
    if not inputs or len(outputs) != 1:
        message = f"A copy needs an input and one output; it has {len(inputs)} and {len(outputs)}."
        raise TaskFailed(INVALID, message)
    if len({is_file(node) for node in inputs}) > 1:
        raise TaskFailed(INVALID, "The inputs of a copy must be of one kind: files or tables.")
    return inputs, outputs[0]


def is_file(node: PipelineObject) -> bool:
    """Whether a data node is a place of files, and no table."""
    return any(node.string(key) for key in ("filePath", "directoryPath", "manifestFilePath"))


def _copy(context: Context, inputs: tuple[PipelineObject, ...], target: PipelineObject) -> None:
    if not is_file(inputs[0]):
        for number, node in enumerate(inputs):
            if number:
                raise TaskFailed(INVALID, "A copy reads one table at a time.")
            _copy_table(context, node, target)
        return
    files = [file for node in inputs for file in files_of(context, node)]
    form = file_form(context, inputs[0])
    if is_file(target):
        _copy_files(context, files, form, target)
    else:
        load_table(context, target, lambda: read_files(context, files, form))


def _copy_table(context: Context, node: PipelineObject, target: PipelineObject) -> None:
    connection = connect(database_of(context, node), context)
    try:
        query = node.string("selectQuery") or select_all(connection, node)
        if is_file(target):
            form = file_form(context, target)
            reading = connection.read(query, _wanted(form))
            columns = _renamed(reading.columns, form.format.columns)
            stream = Stream(columns, len(columns), _counted(context, reading.batches))
            uri = target.string("filePath") or inside(target, f"part-00000{form.suffix}")
            write_stream(context, stream, form, uri, target)
        else:
            load_table(context, target, lambda: _read_table(context, connection, query, target))
    finally:
        connection.rollback()
        connection.close()


def _wanted(form: FileForm) -> str:
    """The kind of text that suits a file; none for formats with types."""
    kind = form.format.kind
    return {"CSV": "CSV", "TSV": "TSV", "Custom": "TSV", "RegEx": "TSV"}.get(kind, "")


def _read_table(
    context: Context, connection: Connection, query: str, target: PipelineObject
) -> Stream:
    """A table's rows for another one; as text only where both sides are PostgreSQL."""
    from penstock.runner.connectors.opening import find_address

    same = (
        find_address(database_of(context, target), context).kind == connection.kind == "postgresql"
    )
    reading = connection.read(query, "TSV" if same else "")
    return Stream(reading.columns, len(reading.columns), _counted(context, reading.batches))


def _renamed(found: tuple[Column, ...], given: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns as the output's format names them, if it does."""
    if given and len(given) != len(found):
        message = f"The query has {len(found)} columns, the output's dataFormat {len(given)}."
        raise TaskFailed(INVALID, message)
    return tuple(
        Column(column.name, column.type or old.type)
        for column, old in zip(given or found, found, strict=True)
    )


def select_all(connection: Connection, node: PipelineObject) -> str:
    """The query for the whole table of a data node."""
    table = connection.table(_table_name(node), node.string("schemaName"))
    if table is None:
        raise TaskFailed(NO_TABLE, f"There is no table {_table_name(node)}.")
    return f"SELECT * FROM {table.name}"  # noqa: S608 - a name, quoted


def _table_name(node: PipelineObject) -> str:
    name = node.string("table") or node.string("tableName")
    if not name:
        raise TaskFailed(INVALID, f"{node.name!r} is neither a place of files nor names a table.")
    return name


def database_of(context: Context, node: PipelineObject) -> PipelineObject:
    """The database object of a table; a data node may say itself where it is."""
    target = node.ref("database")
    if target is None and node.string("connectionString"):
        return node
    found = context.task.objects.get(target or "")
    if found is None:
        raise TaskFailed(INVALID, f"{node.name!r} has no database.")
    return found


# --- into a table ---


def load_table(context: Context, node: PipelineObject, read: Callable[[], Stream]) -> None:
    """All rows into a table, in one transaction."""
    connection = connect(database_of(context, node), context)
    try:
        table = ensure_table(context, connection, node)
        count = _fill(context, connection, node, table, read())
        context.stop.check()
        connection.commit()
        context.progress.put("rowsWritten", str(count))
        context.logs.write(f"{count:,} rows written to {table.name}")
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.close()


def ensure_table(context: Context, connection: Connection, node: PipelineObject) -> Table:
    """The table of a data node, created by its `createTableSql` if it is not there."""
    name, schema = _table_name(node), node.string("schemaName")
    table = connection.table(name, schema)
    create = node.string("createTableSql")
    if table is None and create:
        connection.execute(create)
        context.logs.write(f"table {name} created")
        table = connection.table(name, schema)
    if table is None:
        hint = "" if create else "; createTableSql could say how to create it"
        made = "createTableSql has made no table of that name" if create else "It is not there"
        raise TaskFailed(NO_TABLE, f"There is no table {name}: {made}{hint}.")
    if not table.transactional:
        context.logs.write(f"{name} knows no transactions: if this fails, some rows may stay")
    return table


def _fill(
    context: Context, connection: Connection, node: PipelineObject, table: Table, stream: Stream
) -> int:
    insert = node.string("insertQuery")
    if not insert:
        columns = _matched(table, stream)
        return connection.load(table, columns, stream.batches)
    plain = plain_insert(insert)
    if plain is not None:
        aimed = connection.table(plain.table, node.string("schemaName"))
        if aimed is not None and len(aimed.columns) >= plain.width:
            columns = _named(aimed, plain.columns) or aimed.columns[: plain.width]
            _check_width(stream, plain.width, "insertQuery")
            return connection.load(aimed, columns, stream.batches)
    width = count_placeholders(insert, connection.kind)
    _check_width(stream, width, "insertQuery")
    return connection.insert(insert, stream.batches, width)


def _check_width(stream: Stream, width: int, what: str) -> None:
    if stream.width is not None and stream.width != width:
        message = f"{what} takes {width} values, but a row of the input has {stream.width}."
        raise TaskFailed(INVALID, message)


def _matched(table: Table, stream: Stream) -> tuple[Column, ...]:
    """The table's columns that the input's go to.

    By name if all names are the table's, by position if none is; in between somebody erred.
    """
    names = [column.name for column in stream.columns]
    found = _named(table, names)
    if found:
        return found
    known = {column.name.lower() for column in table.columns}
    astray = [name for name in names if name.lower() not in known]
    if astray and len(astray) < len(names):
        listed = ", ".join(column.name for column in table.columns)
        message = f"{table.name} has no column {astray[0]}; it has {listed}."
        raise TaskFailed(INVALID, message)
    width = stream.width if stream.width is not None else len(table.columns)
    if width > len(table.columns):
        message = f"{table.name} has {len(table.columns)} columns, a row of the input {width}."
        raise TaskFailed(INVALID, message)
    return table.columns[:width]


def _named(table: Table, names: Sequence[str]) -> tuple[Column, ...]:
    """The columns of these names in any case of letters, or none if one is missing."""
    exact = {column.name: column for column in table.columns}
    folded = {column.name.lower(): column for column in table.columns}
    found = [exact.get(name) or folded.get(name.lower()) for name in names]
    return tuple(column for column in found if column) if all(found) else ()


# --- files ---


def files_of(context: Context, node: PipelineObject) -> list[File]:
    """The files of a data node, in the order of their names."""
    mover = context.mover
    if uri := node.string("filePath"):
        entry = mover.head(uri)
        if entry is None:
            raise LocationError(f"{uri_of(parse_uri(uri))}: no such file")
        return [File(uri, parse_uri(uri).name, entry.size)]
    if uri := node.string("directoryPath"):
        entries = sorted(mover.entries(uri), key=lambda entry: entry.name)
        return [File(join_uri(uri, entry.name), entry.name, entry.size) for entry in entries]
    listed = read_manifest(context.locations, node.string("manifestFilePath") or "")
    found = [(each, mover.head(each.url)) for each in listed]
    missing = next((each.url for each, entry in found if entry is None and each.mandatory), None)
    if missing is not None:
        raise LocationError(f"{missing}, which the manifest demands, is not there")
    return [File(each.url, parse_uri(each.url).name, e.size) for each, e in found if e]


def file_form(context: Context, node: PipelineObject) -> FileForm:
    """How a data node's files are written."""
    target = node.ref("dataFormat")
    form = read_format(context.task.objects.get(target) if target else None)
    return FileForm(form, (node.string("compression") or "none").lower() == "gzip")


def _copy_files(
    context: Context, files: list[File], form: FileForm, target: PipelineObject
) -> None:
    to = file_form(context, target)
    encrypt = wants_encryption(target)
    single = target.string("filePath")
    if single and (len(files) != 1 or form != to):
        write_stream(context, read_files(context, files, form), to, single, target)
        return
    names = [file.name if form == to else _retyped(file.name, to) for file in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TaskFailed(INVALID, f"Two files would become {twice} in the output.")
    done, total = 0, sum(file.size for file in files)
    for file, name in zip(files, names, strict=True):
        uri = single or inside(target, name)
        if form == to:
            context.mover.copy(file.uri, uri, encrypt)
        else:
            write_stream(context, read_files(context, [file], form), to, uri, target)
        done += file.size
        _put_percent(context, done, total)
    context.logs.write(f"{len(files):,} files copied")


def inside(target: PipelineObject, name: str) -> str:
    """A file of a data node's directory."""
    return join_uri(target.string("directoryPath") or "", name)


def _retyped(name: str, form: FileForm) -> str:
    """The file's name with the suffix of another format, if it has one that tells a format."""
    stem = name.removesuffix(".gz")
    for suffix in (*SUFFIXES.values(), ".txt", ".json"):
        if stem.lower().endswith(suffix):
            return stem[: -len(suffix)] + form.suffix
    return name if stem == name and not form.gzip else stem + (".gz" if form.gzip else "")


def read_files(context: Context, files: list[File], form: FileForm) -> Stream:
    """The rows of some files, one after the other."""
    batches = _counted(context, _all_batches(context, files, form))
    columns = form.format.columns
    if not columns and form.format.kind in ("JsonLines", "Parquet") and files:
        columns = _inner_columns(context, files[0], form)
    if columns:
        return Stream(columns, len(columns), batches)
    first = next(batches, None)
    if first is None:
        return Stream((), None, ())
    return Stream((), _first_width(first), chain([first], batches))


def _first_width(batch: Batch) -> int:
    """How many values the first row has; the others are held to it."""
    return len(as_rows(batch, None)[0])


def _inner_columns(context: Context, file: File, form: FileForm) -> tuple[Column, ...]:
    from penstock.runner.records.compression import decompressed
    from penstock.runner.records.json_lines import first_names

    source = _source(context, file)
    if form.format.kind == "Parquet":
        from penstock.runner.records.parquet import parquet_columns

        return parquet_columns(source.fetched(), source.name)
    chunks = source.chunks()
    pieces = decompressed(chunks, source.name) if form.gzip else chunks
    return tuple(Column(name) for name in first_names(pieces, source.name))


def _source(
    context: Context, file: File, counted: Callable[[Iterator[bytes]], Iterator[bytes]] = iter
) -> Source:
    local = context.directory / "input.parquet"

    def fetched() -> Path:
        context.mover.download(file.uri, local)
        return local

    shown = uri_of(parse_uri(file.uri))
    return Source(shown, lambda: counted(context.mover.chunks(file.uri)), fetched)


def _all_batches(context: Context, files: list[File], form: FileForm) -> Iterator[Batch]:
    total = sum(file.size for file in files)
    done, reported = 0, 0

    def ticking(chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal done, reported
        for chunk in chunks:
            done += len(chunk)
            if done - reported >= _PROGRESS_BYTES:
                reported = done
                _put_percent(context, done, total)
            yield chunk

    for file in files:
        yield from read_file(_source(context, file, ticking), form)


def _put_percent(context: Context, done: int, total: int) -> None:
    # The rest is the end: what was read is not yet committed, or sent.
    context.progress.put("percentComplete", str(min(99, done * 100 // max(total, 1))))


def _counted(context: Context, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, counted as progress and stopped when the work is."""
    for batch in batches:
        context.stop.check()
        yield batch
        rows = batch.content.count(b"\n") if isinstance(batch, Block) else len(batch.values)
        context.progress.add("rowsRead", rows)


def write_stream(
    context: Context, stream: Stream, form: FileForm, uri: str, target: PipelineObject
) -> None:
    """Write rows to a file of a data node, all or nothing."""
    columns = form.format.columns or stream.columns
    width = stream.width if stream.width is not None else len(columns) or None
    scratch = context.directory / "output.parquet"
    with context.mover.open_write(uri, wants_encryption(target)) as writer:
        for piece in write_file(stream.batches, form, columns, width, scratch):
            writer.write(piece)
