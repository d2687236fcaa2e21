"""Whether one text is a value of its field's kind."""

import math
import re

from penstock.language.catalogue import FieldType
from penstock.language.periods import Period, exact_ms, parse_datetime, parse_period
from penstock.language.wording import shorten
from penstock.model.errors import DefinitionError
from penstock.model.limits import Limits

ON_DEMAND_PERIOD = "ondemand_period"
"""The one word, in any case, that stands for a period: of an explicit on-demand schedule."""

LONGEST_SCHEDULE = Period(3, "year")

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")


def value_fault(key: str, text: str, field_type: FieldType, limits: Limits) -> str | None:
    """What is wrong with a text that has no expression, or None."""
    match field_type.kind:
        case "enumeration":
            return _enumeration_fault(text, field_type)
        case "boolean":
            fits = text.strip().lower() in ("true", "false")
            return None if fits else _wrong(text, "'true' or 'false'")
        case "integer":
            return _integer_fault(key, text, limits)
        case "double":
            return None if _is_decimal(text) else _wrong(text, "a number")
        case "datetime":
            return _datetime_fault(text)
        case "period":
            return _period_fault(key, text, limits)
        case _:
            return None


def _wrong(text: str, wanted: str) -> str:
    return f"{shorten(text)!r} is not {wanted}"


def _enumeration_fault(text: str, field_type: FieldType) -> str | None:
    if not field_type.values:
        return None  # a growing list that is not ours to keep, such as regions
    if text.strip().lower() in (word.lower() for word in field_type.values):
        return None
    return _wrong(text, "one of " + ", ".join(repr(word) for word in field_type.values))


def _integer_fault(key: str, text: str, limits: Limits) -> str | None:
    if _INTEGER.fullmatch(text) is None:
        return _wrong(text, "a whole number")
    number = int(text)
    if key in ("maximumRetries", "maxActiveInstances", "occurrences"):
        least = 0 if key == "maximumRetries" else 1
        if number < least:
            return f"{number} is less than {least}"
    most = limits.maximum_retries
    if key == "maximumRetries" and most is not None and number > most:
        return f"{number} is more than the {most} retries that are allowed"
    return None


def _is_decimal(text: str) -> bool:
    try:
        return len(text) < 100 and math.isfinite(float(text))
    except ValueError:
        return False


def _datetime_fault(text: str) -> str | None:
    try:
        parse_datetime(text)
    except DefinitionError as error:
        return str(error)
    return None


def _period_fault(key: str, text: str, limits: Limits) -> str | None:
    if key == "period" and text.strip().lower() == ON_DEMAND_PERIOD:
        return None
    try:
        period = parse_period(text, "hour" if key == "terminateAfter" else None)
    except DefinitionError as error:
        return str(error)
    length = exact_ms(period)
    if key == "period" and length < limits.minimum_period_ms:
        return f"{text!r} is shorter than {_minutes(limits.minimum_period_ms)}"
    if key == "period" and length > exact_ms(LONGEST_SCHEDULE):
        return f"{text!r} is longer than {LONGEST_SCHEDULE}"
    if key == "retryDelay" and length < limits.minimum_retry_delay_ms:
        return f"{text!r} is shorter than {_minutes(limits.minimum_retry_delay_ms)}"
    return None


def _minutes(length_ms: int) -> str:
    return str(Period(max(1, length_ms // 60_000), "minute"))
