"""How a task relates to others, in words, both ways."""

from dataclasses import dataclass

from tasks.models import Task, TaskDependency

# how many of each way a page lists
MOST = 100

# what a kind says of the task that depends, and of the one depended on
_WORDS = {
    "blocks": ("waits for", "blocks"),
    "parent-child": ("part of", "contains"),
    "discovered-from": ("found during", "led to"),
    "related": ("related to", "related to"),
}


@dataclass(frozen=True)
class Relation:
    """`other` is a task, or None when what it names, `external`, is not in this database."""

    words: str
    other: Task | None
    external: str = ""


def relations_of(task: Task) -> list[Relation]:
    """What it depends on, then what depends on it, in two queries."""
    needed = task.dependencies.select_related("depends_on").order_by(
        "kind", "depends_on__title", "external"
    )
    waiting = TaskDependency.objects.filter(depends_on=task).select_related("task")
    return [
        Relation(_words(row.kind)[0], row.depends_on, row.external or "") for row in needed[:MOST]
    ] + [
        Relation(_words(row.kind)[1], row.task)
        for row in waiting.order_by("kind", "task__title")[:MOST]
    ]


def _words(kind: str) -> tuple[str, str]:
    return _WORDS.get(kind, (kind, f"{kind}, the other way"))
