"""Random definitions, runners and people, all drawn from one seed."""

from collections import Counter
from collections.abc import Callable
from random import Random

from penstock.engine.plan import SYSTEM_GROUP
from penstock.model.errors import InvalidRequest
from penstock.model.ids import instance_id
from penstock.model.status import ENDED
from penstock.model.times import HOUR_MS, MINUTE_MS
from penstock.resources.provider import Order
from penstock.service.system import SYSTEM
from penstock.simulation.machines import Habits
from penstock.simulation.runners import Rule, Runner, Work
from penstock.simulation.world import World
from tests.simulation.scenes import (
    T0,
    Thing,
    activity,
    alarm,
    condition,
    default,
    key_exists,
    machine,
    node,
    schedule,
    thing,
)

PERIODS = ("20 minutes", "1 hour", "2 hours", "3 hours")
CONDITIONS = ("P", "Q", "K")
MACHINES = ("M0", "M1")
ALARMS = ("Bell", "Siren")
LIMIT = T0 + 10 * 24 * HOUR_MS


def random_definition(
    random: Random, terminating: bool = False, hosted: float = 0.0
) -> list[Thing]:
    """Up to six activities and three data nodes on up to three schedules, or on demand.

    Some have preconditions and actions; with `terminating` what is late may be terminated.
    `hosted` is the share of the activities that run on one of two resources.
    """
    on_demand = random.random() < 0.25
    style = "ondemand" if on_demand else random.choice(("cron", "timeseries"))
    schedules = [] if on_demand else _schedules(random)
    names = [str(each["id"]) for each in schedules]
    nodes = [
        node(f"N{k}", **_when(random, names), **_attached(random, terminating))
        for k in range(random.randint(0, 3))
    ]
    activities = []
    for k in range(random.randint(1, 6)):
        before = [f"A{j}" for j in range(k)]
        after = random.sample(before, random.randint(0, min(2, k)))
        fields = _when(random, names) | _limits(random) | _attached(random, terminating)
        # A node is the output of one activity at most, and an input of later ones only.
        if k < len(nodes) and random.random() < 0.5:
            fields["output"] = (f"N{k}",)
        elif nodes and random.random() < 0.5:
            reachable = [f"N{j}" for j in range(len(nodes)) if j < k]
            fields["input"] = tuple(random.sample(reachable, min(1, len(reachable))))
        activities.append(activity(f"A{k}", *after, **fields))
    for each in activities if hosted else ():
        if random.random() < hosted:
            each["runsOn"] = {"ref": random.choice(MACHINES)}
    mode = {"failureAndRerunMode": random.choice(("none", "cascade"))}
    return [
        default(style, names[0] if names else None, **mode),
        *schedules,
        *nodes,
        *activities,
        *_conditions(random, hosted),
        *([schedule("3 hours", T0 - 6 * HOUR_MS, "Wide")] if hosted and names else []),
        *(_machine(random, name, names, terminating) for name in MACHINES if hosted),
        *(alarm(name, message=f"{name}: #{{node.@id}} is #{{node.@status}}") for name in ALARMS),
        thing("Terminate", "Terminate"),
    ]


def _attached(random: Random, terminating: bool) -> Thing:
    """Preconditions, actions and lateness of an activity or a data node, or none."""
    fields: Thing = {}
    if random.random() < 0.3:
        fields["precondition"] = tuple(random.sample(CONDITIONS, random.randint(1, 2)))
    if random.random() < 0.3:
        fields["onFail"] = (random.choice(ALARMS),)
        fields["onSuccess"] = (random.choice(ALARMS),)
    if random.random() < 0.3:
        late = ("Terminate",) if terminating and random.random() < 0.5 else (ALARMS[0],)
        fields["onLateAction"] = late
        fields["lateAfterTimeout"] = random.choice(("10 minutes", "2 hours"))
    return fields


def _machine(random: Random, name: str, schedules: list[str], terminating: bool) -> Thing:
    """A resource; with `terminating` it may be cut short, by its own time or by a failed task."""
    fields = ({"schedule": {"ref": "Wide"}} if schedules else {}) | {
        "initTimeout": random.choice(("10 minutes", "40 minutes")),
        "maximumRetries": str(random.randint(0, 2)),
        "retryDelay": random.choice(("1 minute", "20 minutes")),
        "actionOnResourceFailure": random.choice(("retryAll", "retryAll", "retryNone")),
    }
    if terminating:
        fields["terminateAfter"] = random.choice(("4 hours", "8 hours"))
        fields["actionOnTaskFailure"] = random.choice(("continue", "continue", "terminate"))
    if random.random() < 0.3:
        fields["onFail"] = (random.choice(ALARMS),)
    return machine(name, **fields)


def _conditions(random: Random, hosted: float = 0.0) -> list[Thing]:
    delay = {"retryDelay": random.choice(("1 minute", "20 minutes")), "maximumRetries": "1"}
    mode: Thing = {"failureAndRerunMode": "cascade"} if random.random() < 0.3 else {}
    where: Thing = {}
    if hosted and random.random() < 0.3:
        where = {"runsOn": (random.choice(MACHINES),)}
    return [
        condition("P", **delay, **mode, **where, onFail=(ALARMS[0],)),
        condition("Q", **delay, preconditionTimeout="3 hours"),
        key_exists("K", **delay, **mode),
    ]


def _schedules(random: Random) -> list[Thing]:
    return [
        schedule(
            random.choice(PERIODS),
            T0 + random.randint(-6, 3) * 20 * MINUTE_MS,
            name=f"S{k}",
            occurrences=str(random.randint(1, 5)),
        )
        for k in range(random.randint(1, 3))
    ]


def _when(random: Random, schedules: list[str]) -> Thing:
    if len(schedules) < 2 or random.random() < 0.5:
        return {}
    return {"schedule": {"ref": random.choice(schedules)}}


def _limits(random: Random) -> Thing:
    fields: Thing = {
        "maxActiveInstances": str(random.randint(1, 4)),
        "maximumRetries": str(random.randint(0, 2)),
        "retryDelay": random.choice(("1 minute", "10 minutes", "1 hour")),
    }
    if random.random() < 0.2:
        fields["failureAndRerunMode"] = "cascade"
    return fields


def is_condition(attempt: str) -> bool:
    """Whether an attempt, by its id, is a precondition's."""
    return attempt[1:2] in CONDITIONS and attempt[2:3] == "@"


def is_alarm(component: str) -> bool:
    """Whether a component is an alarm's."""
    return component.startswith(tuple(f"{name}@" for name in ALARMS))


def staff(world: World, rule: Rule, random: Random) -> list[Runner]:
    """Two runners, and the server's own."""
    runners = [Runner(world, rule, slots=random.randint(1, 3)) for _ in range(2)]
    own = Runner(world, rule, SYSTEM_GROUP, slots=2, name="the server", caller=SYSTEM)
    return [*runners, own]


def habits(seed: int, troubled: float) -> Callable[[Order], Habits]:
    """How machines behave, by their tokens alone; `troubled` is the share of those with a fault."""

    def of(order: Order) -> Habits:
        random = Random(f"{seed} {order.token}")
        if random.random() >= troubled:
            return Habits(boots_ms=random.randint(0, 5) * MINUTE_MS, stops=random.randint(1, 4))
        later = random.randint(1, 120) * MINUTE_MS
        return random.choice(
            (
                Habits(refuses=True),
                Habits(problems=("it makes no sense",)),
                Habits(forgets=True, stops=3),
                Habits(faults={step: random.randint(0, 3) for step in ("check", "create", "stop")}),
                Habits(dies_ms=later),
                Habits(silent_ms=later, heals=random.random() < 0.5),
                Habits(boots_ms=later),
            )
        )

    return of


def steady(seed: int, failing: float = 0.0) -> Rule:
    """Work that depends on the attempt alone, whenever and by whomever it is done.

    Some preconditions say FALSE once or twice before.
    """
    asked: Counter[str] = Counter()

    def rule(attempt: str) -> Work:
        random = Random(f"{seed} {attempt}")
        if is_condition(attempt):
            asked[attempt] += 1
            if asked[attempt] <= random.randint(-2, 2):
                return Work("FALSE", random.randint(1, 2) * MINUTE_MS)
        end = "FAILED" if random.random() < failing else "FINISHED"
        return Work(end, random.randint(1, 40) * MINUTE_MS)

    return rule


def careless(seed: int) -> Rule:
    """Work that fails, hangs, is not yet met, or, at its first hand-over, is never begun."""
    seen: set[str] = set()
    asked: Counter[str] = Counter()

    def rule(attempt: str) -> Work:
        again = attempt in seen
        seen.add(attempt)
        random = Random(f"{seed} {attempt}")
        chance = random.random()
        if chance < 0.1 and not again:
            return Work(acknowledge=False)
        if chance < 0.2:
            return Work(None)
        asked[attempt] += 1
        if is_condition(attempt) and asked[attempt] <= random.randint(-2, 4):
            return Work("FALSE", random.randint(1, 2) * MINUTE_MS)
        return Work("FAILED" if chance < 0.4 else "FINISHED", random.randint(1, 40) * MINUTE_MS)

    return rule


def meddle(world: World, pipeline: str, random: Random) -> None:
    """Something that a person may do; what is refused changes nothing."""
    components = sorted({each.component for each in world.instances(pipeline)})
    instances = world.instances(pipeline)
    deeds: list[Callable[[], object]] = [
        lambda: world.activate(pipeline),
        lambda: world.activate(pipeline, world.now - random.randint(0, 4) * HOUR_MS),
        lambda: world.deactivate(pipeline, random.random() < 0.5),
        lambda: world.restart(),
    ]
    if instances:
        names = [instance_id(each.component, each.start) for each in instances]
        chosen = random.sample(names, min(len(names), random.randint(1, 3)))
        component = random.choice(components)
        deeds += [
            lambda: world.set_status(pipeline, "PAUSE", component),
            lambda: world.set_status(pipeline, "RESUME", component),
        ]
        for status in ("TRY_CANCEL", "RERUN", "RERUN", "MARK_FINISHED"):
            deeds.append(lambda status=status: world.set_status(pipeline, status, *chosen))
    deed = random.choice(deeds)
    try:
        deed()
    except InvalidRequest as refused:
        world.note("person", f"refused: {refused}")
    else:
        world.note("person", "did something")


def put_in_order(world: World, pipeline: str) -> None:
    """What a person does to see a pipeline through: resume, activate, mark what is blocked."""
    world.run_out(world.now + 24 * HOUR_MS)
    if world.pipeline(pipeline).state == "INACTIVE":
        try:
            world.activate(pipeline)
        except InvalidRequest as refused:
            world.note("person", f"refused: {refused}")
    for component in {each.component for each in world.instances(pipeline)}:
        world.set_status(pipeline, "RESUME", component)
    for _ in range(40):
        world.run_out(LIMIT)
        for each in world.instances(pipeline):
            if each.status not in ENDED and each.status != "RUNNING":
                try:
                    name = instance_id(each.component, each.start)
                    world.set_status(pipeline, "MARK_FINISHED", name)
                except InvalidRequest as refused:
                    world.note("person", f"refused: {refused}")
        if world.pipeline(pipeline).state == "FINISHED":
            return
