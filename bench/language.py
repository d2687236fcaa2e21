"""(g) validation: how long a large definition takes, and whether time grows with size alone.

Every round has texts of its own, so that no cache of an earlier round helps.
"""

import gc
import json
import time
from collections.abc import Iterator
from itertools import count, islice
from statistics import median

from bench.figures import Figure
from bench.ground import Ground
from penstock.language.forms import read_definition
from penstock.language.validate import validate
from penstock.model.limits import Limits

SMALL, LARGE = 1_000, 10_000
SMALL_SECONDS, LARGE_SECONDS = 0.2, 2.0
GROWTH = 1.5
"""Time for one object of the large definition against one of the small."""

Object = dict[str, object]


def measure_language(ground: Ground) -> list[Figure]:
    """Validation of definitions without faults, and of some where every third object has one."""
    rounds = ground.pick(9, 3)
    numbers = count()
    small = [_measure(SMALL, f"S{next(numbers)}") for _ in range(rounds)]
    large = [_measure(LARGE, f"L{next(numbers)}") for _ in range(max(3, rounds // 3))]
    faulty = [_measure(SMALL, f"F{next(numbers)}", faulty=True) for _ in range(rounds)]
    seconds = {name: median(t for t, _ in each) for name, each in (("s", small), ("l", large))}
    return [
        _figure("1,000 objects validated", seconds["s"], SMALL_SECONDS, _against_json(small)),
        _figure("10,000 objects validated", seconds["l"], LARGE_SECONDS, _against_json(large)),
        Figure(
            "g",
            "growth: an object among 10,000 / among 1,000",
            (seconds["l"] / LARGE) / (seconds["s"] / SMALL),
            "",
            GROWTH,
            at_least=False,
        ),
        _figure("1,000 objects, 375 mistakes", median(t for t, _ in faulty), SMALL_SECONDS, ""),
    ]


def _figure(name: str, seconds: float, target: float, note: str) -> Figure:
    return Figure("g", name, seconds, "s", target, at_least=False, note=note)


def _against_json(measured: list[tuple[float, float]]) -> str:
    ratio = median(validation / reading for validation, reading in measured)
    return f"{ratio:.0f} times as long as reading its JSON"


def _measure(size: int, prefix: str, faulty: bool = False) -> tuple[float, float]:
    """Seconds to validate, and seconds to read the JSON text, of one definition."""
    text = json.dumps({"objects": make_definition(size, prefix, faulty)})
    began = time.perf_counter()
    json.loads(text)
    reading = time.perf_counter() - began
    definition = read_definition(text)
    gc.collect()
    began = time.perf_counter()
    findings = validate(definition, Limits())
    taken = time.perf_counter() - began
    if findings.errored is not faulty:
        raise RuntimeError(f"unexpected findings: {findings.found[:3]}")
    return taken, reading


def make_definition(size: int, prefix: str, faulty: bool) -> list[Object]:
    """So many objects: the common ones, then groups of which each copies, checks and reports."""
    groups = (each for number in count() for each in _group(prefix, number, faulty))
    return [*_common(), *islice(groups, size - len(list(_common())))]


def _common() -> Iterator[Object]:
    yield {
        "id": "Default",
        "scheduleType": "cron",
        "schedule": {"ref": "Daily"},
        "failureAndRerunMode": "CASCADE",
        "role": "PipelineRole",
        "resourceRole": "ResourceRole",
        "pipelineLogUri": "s3://example-bucket/logs",
        "myStage": "production",
    }
    yield {
        "id": "Daily",
        "type": "Schedule",
        "period": "1 day",
        "startAt": "FIRST_ACTIVATION_DATE_TIME",
    }
    yield {
        "id": "Machine",
        "type": "Ec2Resource",
        "instanceType": "m5.large",
        "terminateAfter": "2 hours",
    }
    yield {
        "id": "Alarm",
        "type": "SnsAlarm",
        "topicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
        "subject": "#{node.name} failed",
        "message": "#{node.name} of #{node.@scheduledStartTime}: #{node.errorMessage}",
    }
    yield {
        "id": "Comma",
        "type": "CSV",
        "column": ["id INT", "what STRING", "at TIMESTAMP"],
    }
    yield {
        "id": "Base",
        "parent": {"ref": "Default"},
        "runsOn": {"ref": "Machine"},
        "onFail": {"ref": "Alarm"},
        "maximumRetries": "2",
        "retryDelay": "10 minutes",
    }


def _group(prefix: str, number: int, faulty: bool) -> Iterator[Object]:
    """Eight objects that hang together; with `faulty` three of them have a mistake."""
    tag = f"{prefix}x{number}"
    day = f"#{{format(minusDays(@scheduledStartTime, {number % 28}), 'YYYY-MM-dd')}}"
    yield {
        "id": f"In{tag}",
        "type": "S3DataNode",
        "directoryPath": f"s3://example-bucket/{tag}/in/{day}",
        "dataFormat": {"ref": "Comma"},
        "precondition": {"ref": f"Ready{tag}"},
    }
    yield {
        "id": f"Ready{tag}",
        "type": "S3KeyExists",
        "role": "PipelineRole",
        "s3Key": f"#{{node.directoryPath}}/{tag}",
    }
    yield {
        "id": f"Out{tag}",
        "type": "S3DataNode",
        ("directoryPaht" if faulty else "directoryPath"): f"s3://example-bucket/{tag}/out/{day}",
        "filePath" if faulty else "myNote": f"s3://example-bucket/{tag}/{day}",
    }
    yield {
        "id": f"Copy{tag}",
        "type": "CopyActivity",
        "parent": {"ref": "Base"},
        "input": {"ref": f"In{tag}"},
        "output": {"ref": f"Out{tag}"},
    }
    yield {
        "id": f"Count{tag}",
        "type": "ShellCommandActivity",
        "parent": {"ref": "Base"},
        "command": f"count {tag} --day {day} --stage #{{myStage}} ${{INPUT1_STAGING_DIR}}",
        "input": {"ref": f"Out{tag}x" if faulty else f"Out{tag}"},
        "stage": "true",
        "attemptTimeout": "1 hour",
    }
    yield {
        "id": f"Table{tag}",
        "type": "SqlDataNode",
        "table": "counts",
        "database": {"ref": f"Base{tag}"},
        "insertQuery": "insert into #{table} values (?, ?)",
    }
    yield {
        "id": f"Base{tag}",
        "type": "JdbcDatabase",
        "connectionString": f"jdbc:postgresql://db.example.com/{tag}",
        "jdbcDriverClass": "org.postgresql.Driver",
        "username": "loader",
        "*password": f"example-{tag}",
    }
    yield {
        "id": f"Load{tag}",
        "type": "CopyActivity",
        "parent": {"ref": "Base"},
        "input": {"ref": f"Out{tag}"},
        "output": {"ref": f"Table{tag}"},
        "retryDelay": "10 Minuten" if faulty else "10 Minutes",
    }
