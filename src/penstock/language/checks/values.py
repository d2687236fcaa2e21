"""Whether one text is a value of its field's kind, and what a value of that kind looks like."""

import math
import re
from zoneinfo import available_timezones

from penstock.language.catalogue import FieldType, nearest
from penstock.language.periods import (
    UNITS,
    Period,
    exact_ms,
    format_datetime,
    parse_datetime,
    parse_period,
)
from penstock.language.wording import did_you_mean, listed, shorten
from penstock.language.zones import is_zone
from penstock.model.errors import DefinitionError
from penstock.model.limits import Limits

ON_DEMAND_PERIOD = "ondemand_period"
"""The one word, in any case, that stands for a period: of an explicit on-demand schedule."""

LONGEST_SCHEDULE = Period(3, "year")

_TEMPLATE = re.compile(r"\$\{[^}]{1,100}\}")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
_DECIMAL = re.compile(r"\s*[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?\s*")
_COUNT_AND_UNIT = re.compile(r"\s*([0-9]{1,8})(\s*)([A-Za-z]+)\s*")

_SHORT_UNITS = {"min": "minute", "h": "hour", "hr": "hour", "d": "day", "w": "week", "wk": "week"}
_SHORT_UNITS |= {"mo": "month", "mon": "month", "y": "year", "yr": "year"}
_CRON_LINE = re.compile(r"\s*(?:cron\()?(?:[0-9*/,?LW#-]+\s+){4,5}[0-9A-Za-z*/,?#-]+\)?\s*")
_CRON_REMEDY = (
    "a schedule has a period, such as '1 day', and a start, whose time of day the runs keep "
    "('startDateTime': '2026-01-31T03:00:00')"
)

_CATEGORIES = {
    "activity": "Activity",
    "data_node": "DataNode",
    "resource": "Resource",
    "precondition": "Precondition",
    "system_precondition": "Precondition",
    "user_precondition": "Precondition",
    "action": "Action",
    "database": "Database",
    "data_format": "DataFormat",
}


def value_fault(
    key: str, text: str, field_type: FieldType, limits: Limits, hidden: bool = False
) -> str | None:
    """What is wrong with a text that has no expression, as a sentence; None if nothing is.

    The sentence quotes the text, but for a `hidden` one (a secret).
    """
    fault = _fault(key, text, field_type, limits)
    if fault is None:
        return None
    if hidden:
        return f"the value is not {example(key, field_type)}"
    # A file that some tool fills in before it is put, looked at before that.
    template = "; fill in the template's ${…} first" if _TEMPLATE.search(text) else ""
    return fault + template


def _fault(key: str, text: str, field_type: FieldType, limits: Limits) -> str | None:
    match field_type.kind:
        case "enumeration":
            return _enumeration_fault(text, field_type)
        case "boolean":
            fits = text.strip().lower() in ("true", "false")
            return None if fits else _wrong(text, "'true' or 'false'")
        case "integer" | "double":
            return _number_fault(key, text, field_type, limits)
        case "datetime":
            return _datetime_fault(text)
        case "period":
            return _period_fault(key, text, limits)
        case _:
            return _zone_fault(text) if key == "timeZone" else None


def _wrong(text: str, wanted: str) -> str:
    return f"{shorten(text)!r} is not {wanted}"


def example(key: str, field_type: FieldType) -> str:
    """What a field's value is, with one as it may be written."""
    match field_type.kind:
        case "enumeration" if field_type.values:
            return listed(field_type.values)
        case "boolean":
            return "'true' or 'false'"
        case "integer":
            return f"a whole number such as {_sample(field_type, '3')}"
        case "double":
            return f"a number such as {_sample(field_type, '0.5')}"
        case "datetime":
            return "a date such as '2026-01-31T14:00:00' (UTC)"
        case "period":
            return f"a period such as {_sample(field_type, '1 hour')}"
        case "reference":
            return f'a reference, {{"ref": id}}, to an object of type {kinds(field_type)}'
        case _:
            return "a zone such as 'Europe/Berlin'" if key == "timeZone" else "a text"


def _sample(field_type: FieldType, otherwise: str) -> str:
    return repr(field_type.default or otherwise)


def kinds(field_type: FieldType) -> str:
    """What a reference may point to, categories by the names that users see: `'DataNode'`."""
    if "*" in field_type.to:
        return "'Reference'"
    return listed(dict.fromkeys(_CATEGORIES.get(kind, kind) for kind in field_type.to))


def _enumeration_fault(text: str, field_type: FieldType) -> str | None:
    if not field_type.values:
        return None  # a growing list that is not ours to keep, such as regions
    word = text.strip()
    if word.lower() in (known.lower() for known in field_type.values):
        return None
    several = len(field_type.values) > 1
    wanted = f"{'one of ' if several else ''}{listed(field_type.values)}"
    guess = nearest(word, field_type.values)
    return _wrong(text, wanted) + (f".{did_you_mean(guess)}" if several and guess else "")


def _number_fault(key: str, text: str, field_type: FieldType, limits: Limits) -> str | None:
    whole = field_type.kind == "integer"
    if not (_INTEGER.fullmatch(text) if whole else _is_decimal(text)):
        if text.strip().lower() in (word.lower() for word in field_type.values):
            return None
        return _wrong(text, example("", field_type))
    number = int(text) if whole else float(text)
    if field_type.least is not None and number < field_type.least:
        return f"{number} is less than {field_type.least:g}, the least that is allowed"
    if field_type.most is not None and number > field_type.most:
        return f"{number} is more than {field_type.most:g}, the most that is allowed"
    return _limit_fault(key, number, limits)


def _limit_fault(key: str, number: float, limits: Limits) -> str | None:
    retries, active = limits.maximum_retries, limits.active_instances
    if key == "maximumRetries" and retries is not None and number > retries:
        return (
            f"{number} is more than the {retries} retries of the limit {named('maximum_retries')}"
        )
    if key == "maxActiveInstances" and active is not None and number > active:
        return f"{number} is more than the {active} of the limit {named('active_instances')}"
    return None


def named(limit: str) -> str:
    """A limit as the server's settings call it, with how to lift it."""
    return f"'limits.{limit}' (penstock serve --set limits.{limit}=… lifts it)"


def _is_decimal(text: str) -> bool:
    # `float` also reads `1_000`, digits of any script, `nan` and `inf`, which nobody else does.
    return _DECIMAL.fullmatch(text) is not None and math.isfinite(float(text))


def _datetime_fault(text: str) -> str | None:
    try:
        parse_datetime(text)
    except DefinitionError as error:
        return str(error)
    return None


def _zone_fault(text: str) -> str | None:
    if is_zone(text):
        return None
    zones = sorted(available_timezones())
    cities = [zone for zone in zones if zone.lower().endswith(f"/{text.strip().lower()}")]
    guess = did_you_mean(cities[0] if cities else nearest(text, zones))
    return f"{_wrong(text, 'a time zone')}; write one such as 'Europe/Berlin'.{guess}"


def _period_fault(key: str, text: str, limits: Limits) -> str | None:
    if key == "period" and text.strip().lower() == ON_DEMAND_PERIOD:
        return None
    try:
        period = parse_period(text, "hour" if key == "terminateAfter" else None)
    except DefinitionError as error:
        if _CRON_LINE.fullmatch(text):
            return f"{shorten(text)!r} is a cron line; {_CRON_REMEDY}"
        return _misspelled_period(text) or str(error)
    length = exact_ms(period)
    if key == "period" and length < limits.minimum_period_ms:
        return f"{text!r} is shorter than {_least(limits.minimum_period_ms, 'minimum_period')}"
    if key == "period" and length > exact_ms(LONGEST_SCHEDULE):
        return f"{text!r} is longer than {LONGEST_SCHEDULE}, the longest period of a schedule"
    if key == "retryDelay" and length < limits.minimum_retry_delay_ms:
        least = _least(limits.minimum_retry_delay_ms, "minimum_retry_delay")
        return f"{text!r} is shorter than {least}"
    return None


def _misspelled_period(text: str) -> str | None:
    """The remedy for what is nearly a period: `15minutes`, `15 minuts`."""
    match = _COUNT_AND_UNIT.fullmatch(text)
    if match is None:
        return None
    count, space, word = match.groups()
    bare = word.lower().removesuffix("s")
    unit = _SHORT_UNITS.get(bare) or nearest(bare, UNITS)
    if unit is None or (space and bare in UNITS):
        return None
    return f"{text!r} is not a period; write {str(Period(int(count), unit))!r}"


def _least(length_ms: int, limit: str) -> str:
    return f"the {Period(max(1, length_ms // 60_000), 'minute')} of the limit {named(limit)}"


def spelled(text: str) -> str:
    """A date as the definition's other dates are written; what is no date as it is."""
    try:
        return format_datetime(parse_datetime(text))
    except DefinitionError:
        return text
