"""Draws blueprints, and legal edits of them, from a source of randomness."""

from random import Random

from msgspec.structs import replace

from penstock.model.times import HOUR_MS, MINUTE_MS, Instant
from penstock.simulation.chaos.blueprint import (
    TERMINATE,
    UNTELLABLE,
    Blueprint,
    Rhythm,
    Style,
    Thing,
)

CONDITIONS = ("P", "Q", "K")
ALARMS = ("Bell", "Siren")
GROUPS = (None, None, "others")
BY_MINUTE = "g#"
"""A worker group that depends on the interval."""

_PERIODS = ((20, "minute"), (1, "hour"), (2, "hour"), (3, "hour"), (1, "day"), (1, "month"))
_WEIGHTS = (4, 6, 4, 4, 1, 1)


def draw(random: Random, name: str, now: Instant) -> Blueprint:
    """A pipeline of one to five activities and some data nodes, on up to three schedules.

    A quarter runs on demand. Activities wait only for what stands before them.
    """
    on_demand = random.random() < 0.25
    style: Style = "ondemand" if on_demand else random.choice(("cron", "timeseries"))
    rhythms = () if on_demand else _rhythms(random, now)
    nodes = [_node(random, f"N{k}", rhythms) for k in range(_few(random, 2))]
    activities: list[Thing] = []
    for k in range(1 + _few(random, 4)):
        activities.append(_activity(random, k, activities, nodes, rhythms))
    attached = (*(_condition(random, key) for key in CONDITIONS), *_alarms())
    used = {key for thing in (*nodes, *activities) for key in _refers(thing)}
    used |= {key for thing in attached if thing.id in used for key in _refers(thing)}
    return Blueprint(
        name,
        style,
        rhythms,
        (*nodes, *activities, *(each for each in attached if each.id in used)),
        cascade=random.random() < 0.4,
        max_runs=random.choice((None, 2, 3)) if on_demand else None,
    )


def _few(random: Random, most: int) -> int:
    """A number from 0 to `most`, mostly small: little worlds are quick and easily understood."""
    return min(int(random.expovariate(0.8)), most)


def _refers(thing: Thing) -> tuple[str, ...]:
    late = (thing.on_late,) if thing.on_late else ()
    return (*thing.conditions, *thing.on_fail, *thing.on_success, *late)


def _rhythms(random: Random, now: Instant) -> tuple[Rhythm, ...]:
    """Up to three schedules, mostly of one origin, so that their intervals have to do with each
    other.
    """
    found: list[Rhythm] = []
    for k in range(random.choice((1, 1, 2, 2, 3))):
        every, unit = random.choices(_PERIODS, _WEIGHTS)[0]
        count = random.choice((1, 2, 2, 3, 3, 4, 6))
        origin = now - now % HOUR_MS + random.randint(-9, 6) * 20 * MINUTE_MS
        if found and random.random() < 0.6:
            origin = found[0].origin
        elif unit == "month":
            # Half of them begin at the end of a month, which some months do not have.
            origin -= random.randint(12, 70) * 24 * HOUR_MS
        found.append(Rhythm(f"S{k}", origin, every, unit, count, random.random() < 0.5))
    return tuple(found)


def _node(random: Random, key: str, rhythms: tuple[Rhythm, ...]) -> Thing:
    return _with_attached(random, Thing(key, "node", _one_of(random, rhythms)))


def _activity(
    random: Random, k: int, before: list[Thing], nodes: list[Thing], rhythms: tuple[Rhythm, ...]
) -> Thing:
    after = random.sample([each.id for each in before], random.randint(0, min(2, len(before))))
    inputs: tuple[str, ...] = ()
    output = None
    # A node is the output of one activity at most, and an input of later ones only.
    if k < len(nodes) and random.random() < 0.5:
        output = nodes[k].id
    elif random.random() < 0.5:
        inputs = tuple(each.id for each in nodes[:k][:1])
    thing = Thing(
        f"A{k}",
        "activity",
        _one_of(random, rhythms),
        tuple(after),
        inputs,
        output,
        group=BY_MINUTE if rhythms and random.random() < 0.15 else random.choice(GROUPS),
        cascade=random.choice((None, None, True, False)),
        max_active=random.choice((None, 1, 2)) if rhythms else None,
        command=UNTELLABLE if random.random() < 0.06 else "true",
    )
    return _with_attached(random, _with_limits(random, thing))


def _with_limits(random: Random, thing: Thing) -> Thing:
    minutes = {
        "delay_ms": random.choice((None, 1, 1, 5, 60)),
        "attempt_timeout_ms": random.choice((None, None, None, 5, 30)),
        "report_timeout_ms": random.choice((None, None, 1, 5)),
    }
    times = {key: value and value * MINUTE_MS for key, value in minutes.items()}
    return replace(thing, retries=random.choice((None, 0, 1, 2)), **times)


def _one_of(random: Random, rhythms: tuple[Rhythm, ...]) -> str | None:
    return random.choice(rhythms).id if rhythms and random.random() < 0.4 else None


def _with_attached(random: Random, thing: Thing) -> Thing:
    """Preconditions, actions and lateness, or none."""
    if random.random() < 0.3:
        chosen = random.sample(CONDITIONS, random.choice((1, 1, 2)))
        thing = replace(thing, conditions=tuple(chosen))
    if random.random() < 0.2:
        chosen = [random.choice(ALARMS)]
        thing = replace(thing, on_fail=tuple(chosen), on_success=(random.choice(ALARMS),))
    if random.random() < 0.2:
        late = random.choice((*ALARMS, TERMINATE))
        after_ms = random.choice((10, 120)) * MINUTE_MS
        thing = replace(thing, on_late=late, late_after_ms=after_ms)
    return thing


def _condition(random: Random, key: str) -> Thing:
    thing = Thing(
        key,
        "check" if key == "K" else "condition",
        cascade=random.choice((None, True)),
        on_fail=(ALARMS[0],) if random.random() < 0.3 else (),
        condition_timeout_ms=random.choice((None, 30 * MINUTE_MS, 180 * MINUTE_MS)),
        group=random.choice((None, None, None, "others")) if key != "K" else None,
    )
    return _with_limits(random, thing)


def _alarms() -> tuple[Thing, ...]:
    return tuple(Thing(key, "alarm") for key in ALARMS)


def edit(random: Random, blueprint: Blueprint, name: str) -> Blueprint:
    """The same with something changed that may change while it is active, or a new activity."""
    changed = replace(blueprint, name=name)
    choice = random.random()
    if choice < 0.35 and blueprint.rhythms:
        rhythms = list(blueprint.rhythms)
        k = random.randrange(len(rhythms))
        rhythms[k] = replace(rhythms[k], count=random.choice((1, 2, 3, 4, 5)))
        return replace(changed, rhythms=tuple(rhythms))
    things = list(blueprint.things)
    if choice < 0.55:
        activities = [each for each in things if each.kind == "activity"]
        key = f"A{len(activities)}"
        after = random.sample([each.id for each in activities], min(1, len(activities)))
        new = _with_limits(random, Thing(key, "activity", after=tuple(after)))
        return replace(changed, things=(*things, new))
    k = random.randrange(len(things))
    if things[k].kind != "alarm":
        things[k] = _with_limits(random, replace(things[k], command=f"echo {name}"))
    if things[k].kind == "activity" and blueprint.rhythms:
        things[k] = replace(things[k], max_active=random.choice((None, 1, 2)))
    return replace(changed, things=tuple(things))
