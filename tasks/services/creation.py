"""Creating tasks, one or many, with what hangs on them: labels, skills, dependencies."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from agents.models import Agent, AgentStatus
from rodcorp.actors import Actor, Permission
from rodcorp.databases.ids import natural_id, new_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.priorities import Priority, parse_priority
from rodcorp.kit.services import service
from tasks.models import Task, TaskDependency, TaskLabel, TaskSkill, TaskStatus

MAX_DESCRIPTION = 40_000
MAX_REWARD = 1_000_000_000

STATUSES = tuple(TaskStatus.values)


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
    completion_percentage: object = None
    created_at: datetime | None = None
    started_at: datetime | None = None
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
    thread: UUID | None


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


def external_task_id(source: str, key: str) -> UUID:
    """The id of the task that is called `key` in another system, where case may count."""
    return natural_id("task", source, key.encode())


def check_new_task(new: NewTask) -> None:
    """Raise what creating it would raise, and write nothing: an importer names all bad lines."""
    now = timezone.now()
    task = _draft(new, now)
    _labels_of(task, new)
    _skills_of(task, new)


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


def _create(new_tasks: Sequence[NewTask], *, is_sample: bool = False) -> list[Task]:
    now = open_unit().now
    made: list[Task] = []
    labels: list[TaskLabel] = []
    skills: list[TaskSkill] = []
    for new in new_tasks:
        task = _draft(new, now)
        task.is_sample = is_sample
        made.append(task)
        labels += _labels_of(task, new)
        skills += _skills_of(task, new)
    rows.insert_many(made)
    rows.insert_many(labels)
    rows.insert_many(skills)
    return made


def _draft(new: NewTask, now: datetime) -> Task:
    if new.agent is not None and new.agent.status == AgentStatus.RETIRED and not new.external:
        raise Conflict(f"The agent '{new.agent.name}' is retired.", field="agent_name")
    said = TaskChanges(
        description=new.description,
        priority=new.priority,
        due_date=new.due_date,
        reward=new.reward,
        supervisor_notes=new.supervisor_notes,
    )
    values = checked_details(said)
    first_line = " ".join(values["description"].splitlines()[0].split())
    status = TaskStatus(validation.choice(new.status, "status", STATUSES))
    project = new.project or (new.agent.project if new.agent else settings.RODCORP_PROJECT)
    source, key = new.external or (None, None)
    done = status is TaskStatus.COMPLETED
    return Task(
        id=external_task_id(*new.external) if new.external else new_id(),
        project=validation.text(project, "project", max_length=100),
        agent=new.agent,
        title=validation.text(
            new.title or validation.clip(first_line, 200), "title", max_length=200
        ),
        status=status,
        completion_percentage=checked_percentage(new.completion_percentage, status),
        thread=new.thread,
        created_at=new.created_at or now,
        started_at=new.started_at,
        completed_at=(new.completed_at or now) if done else None,
        external_source=source,
        external_key=key,
        **values,
    )


def checked_percentage(given: object, status: TaskStatus) -> int:
    """How far a task of that status is; not given, it is 100 when completed and 0 before."""
    done = status is TaskStatus.COMPLETED
    if given is None:
        return 100 if done else 0
    percentage = validation.integer(given, "completion_percentage", minimum=0, maximum=100)
    if done and percentage != 100:
        raise InvalidInput(
            "completion_percentage of a completed task is 100.", field="completion_percentage"
        )
    return percentage


def _labels_of(task: Task, new: NewTask) -> list[TaskLabel]:
    """Its labels, each once: two that differ only in case are one."""
    labels: dict[UUID, TaskLabel] = {}
    for label in new.labels:
        text = validation.text(label, "labels", max_length=100)
        label_id = natural_id("label", task.pk, text)
        labels.setdefault(label_id, TaskLabel(id=label_id, task=task, label=text))
    return list(labels.values())


def _skills_of(task: Task, new: NewTask) -> list[TaskSkill]:
    skills = []
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
    return skills


def checked_details(changes: TaskChanges) -> dict[str, Any]:
    """What is said about a task, in its proper types; raises `InvalidInput` for the first wrong."""
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
