"""Where a database is: JDBC connection strings, and the fields beside them.

    jdbc:postgresql://host:5432/shop?sslmode=require&currentSchema=sales
    jdbc:mysql://host/shop            jdbc:mariadb://host/shop      jdbc:redshift://host:5439/dev
    jdbc:sqlserver://host:1433;databaseName=shop;encrypt=true
    jdbc:oracle:thin:@//host:1521/service       jdbc:oracle:thin:@host:1521:sid
    jdbc:sqlite:/data/shop.db         jdbc:h2:mem:x (any other: through its driver's JAR)

`jdbcProperties` (`A=B` each) win over those of the string; `username` and `*password` over both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from penstock.runner.errors import TaskFailed

INVALID_DATABASE = "InvalidDatabase"
"""errorId of a database object that cannot be understood."""

PORTS = {"postgresql": 5432, "redshift": 5439, "mysql": 3306, "sqlserver": 1433, "oracle": 1521}
"""Default ports; also the kinds that have a host."""

_NETWORKED = re.compile(
    r"(?:jdbc:)?(?P<kind>postgresql|postgres|redshift|mysql|mariadb|aws-mysql)(?::\w+)?:"
    r"//(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.IGNORECASE,
)
_SQL_SERVER = re.compile(
    r"(?:jdbc:)?sqlserver://(?P<host>[^;:\\]*)(?:\\(?P<instance>[^;:]*))?(?::(?P<port>\d+))?"
    r"(?P<properties>(?:;[^;]*)*)",
    re.IGNORECASE,
)
_ORACLE = re.compile(
    r"(?:jdbc:)?oracle:thin:(?:(?P<user>[^/@]*)/(?P<password>[^@]*))?@(?P<rest>.+)"
)
_ORACLE_SID = re.compile(r"(?P<host>[^:/]+):(?P<port>\d+):(?P<sid>\w+)")
_ORACLE_NAME = re.compile(r"(?://)?(?P<host>[^:/]+)(?::(?P<port>\d+))?/(?P<service>[\w.$#-]+)")
_KINDS = {"postgres": "postgresql", "mariadb": "mysql", "aws-mysql": "mysql"}


class Address(Struct, frozen=True):
    """A database's place. `kind` is one of `PORTS`, `sqlite`, or `jdbc` with `url` for any other.

    `database` is a name, or a file's path. `__repr__` is not to be logged: there is a password.
    """

    kind: str
    host: str = ""
    port: int = 0
    database: str = ""
    properties: dict[str, str] = {}
    user: str = ""
    password: str = ""
    url: str = ""

    @property
    def shown(self) -> str:
        """The place for a message: no user, no password, no properties."""
        if self.kind == "jdbc":
            return re.split(r"[?;@]", self.url)[0]
        if self.kind == "sqlite":
            return self.database
        return f"{self.kind}://{self.host}:{self.port}/{self.database}"


def parse_address(text: str) -> Address:
    """What a connection string says; raises `TaskFailed`, without quoting what may be secret."""
    text = text.strip()
    if match := _NETWORKED.fullmatch(text):
        return _networked(match)
    if match := _SQL_SERVER.fullmatch(text):
        return _sql_server(match)
    if match := _ORACLE.fullmatch(text):
        return _oracle(match)
    lowered = text.lower()
    if lowered.startswith(("jdbc:sqlite:", "sqlite:")):
        path = text[text.lower().index("sqlite:") + len("sqlite:") :]
        return Address("sqlite", database=unquote(path.removeprefix("file://")).partition("?")[0])
    if lowered.startswith("jdbc:") and lowered.count(":") > 1:
        return Address("jdbc", url=text)
    known = "jdbc:postgresql, jdbc:mysql, jdbc:mariadb, jdbc:redshift, jdbc:sqlserver,"
    known += " jdbc:oracle:thin, jdbc:sqlite, or any other jdbc: with a jdbcDriverJarUri"
    raise TaskFailed(INVALID_DATABASE, f"The connectionString is none of {known}.")


def read_properties(texts: Iterable[str]) -> dict[str, str]:
    """`jdbcProperties`: each `A=B`; several in one are separated by `;` or `&`."""
    pairs: dict[str, str] = {}
    for text in texts:
        for part in re.split(r"[;&]", text):
            key, equals, value = part.partition("=")
            if part.strip() and not equals:
                message = (
                    f"jdbcProperties has {key.strip()!r}; each is to be of the form name=value."
                )
                raise TaskFailed(INVALID_DATABASE, message)
            if part.strip():
                pairs[key.strip()] = value.strip()
    return pairs


def _networked(match: re.Match[str]) -> Address:
    kind = match["kind"].lower()
    kind = _KINDS.get(kind, kind)
    # Of several hosts (a failover list) the first is taken.
    host, _, port = match["hosts"].partition(",")[0].rpartition("@")[2].rpartition(":")
    if not host and not port.isdigit():
        host, port = port, ""
    properties = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    return Address(
        kind,
        # libpq takes a directory, `%2Ftmp`, for the place of a socket.
        unquote(host.strip("[]")) or "localhost",
        int(port) if port.isdigit() else PORTS[kind],
        unquote(match["database"] or ""),
        properties,
        properties.pop("user", ""),
        properties.pop("password", ""),
    )


def _sql_server(match: re.Match[str]) -> Address:
    properties = read_properties([match["properties"].replace("{", "").replace("}", "")])
    folded = {key.lower(): value for key, value in properties.items()}
    if match["instance"]:
        folded["instancename"] = match["instance"]
    return Address(
        "sqlserver",
        match["host"] or folded.pop("servername", "localhost"),
        int(match["port"] or folded.pop("portnumber", PORTS["sqlserver"])),
        folded.pop("databasename", folded.pop("database", "")),
        folded,
        folded.pop("user", folded.pop("username", "")),
        folded.pop("password", ""),
    )


def _oracle(match: re.Match[str]) -> Address:
    rest, user, password = match["rest"], match["user"] or "", match["password"] or ""
    if found := _ORACLE_SID.fullmatch(rest):
        sid = {"sid": found["sid"]}
        return Address("oracle", found["host"], int(found["port"]), "", sid, user, password)
    if found := _ORACLE_NAME.fullmatch(rest):
        port = int(found["port"] or PORTS["oracle"])
        return Address("oracle", found["host"], port, found["service"], {}, user, password)
    return Address("oracle", "", 0, "", {"dsn": rest}, user, password)
