"""Tasks from CSV."""

from typing import Any

from agents.admin.importing import skills_from_cell
from agents.models import Agent
from rodcorp.actors import Actor
from rodcorp.errors import Conflict, NotFound
from rodcorp.kit import validation
from rodcorp.kit.admin.imports import Cells, Importer
from tasks.models import Task
from tasks.services.creation import NewTask, create_tasks, external_task_id
from tasks.services.work import assign_task, update_task, update_task_status

# where the command that imports tasks from CSV gives keys, so that both know a task by one key
_SOURCE = "csv"

_DETAILS = (
    "title",
    "description",
    "priority",
    "due_date",
    "reward",
    "quality_score",
    "supervisor_notes",
)
_PROGRESS = ("status", "completion_percentage")
_GIVEN_ONCE = ("project", "labels", "skills")


class TaskImporter(Importer):
    columns = (
        "id",
        "key",
        "title",
        "description",
        "project",
        "agent",
        "status",
        "completion_percentage",
        "priority",
        "due_date",
        "reward",
        "quality_score",
        "supervisor_notes",
        "labels",
        "skills",
    )
    required = ("description",)
    service_names = {"agent_name": "agent"}
    prefetches = ("agent", "skills", "labels")
    help = (
        "A task is known by its id, or by a key of your own choosing; without either it is a new "
        "one. Labels are written like: ci; urgent, skills like: python 7; sql 4. A task that is "
        "imported as completed earns nothing; one that becomes completed does."
    )

    def find(self, cells: Cells) -> Task | None:
        tasks = Task.objects.select_related("agent")
        if "id" in cells:
            wanted = validation.guid(cells["id"], "id")
            found = tasks.filter(pk=wanted).first()
            if found is None:
                raise NotFound(f"There is no task {wanted}.", field="id")
            return found
        if "key" in cells:
            return tasks.filter(pk=external_task_id(_SOURCE, _key(cells))).first()
        return None

    def create(self, actor: Actor, cells: Cells) -> Task:
        details: dict[str, Any] = {name: cells[name] for name in cells if name in _NEW}
        score = cells.get("quality_score")
        if "agent" in cells:
            details["agent"] = Agent.objects.named(cells["agent"], project=cells.get("project"))
        if "labels" in cells:
            details["labels"] = list(filter(None, map(str.strip, cells["labels"].split(";"))))
        if "skills" in cells:
            details["skills"] = skills_from_cell(cells["skills"])
        if "key" in cells:
            details["external"] = (_SOURCE, _key(cells))
        task = create_tasks(actor=actor, tasks=[NewTask(**details)])[0]
        return update_task(actor=actor, task=task, quality_score=score) if score else task

    def change(self, actor: Actor, row: Task, changed: Cells) -> Task:
        for name in _GIVEN_ONCE:
            if name in changed:
                raise Conflict(f"The {name} of a task that exists cannot be imported.", field=name)
        if "agent" in changed:
            agent = Agent.objects.named(changed["agent"], project=row.project)
            assign_task(actor=actor, task=row, agent=agent)
        details: Any = {name: changed[name] for name in _DETAILS if name in changed}
        update_task(actor=actor, task=row, **details)
        progress: dict[str, Any] = {name: changed[name] for name in _PROGRESS if name in changed}
        if progress:
            update_task_status(actor=actor, task=row, **{"status": row.status, **progress})
        return row

    def value_of(self, row: Task, column: str) -> object:
        match column:
            case "key":
                return row.external_key if row.external_source == _SOURCE else None
            case "priority":
                return row.get_priority_display()
            case "labels":
                return "; ".join(sorted(label.label for label in row.labels.all()))
            case "skills":
                found = sorted((skill.skill, skill.level) for skill in row.skills.all())
                return "; ".join(f"{name} {level}" for name, level in found)
        return getattr(row, column)


_NEW = (*(name for name in _DETAILS if name != "quality_score"), *_PROGRESS, "project")


def _key(cells: Cells) -> str:
    return validation.text(cells["key"], "key", max_length=200)
