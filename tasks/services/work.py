"""Assigning tasks and moving them through their statuses."""

from typing import Any, Unpack

from django.conf import settings

from agents.models import Agent, AgentStatus
from payroll.services import ledger
from rodcorp.actors import Actor, Permission
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict
from rodcorp.kit import rows, validation
from rodcorp.kit.priorities import Priority
from rodcorp.kit.services import service
from tasks.errors import IllegalTransition
from tasks.models import ReviewState, Task, TaskStatus
from tasks.services import observing
from tasks.services.creation import (
    STATUSES,
    TaskChanges,
    checked_details,
    checked_percentage,
)

_NEXT = {
    TaskStatus.PENDING: (
        TaskStatus.IN_PROGRESS,
        TaskStatus.COMPLETED,
        TaskStatus.BLOCKED,
        TaskStatus.CANCELLED,
    ),
    TaskStatus.IN_PROGRESS: (
        TaskStatus.PENDING,
        TaskStatus.COMPLETED,
        TaskStatus.BLOCKED,
        TaskStatus.CANCELLED,
    ),
    TaskStatus.BLOCKED: (
        TaskStatus.PENDING,
        TaskStatus.IN_PROGRESS,
        TaskStatus.COMPLETED,
        TaskStatus.CANCELLED,
    ),
    TaskStatus.COMPLETED: (TaskStatus.IN_PROGRESS, TaskStatus.CANCELLED),
    TaskStatus.CANCELLED: (),
}


def next_statuses(task: Task) -> tuple[TaskStatus, ...]:
    """What the task's present status leads to."""
    return _NEXT[TaskStatus(task.status)]


@service("tasks.update", needs=Permission.MANAGE_TASKS)
def update_task(*, actor: Actor, task: Task, **changes: Unpack[TaskChanges]) -> Task:
    """Change what is said about a task; its status and its agent have services of their own.

    A quality score given to a completed task counts in its agent's rating, once a round.
    """
    values = checked_details(changes)
    is_scored = values.get("quality_score", task.quality_score) != task.quality_score
    rows.change(task, **values)
    if is_scored:
        observing.observe_quality(actor=actor, task=task)
    return task


@service("tasks.assign", needs=Permission.MANAGE_TASKS)
def assign_task(*, actor: Actor, task: Task, agent: Agent | None) -> Task:
    """Give an open task to an agent in service, or back to the pool. A live lease ends."""
    if task.status in (TaskStatus.COMPLETED, TaskStatus.CANCELLED):
        raise IllegalTransition(f"The task is {task.status}; only open tasks are assigned.")
    if agent is not None and agent.status == AgentStatus.RETIRED:
        raise Conflict(f"The agent '{agent.name}' is retired.", field="agent_name")
    return rows.change(task, agent=agent, lease_token=None, lease_until=None)


@service("tasks.set_status", needs=Permission.WORK_ON_TASKS)
def update_task_status(
    *,
    actor: Actor,
    task: Task,
    status: str,
    completion_percentage: object = None,
    key: str | None = None,
) -> Task:
    """Move a task to a status, and note how far it is.

    Completing pays the reward, once a round, and where there is a due date hands over how punctual
    it was. Taking a completed task up again, or cancelling it, takes the reward back. The status it
    already has is no move: only the percentage is noted.
    """
    if task.agent_id is not None:
        actor.require_own(task.agent_id)
    wanted = TaskStatus(validation.choice(status, "status", STATUSES))
    present = TaskStatus(task.status)
    values: dict[str, Any] = {}
    if completion_percentage is not None:
        values["completion_percentage"] = checked_percentage(completion_percentage, wanted)
    if wanted is not present:
        if wanted not in _NEXT[present]:
            allowed = ", ".join(_NEXT[present]) or "nothing: it is final"
            raise IllegalTransition(
                f"A task that is {present} cannot become {wanted}; it can become: {allowed}.",
                field="status",
            )
        values |= _move(task, wanted)
    rows.change(task, **values)
    if wanted is TaskStatus.COMPLETED and present is not TaskStatus.COMPLETED:
        _pay(actor, task)
        observing.observe_completion(actor=actor, task=task)
    if present is TaskStatus.COMPLETED and wanted is not present:
        ledger.take_back_task_reward(
            actor=actor,
            task_id=task.pk,
            round_number=task.round_number - (wanted is TaskStatus.IN_PROGRESS),
            reason=f"Task {wanted.replace('_', ' ')} after completion: {task.title}",
        )
    return task


def complete_task(*, actor: Actor, task: Task) -> Task:
    return update_task_status(actor=actor, task=task, status=TaskStatus.COMPLETED)


def cancel_task(*, actor: Actor, task: Task) -> Task:
    return update_task_status(actor=actor, task=task, status=TaskStatus.CANCELLED)


def reward_of(task: Task) -> int:
    """The coins completing the task pays: its own reward, or the default of its priority."""
    return default_reward(task.priority) if task.reward is None else task.reward


def default_reward(priority: int) -> int:
    reward: int = settings.RODCORP_REWARDS[Priority(priority).label]
    return reward


def _move(task: Task, wanted: TaskStatus) -> dict[str, Any]:
    """The columns that follow from entering a status."""
    now = open_unit().now
    values: dict[str, Any] = {"status": wanted}
    if wanted is TaskStatus.COMPLETED:
        values |= {
            "completion_percentage": 100,
            "completed_at": now,
            "review_state": ReviewState.WAITING if task.agent_id else ReviewState.NONE,
            "lease_token": None,
            "lease_until": None,
        }
    elif task.status == TaskStatus.COMPLETED:
        values |= {"completed_at": None, "review_state": ReviewState.NONE}
        if wanted is TaskStatus.IN_PROGRESS:
            values["round_number"] = task.round_number + 1
    if wanted is TaskStatus.CANCELLED:
        values |= {"lease_token": None, "lease_until": None}
    if wanted is TaskStatus.IN_PROGRESS and task.started_at is None:
        values["started_at"] = now
    return values


def _pay(actor: Actor, task: Task) -> None:
    amount = reward_of(task)
    if task.agent is None or amount == 0:
        return
    ledger.pay_task_reward(
        actor=actor,
        agent=task.agent,
        task_id=task.pk,
        round_number=task.round_number,
        amount=amount,
        description=f"Completed: {task.title}",
    )
