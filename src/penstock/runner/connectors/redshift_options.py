"""What COPY and UNLOAD are told: from data formats and `commandOptions` to Redshift's own words, or
to a format of ours where the server is a PostgreSQL.

Source: developer guide, "RedshiftCopyActivity": `commandOptions` are ignored where a data format is
given. What says with which rights, or where, is no business of a format's and counts all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from penstock.runner.connectors.redshift_sql import AUTHORIZATION, literal
from penstock.runner.errors import TaskFailed
from penstock.runner.records.files import FileForm
from penstock.runner.records.formats import PURE_CSV, Format

INVALID_OPTIONS = "InvalidCommandOptions"
"""errorId of `commandOptions` that this database cannot follow."""

_KEPT = (
    *AUTHORIZATION,
    "REGION",
    "MANIFEST",
    "PARALLEL",
    "ALLOWOVERWRITE",
    "CLEANPATH",
    "MAXERROR",
)

_TOKEN = re.compile(r"'(?:[^']|'')*'|[^\s']+")


class LoadForm(Struct, frozen=True):
    """How files of a load are written, beyond their format."""

    form: FileForm
    header_lines: int = 0
    blank_lines: bool = True


def copy_options(
    form: FileForm | None, manifest: bool, command_options: Sequence[str]
) -> tuple[str, ...]:
    """The words after COPY's source. Raises `TaskFailed` for a format that COPY does not read."""
    words = _format_words(form, "ESCAPE") if form else []
    words += _remaining(form is not None, command_options)
    if manifest and not _has(words, "MANIFEST"):
        words.append("MANIFEST")
    return tuple(words)


def unload_options(form: FileForm | None, command_options: Sequence[str]) -> tuple[str, ...]:
    """The words after UNLOAD's target."""
    words = _format_words(form, "ESCAPE") if form else []
    return tuple(words + _remaining(form is not None, command_options))


def ignored(form: FileForm | None, command_options: Sequence[str]) -> list[str]:
    """The options that do not count because a data format is given."""
    kept = _remaining(form is not None, command_options)
    return [option for option in command_options if option not in kept]


def _remaining(formatted: bool, command_options: Sequence[str]) -> list[str]:
    if not formatted:
        return list(command_options)
    return [option for option in command_options if option.upper().lstrip().startswith(_KEPT)]


def _has(words: Sequence[str], name: str) -> bool:
    return any(token.upper() == name for word in words for token in _TOKEN.findall(word))


def _format_words(form: FileForm, escape: str) -> list[str]:
    kind = form.format.kind
    if kind == "CSV":
        words = ["FORMAT AS CSV"]
    elif kind in ("TSV", "Custom"):
        if len(form.format.separator) != 1 or form.format.record_separator not in ("\n", "\r\n"):
            message = f"Redshift's COPY takes one character between values of {kind}, and lines."
            raise TaskFailed("InvalidFormat", message)
        separator = "\\t" if form.format.separator == "\t" else form.format.separator
        words = [f"DELIMITER {literal(separator)}"]
        if form.format.escape == "\\":
            words.append(escape)
    elif kind == "Parquet":
        words = ["FORMAT AS PARQUET"]
    elif kind == "JsonLines":
        words = ["FORMAT AS JSON 'auto'"]
    else:
        message = f"Redshift cannot read or write the format {kind}; use CSV, TSV or Custom."
        raise TaskFailed("InvalidFormat", message)
    return [*words, "GZIP"] if form.gzip else words


class _Options:
    """`commandOptions` on PostgreSQL: read word by word."""

    def __init__(self, command_options: Sequence[str]) -> None:
        self._tokens = _TOKEN.findall(" ".join(command_options))
        self.separator = "|"
        self.null = "\\N"
        self.csv = self.quoted = self.escape = self.gzip = False
        self.header_lines = 0
        self.blank_lines = True
        while self._tokens:
            self._read(self._tokens.pop(0))

    def _read(self, token: str) -> None:
        name = token.upper()
        if name in _FLAGS:
            _FLAGS[name](self)
        elif name in _WITH_VALUE:
            _WITH_VALUE[name](self, self._value(name))
        elif name in _WITHOUT_MEANING:
            for _ in range(_WITHOUT_MEANING[name]):
                self._value(name)
        elif name in _SWITCHES:
            if self._tokens and self._tokens[0].upper() in _SWITCH_VALUES:
                self._tokens.pop(0)
        else:
            shown = name if re.fullmatch(r"[A-Z_0-9]+", name) else "a word of them"
            message = (
                f"commandOptions: {shown} is Redshift's own and cannot be followed on PostgreSQL;"
                " a dataFormat on the S3DataNode, or one of CSV, DELIMITER, QUOTE, ESCAPE,"
                " REMOVEQUOTES, NULL, EMPTYASNULL, IGNOREHEADER, IGNOREBLANKLINES, GZIP, can."
            )
            raise TaskFailed(INVALID_OPTIONS, message)

    def _value(self, name: str) -> str:
        if self._tokens and self._tokens[0].upper() == "AS":
            self._tokens.pop(0)
        if not self._tokens:
            raise TaskFailed(INVALID_OPTIONS, f"commandOptions: {name} has no value.")
        text: str = self._tokens.pop(0)
        return text[1:-1].replace("''", "'") if text.startswith("'") else text

    def set_format(self, value: str) -> None:
        if value.upper() != "CSV":
            raise TaskFailed(INVALID_OPTIONS, f"commandOptions: FORMAT {value} needs Redshift.")
        self.csv = True

    def set_separator(self, value: str) -> None:
        self.separator = {"\\t": "\t"}.get(value, value)

    def set_null(self, value: str) -> None:
        self.null = {"\\\\N": "\\N"}.get(value, value)

    def set_quote(self, value: str) -> None:
        if value != '"':
            raise TaskFailed(INVALID_OPTIONS, 'commandOptions: QUOTE must be " on PostgreSQL.')

    def set_header(self, value: str) -> None:
        if not value.isdecimal():
            raise TaskFailed(INVALID_OPTIONS, "commandOptions: IGNOREHEADER needs a number.")
        self.header_lines = int(value)

    def set_automatic(self, value: str) -> None:
        if value.lower() != "auto":
            message = "commandOptions: on PostgreSQL DATEFORMAT and TIMEFORMAT can only be 'auto'."
            raise TaskFailed(INVALID_OPTIONS, message)

    def format(self) -> Format:
        if self.csv:
            if self.separator in ("|", ","):
                return PURE_CSV
            return Format("CSV", separator=self.separator, quoted=True, null="", escape="")
        escape = "\\" if self.escape else ""
        return Format(
            "Custom", separator=self.separator, escape=escape, quoted=self.quoted, null=self.null
        )


def _flag(name: str, value: object) -> Callable[[_Options], None]:
    return lambda options: setattr(options, name, value)


_FLAGS: dict[str, Callable[[_Options], None]] = {
    "CSV": _flag("csv", True),
    "ESCAPE": _flag("escape", True),
    "REMOVEQUOTES": _flag("quoted", True),
    "ADDQUOTES": _flag("quoted", True),
    "GZIP": _flag("gzip", True),
    "HEADER": _flag("header_lines", 1),
    "EMPTYASNULL": _flag("null", ""),
    "IGNOREBLANKLINES": _flag("blank_lines", False),
}
_WITH_VALUE: dict[str, Callable[[_Options, str], None]] = {
    "FORMAT": _Options.set_format,
    "DELIMITER": _Options.set_separator,
    "NULL": _Options.set_null,
    "QUOTE": _Options.set_quote,
    "IGNOREHEADER": _Options.set_header,
    "DATEFORMAT": _Options.set_automatic,
    "TIMEFORMAT": _Options.set_automatic,
}
_WITHOUT_MEANING = {
    **dict.fromkeys((*AUTHORIZATION, "REGION", "READRATIO", "COMPROWS", "MAXFILESIZE"), 1),
    **dict.fromkeys(("MANIFEST", "ALLOWOVERWRITE", "CLEANPATH", "ENCODING", "UTF8"), 0),
}
_SWITCHES = frozenset({"COMPUPDATE", "STATUPDATE", "PARALLEL"})
_SWITCH_VALUES = frozenset({"ON", "OFF", "TRUE", "FALSE", "PRESET"})


def postgres_form(command_options: Sequence[str]) -> LoadForm:
    """What `commandOptions` say of files, for PostgreSQL; raises `TaskFailed`.

    As with Redshift, values stand between `|` unless they say otherwise.
    """
    options = _Options(command_options)
    form = FileForm(options.format(), options.gzip)
    return LoadForm(form, options.header_lines, options.blank_lines)


def without_lines(pieces: Iterator[bytes], header_lines: int, blank_lines: bool) -> Iterator[bytes]:
    """A file's content without its first lines, and without blank ones.

    A line within quotation marks is never blank: it belongs to a value.
    """
    rest, skipped, inside = b"", 0, False
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        kept = []
        for line in lines:
            if skipped < header_lines:
                skipped += 1
                continue
            if blank_lines or inside or line.strip():
                kept.append(line + b"\n")
            inside ^= line.count(b'"') % 2 == 1
        yield b"".join(kept)
    if rest.strip() and skipped >= header_lines:
        yield rest
