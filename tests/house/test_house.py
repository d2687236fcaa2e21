"""The house keeps its own rules: who imports whom, what is read where, how long things grow.

Each rule is data at the top; each test gathers every violation and says what to do about it. The
figures are ceilings: better code may lower one, and a reason in the commit may lift one.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "penstock"

ANY = frozenset({"*"})
ARROWS: dict[str, frozenset[str]] = {
    "model": frozenset(),
    "language": frozenset({"model"}),
    "engine": frozenset({"language", "model"}),
    "store": frozenset({"model"}),
    "access": frozenset({"model", "store"}),
    "service": frozenset(
        {"engine", "language", "store", "access", "resources", "model", "config", "clock"}
    ),
    "wire": frozenset({"service", "model", "config", "clock"}),
    "console": frozenset({"service", "model", "config"}),
    "runner": frozenset({"wire.client", "language", "model", "clock"}),
    "resources": frozenset({"model"}),
    "simulation": frozenset(
        {"service", "engine", "language", "store", "access", "resources", "model", "config"}
    ),
    "config": frozenset({"model"}),
    "clock": frozenset({"model"}),
    "log": frozenset(),
    "equipment": frozenset({"runner", "resources", "service", "engine", "model", "config"}),
    "app": ANY,
    "cli": ANY,
    "__main__": frozenset({"cli"}),
}
"""Room, and what it may import of the package besides itself."""

NARROWER: dict[str, frozenset[str]] = {
    "wire.client": frozenset({"model", "wire.sigv4", "clock"}),
    "wire.sigv4": frozenset({"model"}),
    "service.api": frozenset({"model"}),
}
"""Modules that must stay lighter than their room: the runner loads the client half of `wire`."""

THIRD_PARTY: dict[str, frozenset[str]] = {
    "model": frozenset({"msgspec"}),
    "language": frozenset({"msgspec", "rapidfuzz", "yaml"}),
    "engine": frozenset({"msgspec"}),
    "store": frozenset({"msgspec", "psycopg"}),
    "access": frozenset({"msgspec", "cryptography"}),
    "service": frozenset({"msgspec", "structlog"}),
    "wire": frozenset({"msgspec", "structlog", "uvicorn", "uvloop", "httptools"}),
    "console": frozenset({"jinja2", "markupsafe", "msgspec", "structlog"}),
    "runner": frozenset({"msgspec", "structlog", "obstore", "botocore"}),
    "resources": frozenset({"msgspec", "structlog", "botocore"}),
    "simulation": frozenset({"msgspec", "structlog"}),
    "config": frozenset({"msgspec"}),
    "clock": frozenset(),
    "log": frozenset({"structlog"}),
    "equipment": frozenset({"structlog"}),
    "app": frozenset({"msgspec", "psycopg", "structlog", "uvicorn", "uvloop"}),
    "cli": frozenset({"click", "msgspec", "rich", "structlog"}),
    "__main__": frozenset(),
}

PURE_ROOMS = ("model", "language", "engine")
IMPURE_MODULES = frozenset(
    "asyncio ctypes http io logging multiprocessing os random secrets select shutil signal socket"
    " sqlite3 ssl subprocess sys tempfile threading time urllib uuid".split()
)
"""Modules of the standard library that a pure room has no use for."""


class Ban(NamedTuple):
    """Calls that only some places may make; `places` are modules or rooms of the package."""

    calls: re.Pattern[str]
    places: tuple[str, ...]
    remedy: str


BANS = (
    Ban(
        re.compile(r"time\.(time|time_ns|gmtime|localtime)|datetime\..*\b(now|utcnow|today)"),
        ("clock",),
        "take a Clock or an Instant as a parameter; penstock.clock is the one that reads it",
    ),
    Ban(
        re.compile(r"random\..*|secrets\..*|uuid\.uuid[14]|os\.urandom"),
        ("app", "cli", "runner", "wire", "access", "simulation.chaos"),
        "take the source of randomness as a parameter; app.py and the outer rooms hand it in",
    ),
    Ban(
        re.compile(r"time\.sleep"),
        ("cli", "runner", "wire.client"),
        "wait on an event, a condition or a due time instead; or take `sleep` as a parameter",
    ),
    Ban(re.compile(r"builtins\.print"), (), "use click.echo in cli/, structlog elsewhere"),
)

LINE_COLUMNS = 100
FUNCTION_LINES = 70
FUNCTION_LINES_P90 = 30
FILE_LINES = 700
FILE_LINES_P90 = 400
DRAWERS = frozenset({"util", "utils", "helper", "helpers", "misc", "common", "stuff"})

# Spelled in pieces so that this file does not name what it forbids.
REGISTRY_HOSTS = re.compile(
    "|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + r"js\.", "deb" + r"ian\.org"])
    + "|crates" + r"\.io|proxy\.golang"
)  # fmt: skip
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}~*-])/(" + "|".join(["wo" + "rk", "ro" + "ot", "Us" + "ers"]) + ")/"
)


class Module(NamedTuple):
    """A parsed module of the package; `name` is dotted, without the package's own name."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.split(".")[0]


def package_modules() -> list[Module]:
    modules = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        modules.append(Module(".".join(parts), path, ast.parse(path.read_text("utf-8"))))
    return modules


MODULES = package_modules()
SOURCES = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, type-checking imports included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.path}:{node.lineno}: write the import absolutely"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def covered(name: str, allowed: frozenset[str]) -> bool:
    return allowed == ANY or any(name == item or name.startswith(item + ".") for item in allowed)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def complain(violations: list[str], remedy: str) -> None:
    if violations:
        pytest.fail("\n".join([*violations, f"-> {remedy}"]), pytrace=False)


def test_every_room_is_known() -> None:
    unknown = sorted({m.room for m in MODULES if m.room} - ARROWS.keys())
    complain(unknown, "a new room needs its arrows here and its place in docs/architecture.md")


def test_rooms_import_only_along_the_arrows() -> None:
    violations = []
    for module in MODULES:
        allowed = NARROWER.get(module.name) or ARROWS.get(module.room, ANY) | {module.room}
        for line, name in imports(module):
            inner = name.removeprefix("penstock.")
            if inner == name or inner.startswith("__") or not module.name:
                continue
            if ARROWS.get(module.room) != ANY and not covered(inner, allowed):
                violations.append(f"{where(module.path, line)}: {module.name} imports {name}")
    complain(
        violations,
        "move the shared word to model/, or hand the thing in from app.py;"
        " the arrows stand in docs/architecture.md",
    )


def test_third_party_stays_where_it_belongs() -> None:
    violations = []
    for module in MODULES:
        for line, name in imports(module):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top == "penstock":
                continue
            if top not in THIRD_PARTY.get(module.room, frozenset()):
                violations.append(f"{where(module.path, line)}: {module.name} imports {name}")
    complain(violations, "a dependency in a new room needs a reason in docs/dependencies.md first")


def test_pure_rooms_import_nothing_that_touches_the_world() -> None:
    violations = [
        f"{where(module.path, line)}: {module.name} imports {name}"
        for module in MODULES
        if module.room in PURE_ROOMS
        for line, name in imports(module)
        if name.split(".")[0] in IMPURE_MODULES
    ]
    complain(violations, "model, language and engine are pure: pass values in")


def call_names(module: Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of each call and reference, import aliases resolved.

    References count as well as calls: `default_factory=time.time` reads the clock too.
    """
    aliases = {"print": "builtins.print"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            aliases.update({a.asname or a.name: a.name for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            aliases.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            dotted = ast.unparse(node)
            head, _, rest = dotted.partition(".")
            if head in aliases:
                yield node.lineno, f"{aliases[head]}.{rest}" if rest else aliases[head]


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.calls.pattern.split("|")[0])
def test_banned_calls(ban: Ban) -> None:
    violations = [
        f"{where(module.path, line)}: {name}"
        for module in MODULES
        if not covered(module.name, frozenset(ban.places))
        for line, name in call_names(module)
        if ban.calls.fullmatch(name)
    ]
    complain(sorted(set(violations)), ban.remedy)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def percentile90(figures: list[int]) -> int:
    return sorted(figures)[int(len(figures) * 0.9)]


def test_functions_are_short() -> None:
    lengths: list[int] = []
    violations = []
    for path in SOURCES:
        for node in functions(ast.parse(path.read_text("utf-8"))):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if path.is_relative_to(PACKAGE):
                lengths.append(length)
            if length > FUNCTION_LINES:
                violations.append(f"{where(path, node.lineno)}: {node.name} has {length} lines")
    complain(violations, f"give its parts names; {FUNCTION_LINES} lines at most")
    p90 = percentile90(lengths)
    assert p90 <= FUNCTION_LINES_P90, f"nine in ten functions have up to {p90} lines; shorten some"


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    violations = [f"{where(p, n)}: {n} lines" for p, n in lengths.items() if n > FILE_LINES]
    complain(violations, f"split it by what changes together; {FILE_LINES} lines at most")
    p90 = percentile90([n for path, n in lengths.items() if path.is_relative_to(PACKAGE)])
    assert p90 <= FILE_LINES_P90, f"nine in ten files have up to {p90} lines; split some"


def test_lines_are_short() -> None:
    violations = [
        f"{where(path, number)}: {len(line)} columns"
        for path in [*SOURCES, *PACKAGE.rglob("*.sql")]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > LINE_COLUMNS
    ]
    complain(violations, f"break it; {LINE_COLUMNS} columns at most")


def test_no_drawer_for_odds_and_ends() -> None:
    violations = [where(p, 1) for p in SOURCES if DRAWERS & {p.stem, *p.parent.parts[-2:]}]
    complain(violations, "name the module after what is in it")


def tracked_files() -> list[Path]:
    """What git tracks; in an unpacked archive, everything outside the hidden and built folders."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False
    )
    if listing.returncode == 0 and listing.stdout:
        names = listing.stdout.decode().rstrip("\0").split("\0")
        return [path for name in names if (path := ROOT / name).is_file()]
    folders = ("src", "tests", "docs", "examples", "bench", "requirements")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("forbidden", "remedy"),
    [
        (REGISTRY_HOSTS, "no file names a package registry: pin by version and hash alone"),
        (MACHINE_PATHS, "no file names a place on one machine: derive the path, or pass it in"),
    ],
    ids=["registry hosts", "machine paths"],
)
def test_nothing_ties_the_project_to_one_place(forbidden: re.Pattern[str], remedy: str) -> None:
    violations = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if found := forbidden.search(line):
                violations.append(f"{where(path, number)}: {found.group()}")
    complain(violations, remedy)


def test_the_rules_can_fail() -> None:
    """A house test that never complains would be worth nothing: each one finds a planted case."""
    planted = Module(
        "engine.planted",
        PACKAGE / "engine" / "planted.py",
        ast.parse("from datetime import datetime as d\nimport random\nd.now()\nrandom.random()\n"),
    )
    names = [name for _, name in call_names(planted)]
    assert any(BANS[0].calls.fullmatch(name) for name in names)
    assert any(BANS[1].calls.fullmatch(name) for name in names)
    assert [name for _, name in imports(planted)] == ["datetime.datetime", "random"]
    assert not covered("wire.app", ARROWS["runner"])
    assert covered("wire.client.Client", ARROWS["runner"])
    assert MACHINE_PATHS.search("see /" + "work/main")
    assert REGISTRY_HOSTS.search("https://" + "py" + "pi.org/simple")
