"""RedshiftCopyActivity: S3 or DynamoDB into a table of Redshift, or a table to S3.

Source of the rules: developer guide, "RedshiftCopyActivity", "RedshiftDataNode", "S3DataNode".
Redshift is told to COPY and UNLOAD by itself. On PostgreSQL, which is how this is tested, the rows
stream through the runner; all else is the same. A load is one transaction: whatever fails before
its end has changed nothing, and a retry of one whose end was not heard of repeats it, which changes
nothing more unless the insert mode is APPEND.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast, get_args

import msgspec

from penstock.model.definition import PipelineObject
from penstock.runner.activities.context import Context
from penstock.runner.activities.dynamodb_work import Crew, open_table, percent_of
from penstock.runner.connectors import redshift_options as options
from penstock.runner.connectors import redshift_sql as sql
from penstock.runner.connectors.protocol import Connection, DatabaseFault, Table
from penstock.runner.connectors.redshift_sql import Dialect, InsertMode, Statement, Target
from penstock.runner.errors import LocationError, Stopped, TaskFailed
from penstock.runner.locations import join_uri, parse_uri, uri_of
from penstock.runner.records.batches import Batch, Rows, as_rows
from penstock.runner.records.blocks import Block
from penstock.runner.records.compression import decompressed
from penstock.runner.records.dynamodb_export import Item
from penstock.runner.records.files import FileForm, Source, read_file, write_file
from penstock.runner.records.formats import CSV, Column, read_format
from penstock.runner.staging import STAGING_FAILED, wants_encryption

INVALID = "InvalidActivity"
"""errorId of a copy that a definition describes wrongly."""

NO_KEY = "KeyMissing"
"""errorId of KEEP_EXISTING and OVERWRITE_EXISTING where nothing says what rows are matched by."""

NO_TABLE = "TableMissing"
"""errorId when the table is not there and nothing says how to create it."""

_STAGING = sql.STAGING


def run_redshift_copy(context: Context) -> None:
    """Load or unload; raises `TaskFailed` or `Stopped`."""
    source, target = _only(context, "input"), _only(context, "output")
    try:
        with _stopping(context):
            if target.string("tableName") and target.ref("database"):
                _Load(context, source, target).run()
            elif source.string("tableName") and source.ref("database"):
                _Unload(context, source, target).run()
            else:
                message = (
                    "RedshiftCopyActivity copies from S3 or DynamoDB to a RedshiftDataNode, or from"
                    f" one to S3; here input is {source.string('type')}, output"
                    f" {target.string('type')}."
                )
                raise TaskFailed(INVALID, message)
    except (LocationError, OSError) as error:
        raise TaskFailed(STAGING_FAILED, f"The copy failed: {error}") from error


@contextmanager
def _stopping(context: Context) -> Iterator[None]:
    """What fails because it was told to stop has not failed."""
    try:
        yield
    except Stopped:
        raise
    except Exception:
        context.stop.check()
        raise


def _only(context: Context, key: str) -> PipelineObject:
    nodes = context.task.referenced(key)
    if len(nodes) != 1:
        raise TaskFailed(INVALID, f"RedshiftCopyActivity needs one {key}; it has {len(nodes)}.")
    return nodes[0]


class _Side:
    """What loading and unloading share: the connection, its dialect, the words for it."""

    def __init__(self, context: Context, files: PipelineObject, table: PipelineObject) -> None:
        self.context = context
        self.files = files
        self.table = table
        self.command_options = context.task.attempt.strings("commandOptions")
        database = context.task.objects.get(table.ref("database") or "")
        if database is None:
            raise TaskFailed(INVALID, f"{table.name!r} has no database.")
        self.database = database

    def connect(self) -> Connection:
        """A connection that is canceled when the work is told to stop."""
        from penstock.runner.connectors.opening import connect

        connection = connect(self.database, self.context)
        if connection.kind not in ("redshift", "postgresql"):
            connection.close()
            message = f"RedshiftCopyActivity needs Redshift or PostgreSQL, not {connection.kind}."
            raise TaskFailed("InvalidDatabase", message)
        return connection

    def run(self) -> None:
        """All of it in one transaction."""
        connection = self.connect()
        try:
            self.begin(connection)
            self.work(connection)
            self.context.stop.check()
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.close()

    def begin(self, connection: Connection) -> None:
        """What a transaction begins with."""
        queue = self.context.task.attempt.string("queue")
        if queue and connection.kind == "redshift":
            self.execute(connection, sql.query_group(queue))

    def work(self, connection: Connection) -> None:
        """What is to be done before the commit."""
        raise NotImplementedError

    def execute(self, connection: Connection, statement: str | Statement) -> int:
        """Run and log a statement, its secrets masked in the log and in what the server says."""
        if isinstance(statement, str):
            statement = Statement(statement)
        self.context.stop.check()
        self.context.logs.write(statement.shown)
        try:
            return connection.execute(statement.text)
        except DatabaseFault as fault:
            message = sql.mask(str(fault), statement.secrets)
            raise DatabaseFault(fault.error_id, message, fault.code) from None

    def form(self) -> FileForm | None:
        """The format of the files if a data format is given, or a compression alone says CSV."""
        reference = self.files.ref("dataFormat")
        node = self.context.task.objects.get(reference) if reference else None
        if node is not None:
            return FileForm(read_format(node), self.packed)
        return FileForm(CSV, self.packed) if self.packed and not self.command_options else None

    @property
    def packed(self) -> bool:
        """Whether the S3DataNode says that its files are gzipped."""
        return (self.files.string("compression") or "none").lower() == "gzip"

    def words(self, found: tuple[str, ...]) -> tuple[str, ...]:
        """Redshift's words, with the node's own compression among them."""
        return (*found, "GZIP") if self.packed and "GZIP" not in " ".join(found).upper() else found

    def load_form(self) -> options.LoadForm:
        """The same for PostgreSQL, where `commandOptions` are understood by ourselves."""
        form = self.form()
        if form is not None:
            for option in options.ignored(form, self.command_options):
                self.context.logs.write(
                    f"commandOptions: {option.split()[0]} is ignored, as there is a dataFormat"
                )
            return options.LoadForm(form)
        if not self.command_options:
            return options.LoadForm(FileForm(CSV))
        found = options.postgres_form(self.command_options)
        packed = FileForm(found.form.format, found.form.gzip or self.packed)
        return msgspec.structs.replace(found, form=packed)

    def keys(self) -> sql.Keys | None:
        """The runner's own keys, for Redshift to reach S3 with."""
        found = self.context.aws.keys()
        if found is None:
            return None
        return sql.Keys(found.access_key_id, found.secret_access_key, found.session_token)

    def table_name(self, node: PipelineObject) -> tuple[str, str | None]:
        """Name and schema; the schema is `public` unless something says otherwise."""
        name = node.string("tableName") or ""
        schema = node.string("schemaName")
        return name, schema or (None if "." in name else "public")


class _Load(_Side):
    """Into a table, by way of `staging`."""

    def __init__(self, context: Context, source: PipelineObject, target: PipelineObject) -> None:
        super().__init__(context, source, target)
        mode = (context.task.attempt.string("insertMode") or "").upper()
        if mode not in get_args(InsertMode):
            listed = ", ".join(get_args(InsertMode))
            raise TaskFailed(
                INVALID, f"insertMode is {mode or 'missing'}; it must be one of {listed}."
            )
        self.mode = cast("InsertMode", mode)
        self.transform = context.task.attempt.string("transformSql")

    def work(self, connection: Connection) -> None:
        dialect = cast("Dialect", connection.kind)
        table = self._ensure_table(connection)
        target = self._target(connection, table)
        held = sql.lock(target, self.mode, dialect)
        if held:
            self.execute(connection, held)
        own = self._own_columns()
        self.execute(connection, sql.create_staging(target, tuple((c.name, c.type) for c in own)))
        rows = self._fill(connection, Table(_STAGING, own or table.columns))
        self.context.logs.write(f"{rows:,} rows loaded into staging")
        written = 0
        for statement in sql.merge(target, self.mode, self.transform, dialect):
            written = self.execute(connection, statement)
        self.context.progress.put("rowsWritten", str(max(0, written)))
        self.context.logs.write(f"{written:,} rows written to {target.sql}")

    def _own_columns(self) -> tuple[Column, ...]:
        """The columns of `staging` if they are not the table's: those of the data format.

        They count with `transformSql` only, and if each has a type.
        """
        form = self.form()
        given = form.format.columns if form and self.transform else ()
        own = [Column(sql.fold(column.name), sql.sql_type(column.type) or "") for column in given]
        return tuple(own) if all(column.type for column in own) else ()

    def _ensure_table(self, connection: Connection) -> Table:
        name, schema = self.table_name(self.table)
        table = connection.table(name, schema)
        create = self.table.string("createTableSql")
        if table is None and create:
            try:
                self.execute(connection, create)
                table = connection.table(name, schema)
            except DatabaseFault:
                connection.rollback()
                self.begin(connection)
                # Another load may have been quicker by a moment.
                table = connection.table(name, schema)
                if table is None:
                    raise
        if table is None:
            where = f"{schema}.{name}" if schema else name
            hint = (
                "createTableSql has made none of that name in that schema"
                if create
                else "createTableSql could say how to create it"
            )
            raise TaskFailed(NO_TABLE, f"There is no table {where}; {hint}.")
        return table

    def _target(self, connection: Connection, table: Table) -> Target:
        """The table with the columns that its rows are matched by, which some modes need."""
        names = tuple(column.name for column in table.columns)
        found = Target(table.name, names)
        if self.mode in ("APPEND", "TRUNCATE"):
            return found
        key = self._given_key(table) or self._own_key(connection, table)
        if not key:
            message = (
                f"{self.mode} needs to know what rows of {table.name} are matched by: give the"
                " table a primary key (or on Redshift a distribution or sort key), or the"
                " RedshiftDataNode primaryKeys."
            )
            raise TaskFailed(NO_KEY, message)
        return msgspec.structs.replace(found, key=key)

    def _given_key(self, table: Table) -> tuple[str, ...]:
        given = [
            part for text in self.table.strings("primaryKeys") for part in text.split(",") if part
        ]
        known = {column.name.lower(): column.name for column in table.columns}
        key = []
        for name in given:
            found = known.get(sql.fold(name).lower())
            if found is None:
                listed = ", ".join(known.values())
                message = f"primaryKeys names {name.strip()}, but {table.name} has {listed}."
                raise TaskFailed(NO_KEY, message)
            key.append(found)
        return tuple(key)

    def _own_key(self, connection: Connection, table: Table) -> tuple[str, ...]:
        key = _first_values(connection, sql.primary_key(table.name))
        if not key and connection.kind == "redshift":
            key = _first_values(connection, sql.distribution_and_sort_keys(table.name))
        return key

    def _fill(self, connection: Connection, staging: Table) -> int:
        """Load `staging`; how many rows there are, -1 if the server does not say."""
        node = self.files
        if node.string("type") == "DynamoDBDataNode":
            if connection.kind == "redshift":
                return self.execute(connection, self._copy_dynamodb())
            return connection.load(staging, staging.columns, self._items(staging.columns))
        if node.ref("database"):
            return self.execute(connection, self._copy_table(connection))
        if connection.kind == "redshift":
            return self.execute(connection, self._copy_files(staging))
        form = self.load_form()
        columns = _named(staging.columns, form.form.format.columns) or staging.columns
        return connection.load(staging, columns, self._rows(form))

    def _copy_files(self, staging: Table) -> Statement:
        form = self.form()
        uri, manifest = _place(self.files)
        columns = _named(staging.columns, form.format.columns if form else ())
        if form is None and not self.command_options:
            form = FileForm(CSV)
        words = options.copy_options(form, manifest, self.command_options)
        names = tuple(column.name for column in columns)
        return sql.copy_from(_s3(uri), names, self.keys(), self.words(words))

    def _copy_dynamodb(self) -> Statement:
        percent = percent_of(self.files, "readThroughputPercent")
        words = [*options.copy_options(None, False, self.command_options)]
        words.append(f"READRATIO {max(1, round(percent * 100))}")
        if region := self.files.string("region"):
            words.append(f"REGION {sql.literal(region.lower().replace('_', '-'))}")
        name = self.files.string("tableName") or ""
        return sql.copy_from(f"dynamodb://{name}", (), self.keys(), tuple(words))

    def _copy_table(self, connection: Connection) -> str:
        """A table of the same database needs no way round by S3."""
        if self.files.ref("database") != self.table.ref("database"):
            message = (
                "Between two databases copy by way of S3: one activity to unload, one to load."
            )
            raise TaskFailed(INVALID, message)
        name, schema = self.table_name(self.files)
        table = connection.table(name, schema)
        if table is None:
            raise TaskFailed(NO_TABLE, f"There is no table {name}.")
        select = sql.select_all(Target(table.name, tuple(c.name for c in table.columns)))
        return f"INSERT INTO {_STAGING} {select}"

    def _rows(self, form: options.LoadForm) -> Iterator[Batch]:
        """The rows of the input's files, in the order of their names."""
        for uri in _files(self.context, self.files):
            shown = uri_of(parse_uri(uri))
            for batch in read_file(self._source(uri, shown, form), _unpacked(form)):
                self.context.stop.check()
                yield _shifted(batch, form.header_lines)
                self.context.progress.add("rowsRead", _count(batch))

    def _source(self, uri: str, shown: str, form: options.LoadForm) -> Source:
        local = self.context.directory / "input"

        def fetched() -> object:
            self.context.mover.download(uri, local)
            return local

        def chunks() -> Iterator[bytes]:
            pieces = self.context.mover.chunks(uri)
            if form.form.gzip:
                pieces = decompressed(pieces, shown)
            if form.header_lines or not form.blank_lines:
                pieces = options.without_lines(pieces, form.header_lines, form.blank_lines)
            return pieces

        return Source(shown, chunks, fetched)  # type: ignore[arg-type]

    def _items(self, columns: Iterable[Column]) -> Iterator[Batch]:
        """The items of a DynamoDB table, their attributes as columns of the same names.

        As Redshift has it: names without regard to case, only texts and numbers (and ours: true or
        false); what an item has not is NULL, what the table has not is left out.
        """
        crew = Crew(self.context.stop)
        table = open_table(self.context, self.files, crew)
        rate = table.throughput("read", percent_of(self.files, "readThroughputPercent"))
        names = [column.name.lower() for column in columns]
        for page in table.scan(0, 1, None, rate, 1):
            if page.items:
                yield Rows([_row(item, names) for item in page.items])
                self.context.progress.add("rowsRead", len(page.items))


class _Unload(_Side):
    """From a table to files."""

    def __init__(self, context: Context, source: PipelineObject, target: PipelineObject) -> None:
        super().__init__(context, target, source)
        if context.task.attempt.string("transformSql"):
            context.logs.write("transformSql is ignored: it transforms what is loaded into a table")

    def work(self, connection: Connection) -> None:
        name, schema = self.table_name(self.table)
        table = connection.table(name, schema)
        if table is None:
            raise TaskFailed(NO_TABLE, f"There is no table {name}.")
        query = sql.select_all(Target(table.name, tuple(c.name for c in table.columns)))
        if connection.kind == "redshift":
            uri, _ = _place(self.files)
            words = options.unload_options(self.form(), self.command_options)
            self.execute(connection, sql.unload(query, _s3(uri), self.keys(), self.words(words)))
            return
        self._write(connection, query, table)

    def _write(self, connection: Connection, query: str, table: Table) -> None:
        form = self.load_form().form
        directory = self.files.string("directoryPath")
        uri = self.files.string("filePath") or join_uri(
            directory or "", f"0000_part_00{form.suffix}"
        )
        reading = connection.read(query, form.format.kind if form.format.kind == "CSV" else "TSV")
        batches = self._counted(reading.batches)
        scratch = self.context.directory / "output"
        self.context.logs.write(query)
        with self.context.mover.open_write(uri, wants_encryption(self.files)) as writer:
            for piece in write_file(batches, form, reading.columns, len(table.columns), scratch):
                writer.write(piece)

    def _counted(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self.context.stop.check()
            yield batch
            self.context.progress.add("rowsWritten", _count(batch))


def _first_values(connection: Connection, query: str) -> tuple[str, ...]:
    batches = connection.read(query, "").batches
    return tuple(str(row[0]) for batch in batches for row in as_rows(batch, 1))


def _named(known: tuple[Column, ...], given: tuple[Column, ...]) -> tuple[Column, ...]:
    """The table's columns that a format names; none, so all by position, if it names others."""
    folded = {column.name.lower(): column for column in known}
    found = tuple(folded[c.name.lower()] for c in given if c.name.lower() in folded)
    return found if len(found) == len(given) else ()


def _place(node: PipelineObject) -> tuple[str, bool]:
    """Where an S3DataNode's files are, and whether that is a manifest's place."""
    if uri := node.string("manifestFilePath"):
        return uri, True
    if uri := node.string("directoryPath"):
        return f"{uri.rstrip('/')}/", False
    if uri := node.string("filePath"):
        return uri, False
    message = f"{node.name!r} has none of filePath, directoryPath and manifestFilePath."
    raise TaskFailed(INVALID, message)


def _s3(uri: str) -> str:
    location = parse_uri(uri)
    if location.scheme != "s3":
        raise TaskFailed(INVALID, f"Redshift reads and writes s3:// only, not {uri_of(location)}.")
    return uri_of(location)


def _files(context: Context, node: PipelineObject) -> list[str]:
    uri, manifest = _place(node)
    mover = context.mover
    if manifest:
        listed = mover.manifest(uri)
        missing = next((one.url for one in listed if one.mandatory and not mover.head(one.url)), "")
        if missing:
            raise LocationError(f"{missing}, which the manifest demands, is not there")
        return [one.url for one in listed if one.mandatory or mover.head(one.url)]
    if not node.string("directoryPath"):
        if mover.head(uri) is None:
            raise LocationError(f"{uri}: no such file")
        return [uri]
    return [join_uri(uri, name) for name in sorted(entry.name for entry in mover.entries(uri))]


def _unpacked(form: options.LoadForm) -> FileForm:
    return FileForm(form.form.format)


def _shifted(batch: Batch, header_lines: int) -> Batch:
    """The batch with the lines of its file as the user counts them."""
    if header_lines and isinstance(batch, Block):
        return msgspec.structs.replace(batch, line=batch.line + header_lines)
    return batch


def _count(batch: Batch) -> int:
    return batch.content.count(b"\n") if isinstance(batch, Block) else len(batch.values)


def _row(item: Item, names: list[str]) -> list[str | bool | None]:
    folded = {name.lower(): value for name, value in item.items()}
    row: list[str | bool | None] = []
    for name in names:
        kind, content = next(iter(folded.get(name, {"NULL": True}).items()))
        row.append(content if kind in ("S", "N", "BOOL") else None)
    return row
