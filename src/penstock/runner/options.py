"""Options of the runner: the original's long options in any spelling, and a few of ours.

Source of the rules: developer guide, "Task Runner Configuration Options". An option may be spelt
`--workerGroup`, `--worker-group` or `--workergroup`, with its value after `=` or a blank.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from penstock.runner.errors import OptionsError

DEFAULT_REGION = "us-east-1"
"""The region when none is named, as the original has it."""


class RunnerOptions(Struct, frozen=True, kw_only=True):
    """All a runner can be told. Members named `…_seconds` are seconds.

    `tasks` and `preconditions` are the numbers of slots for every worker group. `separate_keys`
    keeps the keys given here for the endpoint alone (see `runner.credentials`). `ignored` holds
    keys of the configuration file that mean nothing to us.
    """

    worker_groups: tuple[str, ...]
    config: Path | None = None
    access_id: str | None = None
    secret_key: str | None = None
    endpoint: str | None = None
    taskrunner_id: str | None = None
    output: Path = Path("output/logs")
    region: str = DEFAULT_REGION
    log_uri: str | None = None
    tasks: int = 2
    preconditions: int = 2
    proxy_host: str | None = None
    proxy_port: int | None = None
    proxy_username: str | None = None
    proxy_password: str | None = None
    proxy_domain: str | None = None
    proxy_workstation: str | None = None
    s3_no_proxy: bool = False
    grace_seconds: float = 30.0
    shell: str | None = None
    work: Path | None = None
    keep_work: bool = False
    separate_keys: bool = False
    end_with_input: bool = False
    once: bool = False
    ignored: tuple[str, ...] = ()

    def proxy_url(self) -> str | None:
        """The proxy as a URL, its user's parts escaped; None if there is none."""
        if not self.proxy_host:
            return None
        user = ""
        if self.proxy_username:
            domain = f"{self.proxy_domain}\\" if self.proxy_domain else ""
            name = quote(domain + self.proxy_username, safe="")
            user = f"{name}:{quote(self.proxy_password or '', safe='')}@"
        return f"http://{user}{self.proxy_host}:{self.proxy_port or 8080}"


class Option(Struct, frozen=True):
    """One option: its spelling in help, the member it sets, and what it is for.

    A `metavar` of None marks a flag, which takes no value.
    """

    spelling: str
    member: str
    metavar: str | None
    help: str
    repeated: bool = False


OPTIONS: tuple[Option, ...] = (
    Option(
        "workerGroup",
        "worker_groups",
        "NAME",
        "Worker group to take tasks from (required). Repeat it to serve several; each group gets"
        " its own slots.",
        repeated=True,
    ),
    Option(
        "config",
        "config",
        "FILE",
        "JSON file with access-id and private-key, and any other of these options by name."
        " Options on the command line win.",
    ),
    Option("accessId", "access_id", "KEY", "Access key id; takes precedence over --config."),
    Option("secretKey", "secret_key", "SECRET", "Secret access key; goes with --accessId."),
    Option("endpoint", "endpoint", "URL", "Where the service answers."),
    Option("region", "region", "NAME", f"Region (default {DEFAULT_REGION})."),
    Option("taskrunnerId", "taskrunner_id", "ID", "Name under which this runner reports."),
    Option(
        "output", "output", "DIR", "Directory of the runner's and the attempts' logs (output/logs)."
    ),
    Option("logUri", "log_uri", "URI", "Where to push the runner's log, hourly and at the end."),
    Option("tasks", "tasks", "N", "Slots for each worker group (default 2)."),
    Option(
        "preconditions",
        "preconditions",
        "N",
        "Further slots for each worker group that only preconditions use (default 2).",
    ),
    Option("proxyHost", "proxy_host", "HOST", "Proxy for calls to the service and to AWS."),
    Option("proxyPort", "proxy_port", "PORT", "Port of the proxy."),
    Option("proxyUsername", "proxy_username", "NAME", "User name for the proxy."),
    Option("proxyPassword", "proxy_password", "PASSWORD", "Password for the proxy."),
    Option("proxyDomain", "proxy_domain", "NAME", "Windows domain of the proxy's user."),
    Option("proxyWorkstation", "proxy_workstation", "NAME", "Accepted; not needed."),
    Option("s3NoProxy", "s3_no_proxy", None, "Reach S3 without the proxy."),
    Option(
        "grace",
        "grace_seconds",
        "SECONDS",
        "How long running tasks may go on after SIGTERM (default 30).",
    ),
    Option(
        "shell",
        "shell",
        "COMMAND",
        "Shell of commands (default 'bash -l', or 'sh -l' where there is no bash). With -l its"
        " login environment is read once, at the start.",
    ),
    Option("work", "work", "DIR", "Where attempts get their working directories (default: temp)."),
    Option("keepWork", "keep_work", None, "Leave working directories for inspection."),
    Option(
        "separateKeys",
        "separate_keys",
        None,
        "Use --accessId or --config only for the endpoint, never for S3 or in commands.",
    ),
    Option(
        "once",
        "once",
        None,
        "Do what there is to do, and end when nothing more comes. The exit status is 1 if a task"
        " failed.",
    ),
    Option(
        "endWithInput",
        "end_with_input",
        None,
        "Stop gracefully when standard input ends: for whoever starts a runner and must not leave"
        " it behind.",
    ),
)

_CONFIG_ALIASES = {"privatekey": "secret_key", "accesskeyid": "access_id"}


def _squeeze(spelling: str) -> str:
    return spelling.replace("-", "").replace("_", "").lower()


_BY_SPELLING = {_squeeze(option.spelling): option for option in OPTIONS}


def parse(argv: Sequence[str]) -> RunnerOptions:
    """Options of a command line, with those of its `--config` file beneath.

    Raises `OptionsError` for an unknown option, a missing value, or a value of the wrong kind.
    """
    given = _command_line(argv)
    values: dict[str, Any] = {}
    if "config" in given:
        values = _config_file(Path(given["config"]))
    values.update(given)
    if not values.get("worker_groups"):
        raise OptionsError("--workerGroup is required: name the group to take tasks from")
    options = _convert(values)
    _check(options)
    return options


def help_text() -> str:
    """The options as lines of help, in the order of the table."""
    lines = []
    for option in OPTIONS:
        value = "" if option.metavar is None else f" {option.metavar}"
        lines.append(f"  --{option.spelling}{value}\n      {option.help}")
    return "\n".join(lines)


def _command_line(argv: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        if not word.startswith("--") or word == "--":
            raise OptionsError(f"unexpected argument {word!r}: options begin with two dashes")
        spelling, equals, value = word[2:].partition("=")
        option = _BY_SPELLING.get(_squeeze(spelling))
        if option is None:
            raise OptionsError(f"unknown option --{spelling}; see --help for those there are")
        _put(values, option, value if equals else _next_value(option, words))
    return values


def _next_value(option: Option, words: Iterator[str]) -> str:
    if option.metavar is None:
        return "true"
    value = next(words, None)
    if value is None:
        raise OptionsError(f"--{option.spelling} needs a value: {option.metavar}")
    return value


def _put(values: dict[str, Any], option: Option, value: str) -> None:
    if option.repeated:
        values.setdefault(option.member, []).append(value)
    else:
        values[option.member] = value


def _config_file(path: Path) -> dict[str, Any]:
    """Members set by a configuration file; keys may be spelt as options or as the original's."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionsError(f"--config {path}: {error.strerror}") from error
    except ValueError as error:
        raise OptionsError(f"--config {path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise OptionsError(f"--config {path} must hold one JSON object")
    values: dict[str, Any] = {}
    ignored = []
    for key, value in content.items():
        option = _BY_SPELLING.get(_squeeze(key))
        member = _CONFIG_ALIASES.get(_squeeze(key)) or (option.member if option else None)
        if member is None:
            ignored.append(key)
        elif member == "worker_groups" and isinstance(value, str):
            values[member] = [value]
        else:
            values[member] = value
    values["ignored"] = ignored
    return values


def _convert(values: dict[str, Any]) -> RunnerOptions:
    # A Path member is converted here because msgspec leaves paths to its caller.
    try:
        return msgspec.convert(values, RunnerOptions, strict=False, dec_hook=_to_path)
    except msgspec.ValidationError as error:
        raise OptionsError(_explain(error, values)) from error


def _to_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise OptionsError(f"expected text, got {value!r}")


def _explain(error: msgspec.ValidationError, values: dict[str, Any]) -> str:
    """A sentence that names the option: msgspec names the member at the end, after `$.`."""
    text, _, place = str(error).partition(" - at `$.")
    member = place.split("[")[0].rstrip("`")
    option = next((option for option in OPTIONS if option.member == member), None)
    if option is None:
        return str(error)
    return f"--{option.spelling} {values.get(member)!r}: {text[:1].lower()}{text[1:]}"


def _check(options: RunnerOptions) -> None:
    if not 1 <= options.tasks <= 1_000:
        raise OptionsError(f"--tasks {options.tasks}: must lie between 1 and 1000")
    if not 0 <= options.preconditions <= 1_000:
        raise OptionsError(f"--preconditions {options.preconditions}: must lie between 0 and 1000")
    if not 0 <= options.grace_seconds < 1e9:
        raise OptionsError(
            f"--grace {options.grace_seconds}: must be a number of seconds, 0 or more"
        )
    if bool(options.access_id) != bool(options.secret_key):
        missing = "--secretKey" if options.access_id else "--accessId"
        raise OptionsError(f"an access key has two halves: {missing} is missing")
    if any(not group for group in options.worker_groups):
        raise OptionsError("--workerGroup must not be empty")
