"""One unit of work on PostgreSQL, with as few journeys to the database as can be.

What a batch will need is mostly known before: the tasks that its calls are about, their components
and pipelines, and, once a few polls of a queue have been served, that more will be. So rows are
read ahead, several statements to a journey, and kept for the length of the transaction; that is
sound because nobody else changes what belongs to a pipeline whose lock is held.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from penstock.model.runtime import (
    PIPELINE_TIMERS,
    Attempt,
    ComponentRow,
    Pipeline,
    TaskKey,
    Timer,
    TimerKind,
)
from penstock.model.times import Instant
from penstock.store.protocol import Lock, Past, StoreUnavailable, Task
from penstock.store.reader import Row, SqlReader, load_statements, pipeline_of, task_of
from penstock.store.recent import RecentRows
from penstock.store.session import Parameters, Session
from penstock.store.statements import load
from penstock.store.transaction import SqlTransaction

STATEMENTS: Mapping[str, str] = {**load_statements("postgres"), **load("postgres.sql", "postgres")}

PASSED_OVER_MS = 20
"""When to look again at what another server had its hands on; its batch has ended by then."""

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_KEYS_AT_ONCE = 100
_MOST_AHEAD = 64
"""Tasks of a queue that are read at once. Their pipelines are locked, so the first poll asks for
one task only, and each time that this was not enough for four times as many."""

QueueName = tuple[str, str]


class UnlockedWrite(Exception):
    """A command changes a pipeline that it has not named: another server may be changing it too."""


class _Head:
    """The first tasks of a queue, as they stand in the transaction."""

    def __init__(self, tasks: list[Task], whole: bool) -> None:
        self.tasks = deque(tasks)
        self.whole = whole
        """Whether there are no others behind them."""

    def drop(self, instance: int) -> None:
        """A task stands in the queue no longer."""
        if self.tasks and self.tasks[0].instance.key == instance:
            self.tasks.popleft()
        else:
            self.tasks = deque(task for task in self.tasks if task.instance.key != instance)


class PostgresReader(SqlReader):
    """Questions on a connection of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _all(self, statement: str, parameters: Mapping[str, object]) -> list[Row]:
        return self._session.ask(STATEMENTS[statement], parameters).fetchall()

    def _one(self, statement: str, parameters: Mapping[str, object]) -> Row | None:
        row: Row | None = self._session.ask(STATEMENTS[statement], parameters).fetchone()
        return row


class PostgresTransaction(PostgresReader, SqlTransaction):
    """A unit of work on the one connection that writes; it begins when it is made."""

    def __init__(
        self, session: Session, keys: list[int], locks: Collection[Lock], guarded: bool
    ) -> None:
        """`keys` are instances' keys in reserve, which go from one transaction to the next."""
        PostgresReader.__init__(self, session)
        SqlTransaction.__init__(self, RecentRows())
        self._keys = keys
        self._guarded = guarded
        self._busy: set[int] = set()
        """The pipelines that another server had when they were tried."""
        self._pipelines: dict[int, Pipeline] = {}
        self._heads: dict[QueueName, _Head] = {}
        self._appetite: dict[QueueName, int] = {}
        self._passed_over: set[int] = set()
        self._late_timers = False
        self._due: tuple[Instant | None] | None = None
        """When the next timer is due, if that is known."""
        self._changes = 0
        self.began_at, self._held = self._enter(locks)

    def _enter(self, locks: Collection[Lock]) -> tuple[Instant, set[int]]:
        """Begin; answers the database's time and the locks that are held, and reads ahead.

        All in one journey: each statement sees what was committed before it began, and those that
        read come after the one that had to wait for the locks.
        """
        tasks = [lock for lock in locks if isinstance(lock, TaskKey)]
        keys = [lock for lock in locks if isinstance(lock, int)]
        wanted: dict[str, object] = {
            "keys": list({*keys, *(task.pipeline for task in tasks)}),
            "ids": [lock for lock in locks if isinstance(lock, str)],
        }
        self._session.later(_BEGIN)
        questions: list[tuple[str, Parameters]] = [("enter", wanted)]
        if locks:
            questions.append(("pipelines", wanted))
        if tasks:
            instances = [task.instance for task in tasks]
            numbers = [task.attempt for task in tasks]
            questions.append(("tasks", {"instances": instances, "numbers": numbers}))
            questions.append(("components_of", {"instances": instances}))
        answers = self._ask_all(questions)
        ((now, held, _),) = answers[0]
        self._keep(questions[1:], answers[1:])
        return now, set(held or ())

    def _ask_all(self, questions: list[tuple[str, Parameters]]) -> list[list[Row]]:
        """The answers to several questions, one after the other, in one journey."""
        statements = [(STATEMENTS[name], parameters) for name, parameters in questions]
        return [cursor.fetchall() for cursor in self._session.ask_all(statements)]

    def _keep_pipelines(self, rows: list[Row]) -> None:
        for row in rows:
            pipeline = pipeline_of(row)
            if pipeline is not None:
                self._pipelines[pipeline.key] = pipeline

    def _keep_tasks(self, rows: list[Row]) -> None:
        self._remember([task for row in rows if (task := task_of(row))])

    def _keep_components(self, rows: list[Row]) -> None:
        for row in rows:
            self._recent.remember_component(ComponentRow(*row))

    def _do(self, statement: str, parameters: Mapping[str, object]) -> None:
        if self._guarded:
            pipeline = parameters.get("key" if statement == "update_pipeline" else "pipeline")
            if pipeline is not None and pipeline not in self._held:
                raise UnlockedWrite(f"{statement} without the lock of pipeline {pipeline}")
        self._changes += 1
        self._session.later(STATEMENTS[statement], parameters)

    def _count(self, statement: str, parameters: Mapping[str, object]) -> int:
        self._changes += 1
        return self._session.ask(STATEMENTS[statement], parameters).rowcount

    def pipeline(self, key: int) -> Pipeline | None:
        return self._pipelines.get(key) or super().pipeline(key)

    def insert_pipeline(self, row: Pipeline) -> int:
        self._changes += 1
        key = super().insert_pipeline(row)
        # Nobody else can see it before the commit.
        self._held.add(key)
        return key

    def update_pipeline(self, row: Pipeline) -> None:
        super().update_pipeline(row)
        self._pipelines[row.key] = row

    def reserve_instance_key(self) -> int:
        if not self._keys:
            rows = self._all("reserve_instance_key", {"count": _KEYS_AT_ONCE})
            self._keys.extend(row[0] for row in reversed(rows))
        return self._keys.pop()

    def insert_attempt(self, row: Attempt) -> None:
        super().insert_attempt(row)
        self._note_offer(row)

    def update_attempt(self, row: Attempt) -> None:
        super().update_attempt(row)
        self._note_offer(row)

    def _note_offer(self, row: Attempt) -> None:
        """Keep what is known of a queue in step with what is written."""
        queue = (row.account_id, row.worker_group)
        if row.offered:
            # Where in the queue it stands only the database can tell.
            self._heads.pop(queue, None)
        elif queue in self._heads:
            self._heads[queue].drop(row.instance)

    def offered(self, account_id: str, worker_group: str, limit: int) -> list[Task]:
        queue = (account_id, worker_group)
        head = self._heads.get(queue)
        while head is None or (len(head.tasks) < limit and not head.whole):
            asked = max(limit, min(4 * self._appetite.get(queue, 0), _MOST_AHEAD))
            tasks = self._first_of(queue, asked)
            self._appetite[queue] = asked
            head = self._heads[queue] = _Head(tasks, len(tasks) < asked)
        if len(head.tasks) < limit:
            self._passed_over |= self._busy
        return [self._as_it_stands(task) for task, _ in zip(head.tasks, range(limit), strict=False)]

    def _as_it_stands(self, task: Task) -> Task:
        """A task that was read a while ago, with what has been written since."""
        key = task.instance.key
        instance = self._recent.instances.get(key, task.instance)
        if task.attempt is None:
            return Task(instance, None)
        attempt = self._recent.attempts.get((key, task.attempt.number), task.attempt)
        return Task(instance, attempt)

    def _first_of(self, queue: QueueName, limit: int) -> list[Task]:
        """Ask for the first tasks of a queue, until all are of pipelines that are held.

        In the journey that tries the locks go along, for the likely case that all are had, the
        question asked anew and what will be asked next.
        """
        account_id, worker_group = queue
        named: dict[str, object] = {"account_id": account_id, "worker_group": worker_group}
        question: Parameters = {**named, "limit": limit, "busy": list(self._busy)}
        rows = self._all("offered", question)
        while True:
            tasks = [task for row in rows if (task := task_of(row))]
            ahead = self._unknown_of(tasks)
            wanted = {task.instance.pipeline for task in tasks} - self._held
            if not wanted:
                if ahead:
                    self._keep(ahead, self._ask_all(ahead))
                return self._remember(tasks)
            tried = [("try_locks", {"keys": sorted(wanted)}), ("offered", question), *ahead]
            locked, rows, *found = self._ask_all(tried)
            if self._note_locks(wanted, locked):
                self._keep(ahead, found)
            else:
                question = {**named, "limit": limit, "busy": list(self._busy)}
                rows = self._all("offered", question)

    def _unknown_of(self, tasks: list[Task]) -> list[tuple[str, Parameters]]:
        """Questions for the pipelines and components of tasks, as far as they are not known."""
        pipelines = {task.instance.pipeline for task in tasks} - self._pipelines.keys()
        instances = [
            task.instance.key
            for task in tasks
            if self._recent.component(task.instance.pipeline, task.instance.component) is None
        ]
        questions: list[tuple[str, Parameters]] = []
        if pipelines:
            questions.append(("pipelines", {"keys": list(pipelines), "ids": []}))
        if instances:
            questions.append(("components_of", {"instances": instances}))
        return questions

    def _keep(self, questions: list[tuple[str, Parameters]], answers: list[list[Row]]) -> None:
        """Keep what was read ahead."""
        keepers = {
            "pipelines": self._keep_pipelines,
            "tasks": self._keep_tasks,
            "components_of": self._keep_components,
        }
        for (name, _), rows in zip(questions, answers, strict=True):
            keepers[name](rows)

    def due_timers(self, now: Instant, limit: int) -> list[Timer]:
        parameters = {"now": now, "limit": limit, "pipeline_kinds": list(PIPELINE_TIMERS)}
        while True:
            rows = self._all("due_timers", {**parameters, "busy": list(self._busy)})
            wanted = {row[-1] for row in rows} - self._held
            if not wanted:
                break
            self._note_locks(wanted, self._all("try_locks", {"keys": sorted(wanted)}))
        self._late_timers |= bool(self._busy)
        return [Timer(*row[:-1]) for row in rows]

    def _note_locks(self, wanted: set[int], taken: list[Row]) -> bool:
        """What came of trying to take locks; whether all were had.

        What was read before of those pipelines is too old: another server may have changed it
        until just now.
        """
        locked = {row[0] for row in taken}
        self._held |= locked
        self._busy |= wanted - locked
        return locked == wanted

    def set_timer(self, row: Timer) -> None:
        self._due = None
        super().set_timer(row)

    def hasten_timer(self, row: Timer) -> None:
        self._due = None
        super().hasten_timer(row)

    def clear_timer(self, kind: TimerKind, subject: int) -> None:
        self._due = None
        super().clear_timer(kind, subject)

    def purge(self, pipeline: int, limit: int) -> bool:
        self._due = None
        return super().purge(pipeline, limit)

    def _array(self, numbers: Sequence[int]) -> object:
        return list(numbers)

    def prune(self, pipeline: int, component: str, rows: Sequence[Past]) -> None:
        self._due = None
        super().prune(pipeline, component, rows)

    def next_due(self) -> Instant | None:
        if self._due is None:
            self._due = (super().next_due(),)
        (due,) = self._due
        if due is None or not self._late_timers:
            return due
        # What is due, and in another's hands, is not to be looked at all the time.
        return max(due, self.began_at + PASSED_OVER_MS)

    def announce(self, account_id: str, worker_group: str) -> None:
        self._do("announce", {"queue": f"{account_id} {worker_group}"})

    def passed_over(self) -> Collection[int]:
        passed_over, self._passed_over = self._passed_over, set()
        return passed_over

    def commit(self) -> None:
        """Make all of it durable."""
        if self._due is None:
            due, ended = self._session.ask_all([(STATEMENTS["next_due"], {}), ("COMMIT", None)])
            self._due = due.fetchone()
        else:
            ended = self._session.ask("COMMIT")
        # After a failure, COMMIT succeeds and means ROLLBACK.
        if ended.statusmessage != "COMMIT":
            raise StoreUnavailable("the database has undone what was written")

    def rollback(self) -> None:
        self._session.rollback()

    def flush(self) -> None:
        self._session.flush()

    def changes(self) -> int:
        return self._changes + self._session.failures

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = self._session.mark()
        held = set(self._held)
        self._session.later("SAVEPOINT command")
        begun = self._session.mark()
        try:
            yield
            if self._session.mark() == begun:
                self._session.undo_to(before)
                return
            self.flush()
        except BaseException:
            self._forget()
            if not self._session.undo_to(before):
                # With it the database gives back the locks that were taken since.
                self._held = held
                self._session.go_back("command")
                self._session.later("RELEASE SAVEPOINT command")
            raise
        self._session.later("RELEASE SAVEPOINT command")

    def _forget(self) -> None:
        """Drop what was read: some of it may have been written over, which is undone now."""
        self._recent.clear()
        self._pipelines.clear()
        self._heads.clear()
        self._due = None
