"""The facade for scripts: the documented calls, and nothing else.

    from rodcorp.manager import DatabaseManager

    with DatabaseManager() as company:
        company.register_agent("Ada", "Core", "compilers", "claude", "INTJ-D", "senior")

Every call is a service or a named queryset; rows come back as dictionaries keyed by the column
names of the documented tables. A refusal is a `rodcorp.errors.RodCorpError`.
"""

from rodcorp.bootstrap import setup

setup()

from collections.abc import Callable, Iterable
from threading import Lock
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from django.db import connections, models

from agents.errors import AgentNotFound
from agents.models import Agent, Discussion
from agents.services import discussions, presence, registry
from payroll.services import evaluations, ledger
from rodcorp.actors import Actor
from rodcorp.databases.failover import primary_is_available
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.kit import validation
from rodcorp.kit.priorities import Priority
from rodcorp.operations.start import start
from rodcorp.statistics import (
    SystemStatistics,
    database_type,
    system_statistics,
)
from tasks.models import Task, TaskStatus
from tasks.services import creation, work

Row = dict[str, Any]

MAX_ROWS = 10_000

_start = Lock()


class DatabaseManager:
    """The company, for a script. Thread-safe; one instance may serve many threads.

    Making the first one runs the documented start: the databases are brought up to date, and one
    that was never used is filled with sample data unless `RODCORP_SAMPLE_DATA=0`.
    """

    _started = False

    def __init__(self) -> None:
        with _start:
            if not DatabaseManager._started:
                start()
                DatabaseManager._started = True
        self._actor = Actor.command("script")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this thread's connections; the next call opens them again."""
        connections.close_all()

    # --- agents ---------------------------------------------------------------------------------

    def register_agent(
        self,
        agent_name: str,
        team: str | None = None,
        specialization: str | None = None,
        ai_model: str | None = None,
        personality: str | None = None,
        seniority: str | None = None,
        *,
        project_id: str | None = None,
        role: str | None = None,
        machine_hostname: str | None = None,
        machine_ip: str | None = None,
        communication_port: int | None = None,
    ) -> str:
        """Register an agent, or update the one of that name in that project; its id. What is left
        out comes from `RODCORP_PROJECT` and this machine, or stays as it was."""
        agent = registry.register_agent(
            actor=self._actor,
            name=agent_name,
            project=project_id,
            team=team,
            specialization=specialization,
            ai_model=ai_model,
            personality=personality,
            seniority=seniority,
            role=role,
            machine_hostname=machine_hostname,
            machine_ip=machine_ip,
            communication_port=communication_port,
        )
        return str(agent.pk)

    def update_agent_heartbeat(self, agent_name: str) -> bool:
        """Note that the agent is alive."""
        presence.heartbeat(actor=self._actor, agent=_named(agent_name))
        return True

    def get_agent_by_name(self, agent_name: str) -> Row | None:
        """The agent, or None if nobody has that name."""
        try:
            return _row(_named(agent_name))
        except AgentNotFound:
            return None

    def get_active_agents(self) -> list[Row]:
        """Agents in service, by name."""
        return _rows(Agent.objects.active_by_name)

    # --- discussions ----------------------------------------------------------------------------

    def post_discussion_message(
        self,
        participant: str,
        topic: str,
        message: str,
        sentiment: str | None = None,
        priority: str | int = "normal",
    ) -> str:
        """Say something as the agent `participant`; the message's id. Without a sentiment it is
        judged from the text."""
        posted = discussions.post_message(
            actor=self._actor,
            agent=_named(participant),
            topic=topic,
            message=message,
            sentiment=sentiment,
            priority=priority,
        )
        return str(posted.pk)

    def get_recent_discussions(self, limit: int = 10) -> list[Row]:
        """The latest messages, newest first."""
        wanted = _limit(limit)
        return _rows(lambda: Discussion.objects.recent()[:wanted])

    def get_discussions_by_topic(self, topic: str) -> list[Row]:
        """All messages on a topic, whatever its case, newest first."""
        return _rows(lambda: Discussion.objects.on_topic(topic))

    # --- RodCoins -------------------------------------------------------------------------------

    def award_rodcoins(
        self,
        agent_name: str,
        amount: int,
        description: str,
        transaction_type: str = "earned",
        *,
        key: str | None = None,
    ) -> str:
        """Pay an agent (`earned`, `bonus`, `adjustment`) or take back (`deduction`); the
        transaction's id. With a `key` it happens once, however often the call is repeated."""
        transaction = ledger.award_rodcoins(
            actor=self._actor,
            agent=_named(agent_name),
            amount=amount,
            description=description,
            transaction_type=transaction_type,
            key=key,
        )
        return str(transaction.pk)

    def get_agent_rodcoins_balance(self, agent_name: str) -> int:
        """What the agent can spend now."""
        return run_repeatable(lambda: ledger.balance_of(_named(agent_name)))

    def get_rodcoins_leaderboard(self, limit: int = 10) -> list[Row]:
        """The agents who earned most, first place first, each with its `Rank`."""
        wanted = _limit(limit)
        leaders = _rows(lambda: Agent.objects.leaderboard()[:wanted])
        return [{"Rank": rank, **row} for rank, row in enumerate(leaders, start=1)]

    # --- tasks ----------------------------------------------------------------------------------

    def create_task(
        self,
        agent_name: str,
        description: str,
        priority: str | int = "normal",
        due_date: object = None,
    ) -> str:
        """Give the agent a new task; the task's id."""
        task = creation.create_task(
            actor=self._actor,
            agent=_named(agent_name),
            description=description,
            priority=priority,
            due_date=due_date,
        )
        return str(task.pk)

    def update_task_status(
        self, task_id: str, status: str, completion_percentage: int | None = None
    ) -> bool:
        """Move a task on. Completing it pays its reward, once."""
        work.update_task_status(
            actor=self._actor,
            task=run_repeatable(lambda: Task.objects.with_id(task_id)),
            status=status,
            completion_percentage=completion_percentage,
        )
        return True

    def get_agent_tasks(self, agent_name: str, status: str | None = None) -> list[Row]:
        """The agent's tasks, newest first, of one status if it is given."""
        if status is not None:
            status = validation.choice(status, "status", TaskStatus.values)
        return _rows(lambda: Task.objects.of_agent(_named(agent_name), status))

    # --- evaluations ----------------------------------------------------------------------------

    def record_performance_evaluation(
        self,
        agent_uuid: str,
        performance_score: object,
        evaluator_uuid: str,
        notes: str | None = None,
    ) -> str:
        """Record a score from 0.00 to 5.00 by a user or another agent; the evaluation's id."""
        wanted = validation.guid(agent_uuid, "agent_uuid")
        agent = run_repeatable(lambda: Agent.objects.filter(pk=wanted).first())
        if agent is None:
            raise AgentNotFound(str(wanted))
        evaluation = evaluations.record_performance_evaluation(
            actor=self._actor,
            agent=agent,
            score=performance_score,
            evaluator_id=evaluator_uuid,
            notes=notes,
        )
        return str(evaluation.pk)

    # --- the system -----------------------------------------------------------------------------

    def get_system_statistics(self) -> SystemStatistics:
        """The company in numbers."""
        return run_repeatable(system_statistics)

    def get_database_type(self) -> str:
        """`MSSQL` or `SQLite`: where data is read and written now."""
        return database_type()

    @property
    def mssql_available(self) -> bool:
        """Whether SQL Server answers and takes writes now, in use or not."""
        return primary_is_available()


def _named(agent_name: str) -> Agent:
    return run_repeatable(lambda: Agent.objects.named(agent_name))


def _rows(read: Callable[[], Iterable[models.Model]]) -> list[Row]:
    return run_repeatable(lambda: [_row(row) for row in read()])


def _row(row: models.Model) -> Row:
    return {
        str(field.column): _value(field.name, getattr(row, field.attname))
        for field in row._meta.concrete_fields
    }


def _value(name: str, value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if name == "priority" and isinstance(value, int):
        return Priority(value).label
    return value


def _limit(limit: object) -> int:
    return validation.integer(limit, "limit", minimum=1, maximum=MAX_ROWS)
