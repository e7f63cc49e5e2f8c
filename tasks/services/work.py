"""Creating, assigning and moving tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.conf import settings

from agents.models import Agent, AgentStatus
from payroll.services import ledger
from rodcorp.actors import Actor, Permission
from rodcorp.databases.ids import natural_id, new_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.priorities import Priority, parse_priority
from rodcorp.kit.services import service
from tasks.errors import IllegalTransition
from tasks.models import ReviewState, Task, TaskDependency, TaskLabel, TaskSkill, TaskStatus

MAX_DESCRIPTION = 40_000
MAX_REWARD = 1_000_000_000

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


@dataclass
class NewTask:
    """One task of a bulk call. The `external` pair (source, key) makes its id natural; a status
    other than pending, with its dates, is for work that was done elsewhere and earns nothing."""

    description: str
    agent: Agent | None = None
    project: str | None = None
    title: str | None = None
    priority: object = Priority.NORMAL
    due_date: object = None
    reward: object = None
    labels: Sequence[str] = ()
    skills: dict[str, int] = field(default_factory=dict)
    supervisor_notes: str | None = None
    external: tuple[str, str] | None = None
    status: str = TaskStatus.PENDING
    created_at: datetime | None = None
    completed_at: datetime | None = None
    thread: UUID | None = None


@dataclass
class NewDependency:
    """That `task` depends on another one, or on `external` text that names none of ours."""

    task: UUID
    depends_on: UUID | None = None
    external: str | None = None
    kind: str = "blocks"


class TaskChanges(TypedDict, total=False):
    title: str
    description: str
    priority: object
    due_date: object
    reward: object
    supervisor_notes: str | None
    quality_score: object


@service("tasks.create", needs=Permission.MANAGE_TASKS)
def create_task(
    *,
    actor: Actor,
    description: str,
    agent: Agent | None = None,
    project: str | None = None,
    title: str | None = None,
    priority: object = Priority.NORMAL,
    due_date: object = None,
    reward: object = None,
    labels: Sequence[str] = (),
    skills: dict[str, int] | None = None,
    key: str | None = None,
) -> Task:
    """A new pending task, of an agent or of nobody yet. The title is the description's first line
    if not given; a due date without a time is the end of that day; without a reward completing it
    pays the default of its priority."""
    new = NewTask(
        description, agent, project, title, priority, due_date, reward, labels, skills or {}
    )
    return _create([new])[0]


@service("tasks.create_many", needs=Permission.MANAGE_TASKS)
def create_tasks(*, actor: Actor, tasks: Sequence[NewTask], is_sample: bool = False) -> list[Task]:
    """Many tasks by the same rules; all of them or none."""
    return _create(tasks, is_sample=is_sample)


@service("tasks.add_dependencies", needs=Permission.MANAGE_TASKS)
def add_dependencies(*, actor: Actor, dependencies: Sequence[NewDependency]) -> int:
    """Add those that are not there yet; returns how many were new."""
    wanted = {row.pk: row for row in map(_dependency, dependencies)}
    known: set[UUID] = set()
    ids = list(wanted)
    for start in range(0, len(ids), rows.BATCH):
        part = TaskDependency.objects.filter(pk__in=ids[start : start + rows.BATCH])
        known.update(part.values_list("pk", flat=True))
    fresh = [row for row_id, row in wanted.items() if row_id not in known]
    rows.insert_many(fresh)
    return len(fresh)


@service("tasks.update", needs=Permission.MANAGE_TASKS)
def update_task(*, actor: Actor, task: Task, **changes: Unpack[TaskChanges]) -> Task:
    """Change what is said about a task; its status and its agent have services of their own."""
    return rows.change(task, **_checked(changes))


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

    Completing pays the reward, once a round. Taking a completed task up again, or cancelling it,
    takes the reward back. The status it already has is no move: only the percentage is noted.
    """
    if task.agent_id is not None:
        actor.require_own(task.agent_id)
    wanted = TaskStatus(validation.choice(status, "status", TaskStatus.values))
    present = TaskStatus(task.status)
    values: dict[str, Any] = {}
    if completion_percentage is not None:
        values["completion_percentage"] = validation.integer(
            completion_percentage, "completion_percentage", minimum=0, maximum=100
        )
    if wanted is TaskStatus.COMPLETED and values.get("completion_percentage", 100) != 100:
        raise InvalidInput(
            "completion_percentage of a completed task is 100.", field="completion_percentage"
        )
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
    if task.reward is not None:
        return task.reward
    default: int = settings.RODCORP_REWARDS[Priority(task.priority).label]
    return default


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


def _create(new_tasks: Sequence[NewTask], *, is_sample: bool = False) -> list[Task]:
    made = []
    labels: list[TaskLabel] = []
    skills: list[TaskSkill] = []
    for new in new_tasks:
        task = _draft(new)
        task.is_sample = is_sample
        made.append(task)
        for label in dict.fromkeys(new.labels):
            text = validation.text(label, "labels", max_length=100)
            labels.append(TaskLabel(id=natural_id("label", task.pk, text), task=task, label=text))
        for skill, level in new.skills.items():
            text = validation.text(skill, "skills", max_length=100)
            skills.append(
                TaskSkill(
                    id=natural_id("task skill", task.pk, text),
                    task=task,
                    skill=text,
                    level=validation.integer(level, f"skills[{skill}]", minimum=1, maximum=10),
                )
            )
    rows.insert_many(made)
    rows.insert_many(labels)
    rows.insert_many(skills)
    return made


def _draft(new: NewTask) -> Task:
    now = open_unit().now
    if new.agent is not None and new.agent.status == AgentStatus.RETIRED and not new.external:
        raise Conflict(f"The agent '{new.agent.name}' is retired.", field="agent_name")
    said = TaskChanges(
        description=new.description,
        priority=new.priority,
        due_date=new.due_date,
        reward=new.reward,
        supervisor_notes=new.supervisor_notes,
    )
    values = _checked(said)
    title = new.title or validation.clip(values["description"].splitlines()[0].strip(), 200)
    status = TaskStatus(validation.choice(new.status, "status", TaskStatus.values))
    project = new.project or (new.agent.project if new.agent else settings.RODCORP_PROJECT)
    source, key = new.external or (None, None)
    done = status is TaskStatus.COMPLETED
    return Task(
        id=natural_id("task", source, key) if new.external else new_id(),
        project=validation.text(project, "project", max_length=100),
        agent=new.agent,
        title=validation.text(title, "title", max_length=200),
        status=status,
        completion_percentage=100 if done else 0,
        thread=new.thread,
        created_at=new.created_at or now,
        completed_at=(new.completed_at or now) if done else None,
        external_source=source,
        external_key=key,
        **values,
    )


def _checked(changes: TaskChanges) -> dict[str, Any]:
    values: dict[str, Any] = dict(changes)
    if "title" in values:
        values["title"] = validation.text(values["title"], "title", max_length=200)
    if "description" in values:
        values["description"] = validation.text(
            values["description"], "description", max_length=MAX_DESCRIPTION, multiline=True
        )
    if "supervisor_notes" in values:
        values["supervisor_notes"] = (
            validation.text(
                values["supervisor_notes"],
                "supervisor_notes",
                max_length=MAX_DESCRIPTION,
                multiline=True,
                required=False,
            )
            or None
        )
    if "priority" in values:
        values["priority"] = parse_priority(values["priority"])
    if values.get("due_date") is not None:
        values["due_date"] = validation.moment(values["due_date"], "due_date", end_of_day=True)
    if values.get("reward") is not None:
        values["reward"] = validation.integer(
            values["reward"], "reward", minimum=0, maximum=MAX_REWARD
        )
    if values.get("quality_score") is not None:
        values["quality_score"] = validation.score(values["quality_score"], "quality_score")
    return values


def _dependency(new: NewDependency) -> TaskDependency:
    if new.task == new.depends_on:
        raise InvalidInput("A task cannot depend on itself.", field="depends_on")
    kind = validation.text(new.kind, "kind", max_length=30)
    external = (
        None if new.depends_on else validation.text(new.external, "depends_on", max_length=200)
    )
    return TaskDependency(
        id=natural_id("dependency", new.task, kind, new.depends_on or external),
        task_id=new.task,
        depends_on_id=new.depends_on,
        external=external,
        kind=kind,
    )
