"""Every event in every state: it moves legally, or is refused; it never trips over itself."""

from itertools import product
from typing import get_args

import pytest
from msgspec.structs import replace

from penstock.engine.compile import compile_plan
from penstock.engine.decide import decide
from penstock.engine.events import (
    Await,
    CancelInstance,
    Claim,
    ConditionDue,
    Create,
    EndTask,
    Evaluate,
    FinishInstance,
    Fire,
    Heard,
    HoldInstance,
    InsertAttempt,
    LateDue,
    LoseResource,
    Loss,
    MachineDue,
    OwnerDeadline,
    PauseInstance,
    Report,
    RerunInstance,
    ResumeInstance,
    RetryDue,
    Settled,
    SkipInstance,
    StepDone,
    TendResource,
    Undelivered,
    Unsettled,
    UpdateAttempt,
    UpdateInstance,
)
from penstock.engine.lifecycle import Failure, move
from penstock.engine.plan import RESOURCE_GROUP, Needed
from penstock.engine.scopes import Node
from penstock.engine.views import (
    CreateView,
    EvaluateView,
    FireView,
    InstanceView,
    NeedState,
    Place,
    Rules,
    SettledView,
    TendView,
    Waiting,
)
from penstock.language.forms import from_cli
from penstock.model.compute import Machine, Outcome, OutcomeKind, Step, machine_text
from penstock.model.errors import ApiError
from penstock.model.runtime import Attempt, ComponentRow, Instance, Pipeline, TaskKey, Wait
from penstock.model.status import ENDED, TRANSITIONS, UNDER_WAY

NOW = 1_700_006_400_000
STATES = tuple(TRANSITIONS)
OF_RESOURCES = UNDER_WAY - {"RUNNING"}
TASK_STATES = tuple(each for each in STATES if each not in OF_RESOURCES)
RESOURCE_STATES = tuple(each for each in STATES if each not in {"WAITING_FOR_RUNNER", "SKIPPED"})
PLAN = compile_plan(
    from_cli(
        {
            "objects": [
                {"id": "Default", "scheduleType": "ondemand", "workerGroup": "workers"},
                {"id": "A", "type": "ShellCommandActivity", "command": "true"},
                {
                    "id": "B",
                    "type": "ShellCommandActivity",
                    "command": "true",
                    "dependsOn": {"ref": "A"},
                    "failureAndRerunMode": "cascade",
                    "precondition": {"ref": "C"},
                    "onFail": {"ref": "Bell"},
                },
                {
                    "id": "C",
                    "type": "ShellCommandPrecondition",
                    "command": "true",
                    "preconditionTimeout": "1 hour",
                },
                {"id": "Host", "type": "Ec2Resource", "terminateAfter": "2 hours"},
                {
                    "id": "D",
                    "type": "ShellCommandActivity",
                    "command": "true",
                    "runsOn": {"ref": "Host"},
                },
                {"id": "Bell", "type": "SnsAlarm", "topicArn": "t", "message": "#{node.@id}"},
            ]
        }
    ),
    (),
    "df-X",
    1,
    0,
    900_000,
)
TASK = TaskKey("1", 1, 1, 1, 0)
INSTANCE_EVENTS = (
    Claim(),
    Claim(None, "a defect"),
    Undelivered(TASK),
    Report(TASK),
    EndTask(TASK, "FINISHED"),
    EndTask(TASK, "FAILED", "E", "M"),
    EndTask(TASK, "FALSE"),
    OwnerDeadline(1),
    RetryDue(1),
    ConditionDue(1),
    LateDue(1),
    PauseInstance(1),
    ResumeInstance(1),
    HoldInstance(1),
    CancelInstance(1, "because"),
    CancelInstance(1, "because", revive=True),
    RerunInstance(1),
    FinishInstance(1),
    SkipInstance(1),
)


def place(state: str, paused: bool, component: str = "B") -> Place:
    pipeline = Pipeline(1, "df-X", "1", "u", "n", "t", "", (), state, 1, 0)
    return Place(pipeline, PLAN, ComponentRow(1, component, 0, False, paused))


def instance(status: str, **changes: object) -> Instance:
    ended = NOW if status in ENDED else None
    row = Instance(1, 1, "B", 0, 0, 1, status, 0, ended_at=ended, attempts=1, tries=1)
    return replace(row, **changes)


def attempts(status: str) -> list[Attempt | None]:
    """The latest attempts that an instance in a state may have."""
    row = Attempt(1, 1, 1, "1", "workers", "WAITING_FOR_RUNNER", 0)
    waiting = [row, replace(row, offered=False)]
    handed = replace(row, status="RUNNING", offered=False, handed_at=1)
    failed = replace(handed, status="FAILED", ended_at=1)
    if status == "WAITING_FOR_RUNNER":
        return list(waiting)
    if status == "RUNNING":
        running = [handed, replace(handed, acknowledged=True, reported_at=NOW)]
        return [*running, *(replace(each, cancel_reason="because") for each in running)]
    if status == "WAITING_ON_DEPENDENCIES":
        return [None, failed]
    if status == "PAUSED":
        return [None, waiting[1], failed]
    if status == "CASCADE_FAILED":
        return [None, failed]
    return [None, replace(failed, status=status)]


def views(component: str = "B"):
    for status, state, paused in product(TASK_STATES, ("SCHEDULED", "DEACTIVATING"), (False, True)):
        for attempt, unmet, retry_at in product(attempts(status), (0, 1), (None, NOW + 1)):
            if (unmet or retry_at) and status not in {"WAITING_ON_DEPENDENCIES", "PAUSED"}:
                continue
            found = instance(status, unmet=unmet, retry_at=retry_at, component=component)
            yield InstanceView(place(state, paused, component), found, attempt)


def check(before: Instance, decision) -> None:
    """All that the decision writes of the instance can be reached, and it ends with its attempt."""
    status = before.status
    attempt = None
    for change in decision.changes:
        if isinstance(change, UpdateInstance):
            row = change.row
            legal = row.status == status or row.status in TRANSITIONS[status]
            by_hand_over = status == "WAITING_FOR_RUNNER" and row.status in TRANSITIONS["RUNNING"]
            assert legal or by_hand_over, f"{status} -> {row.status}"
            assert (row.ended_at is not None) == (row.status in ENDED)
            status = row.status
        elif isinstance(change, UpdateAttempt):
            attempt = change.row
            waits = attempt.status == "WAITING_FOR_RUNNER"
            assert not attempt.offered or waits or attempt.worker_group == RESOURCE_GROUP
    if attempt is not None and status in ENDED and before.status not in ENDED:
        assert attempt.status in ENDED


@pytest.mark.parametrize("component", ["B", "C@B", "Bell@B"])
@pytest.mark.parametrize("event", INSTANCE_EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_in_every_state(event, component):
    # A task is claimed only when it is offered; the store's queue sees to that.
    claimable = isinstance(event, Claim)
    outcomes = set()
    for view in views(component):
        offered = view.attempt is not None and view.attempt.offered
        if claimable and not (offered and view.instance.status == "WAITING_FOR_RUNNER"):
            continue
        try:
            decision = decide(view, event, NOW, Rules())
        except ApiError:
            outcomes.add("refused")
            continue
        check(view.instance, decision)
        outcomes.add("decided")
    assert "decided" in outcomes or event == EndTask(TASK, "FALSE")


STEPS: dict[str, tuple[Step, ...]] = {
    "VALIDATING": ("check",),
    "CREATING": ("create", "look"),
    "ACTIVATING": ("look",),
    "RUNNING": ("look", "restart"),
    "SHUTTING_DOWN": ("create", "look", "restart", "stop"),
}


def machines(status: str) -> list[Attempt | None]:
    """The latest tries that a resource in a state may have: idle, in the queue, in hand."""
    row = Attempt(1, 1, 1, "", RESOURCE_GROUP, "VALIDATING", 0, offered=False)
    ended = replace(row, status="FAILED", ended_at=1)
    if status in ENDED or status in {"WAITING_ON_DEPENDENCIES", "PAUSED"}:
        return [None, replace(ended, status=status) if status in ENDED else ended]
    found: list[Attempt | None] = []
    for step, handle, verdict in product(STEPS[status], (None, "h"), ("FAILED", "FINISHED")):
        began = None if status == "VALIDATING" else NOW - 1
        machine = Machine(step, NOW, began, handle, verdict=verdict)
        alive = replace(row, status=status, fields=machine_text(machine), reported_at=1)
        found += [alive, replace(alive, offered=True), replace(alive, acknowledged=True)]
    return found


def resources():
    for status, state, paused in product(
        RESOURCE_STATES, ("SCHEDULED", "DEACTIVATING"), (False, True)
    ):
        for attempt in machines(status):
            found = instance(status, component="Host")
            yield InstanceView(place(state, paused, "Host"), found, attempt)


RESOURCE_EVENTS = (
    *INSTANCE_EVENTS,
    MachineDue(1),
    Heard(1),
    *(StepDone(TASK, Outcome(kind, "why")) for kind in get_args(OutcomeKind)),
)


@pytest.mark.parametrize("event", RESOURCE_EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_in_every_state_of_a_resource(event):
    for view in resources():
        if isinstance(event, Claim) and not (view.attempt is not None and view.attempt.offered):
            continue
        check(view.instance, decide(view, event, NOW, Rules()))


@pytest.mark.parametrize("event", RESOURCE_EVENTS, ids=lambda event: type(event).__name__)
def test_no_resource_ends_before_its_machine_is_stopped(event):
    """Once creating has begun only the word that it has stopped ends it."""
    stopped = isinstance(event, StepDone) and event.outcome.kind == "stopped"
    for view in resources():
        alive = view.instance.status in {"CREATING", "ACTIVATING", "RUNNING", "SHUTTING_DOWN"}
        refused = isinstance(event, FinishInstance) and alive
        claimed = isinstance(event, Claim) and not (view.attempt and view.attempt.offered)
        if not alive or stopped or refused or claimed:
            continue
        for change in decide(view, event, NOW, Rules()).changes:
            if isinstance(change, UpdateInstance):
                assert change.row.status in UNDER_WAY


@pytest.mark.parametrize(("wanted", "needed"), [(True, True), (False, True), (False, False)])
def test_tending_a_resource_in_every_state(wanted, needed):
    for view in resources():
        seen = TendView(view.place, view.instance, view.attempt, wanted, needed)
        decision = decide(seen, TendResource(1), NOW, Rules())
        check(view.instance, decision)
        made = [each for each in decision.changes if isinstance(each, InsertAttempt)]
        idle = view.instance.status in {*ENDED, "WAITING_ON_DEPENDENCIES"}
        serving = view.place.pipeline.state == "SCHEDULED" and not view.place.row.paused
        again = TendResource(1) in decision.follow
        assert (bool(made) or again) == (wanted and idle and serving)


@pytest.mark.parametrize("loss", get_args(Loss))
def test_the_loss_of_a_resource_in_every_state(loss):
    for view in views("D"):
        check(view.instance, decide(view, LoseResource(1, "@Host", loss, "why"), NOW, Rules()))


def test_an_alarm_is_set_off_in_every_state():
    node = Node(instance("FAILED"))
    for view in views("Bell@B"):
        fire = FireView(view.place, node, 0, view.instance, view.attempt)
        decision = decide(fire, Fire(1, "Bell@B"), NOW, Rules())
        check(view.instance, decision)
        sent = [c.row for c in decision.changes if isinstance(c, InsertAttempt | UpdateAttempt)]
        assert len(sent) == 1
        assert sent[0].offered != view.place.row.paused


def test_preconditions_are_made_once_and_only_when_all_else_is_met():
    for view in views():
        for missing, others in product(((), ("C@B",), ("A", "C@B")), ({}, {"C@B": "FAILED"})):
            existing = {key: instance(status) for key, status in others.items()}
            evaluate = EvaluateView(view.place, view.instance, missing, existing)
            made = decide(evaluate, Evaluate(1), NOW, Rules()).follow
            serving = view.place.pipeline.state == "SCHEDULED"
            due = serving and missing == ("C@B",) and view.instance.status not in ENDED
            assert bool(made) == (due and not existing)


NEED = Needed("A", 0, 0, 1)


@pytest.mark.parametrize(
    "state", [NeedState(NEED, 0), NeedState(NEED, 1), NeedState(NEED, 1, "@A_1970-01-01T00:00:00")]
)
def test_finding_out_what_an_instance_waits_for(state):
    for view in views():
        create = CreateView(view.place, (state,), 1, view.instance, view.attempt)
        decide(create, Create(1, "B", 0, 0, 1), NOW, Rules())
        check(view.instance, decide(create, Await(1), NOW, Rules()))


@pytest.mark.parametrize("status", sorted(ENDED))
def test_an_end_told_to_those_that_wait_in_any_state(status):
    """Only what waits has waits."""
    target = replace(instance(status), component="A")
    for view in views():
        if view.instance.status not in {"WAITING_ON_DEPENDENCIES", "PAUSED"}:
            continue
        waiting = replace(view, instance=replace(view.instance, unmet=1, retry_at=None))
        settled = SettledView(
            replace(view.place, row=replace(view.place.row, id="A")),
            (Waiting(Wait(1, 1, "A", 0, 0, 1), waiting),),
        )
        check(waiting.instance, decide(settled, Settled(target), NOW, Rules()))
        again = decide(settled, Unsettled(target), NOW, Rules())
        check(waiting.instance, again)


@pytest.mark.parametrize(("old", "new"), list(product(STATES, STATES)))
def test_only_the_tables_transitions_are_made(old, new):
    if new == old or new in TRANSITIONS[old]:
        assert move(instance(old), new).status == new
    else:
        with pytest.raises(Failure):
            move(instance(old), new)


def test_what_runs_is_never_left_but_by_its_owner_a_timer_or_a_hang_up():
    for view in views():
        if view.instance.status != "RUNNING":
            continue
        for event in INSTANCE_EVENTS:
            by_owner = isinstance(event, Claim | Report | EndTask | OwnerDeadline | Undelivered)
            if by_owner or isinstance(event, FinishInstance):
                continue
            for change in decide(view, event, NOW, Rules()).changes:
                if isinstance(change, UpdateInstance):
                    assert change.row.status == "RUNNING", event


def test_arguments_are_left_as_they_were():
    for view in views():
        before = repr(view)
        for event in INSTANCE_EVENTS:
            try:
                decide(view, event, NOW, Rules())
            except (ApiError, Failure):
                continue
        assert repr(view) == before
