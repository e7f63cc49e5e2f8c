"""What became of a task: its changes, read from its history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from agents.models import Agent
from rodcorp.kit.priorities import Priority
from tasks.models import Task

LATEST = 20

# what people are told of, in the order in which it is told; texts are too long to be told twice
_TOLD = {
    "status": "status",
    "agent_id": "agent",
    "completion_percentage": "done",
    "review_state": "review",
    "round_number": "round",
    "priority": "priority",
    "due_date": "due",
    "reward": "reward",
    "quality_score": "quality",
    "title": "title",
    "project": "project",
}
_TEXTS = {"description": "description", "supervisor_notes": "supervisor notes"}


@dataclass(frozen=True)
class Step:
    """That a value became another; without the two, that a text was changed."""

    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Change:
    at: datetime
    who: str
    kind: str
    did: str
    steps: Sequence[Step] = ()


@dataclass(frozen=True)
class Story:
    changes: Sequence[Change]
    has_more: bool


def story_of(task: Task) -> Story:
    """The latest changes, newest first, in two queries."""
    history: Any = task.history
    images = list(history.order_by("-history_date")[: LATEST + 1])
    agents = {image.agent_id for image in images if image.agent_id}
    names = {agent.pk: agent.name for agent in Agent.objects.filter(pk__in=agents).only("name")}
    changes = [_change(new, old, names) for new, old in pairwise([*images, None])]
    return Story(changes[:LATEST], has_more=len(images) > LATEST)


def _change(new: Any, old: Any, names: dict[UUID, str]) -> Change:
    steps = list(_steps(new, old, names)) if old is not None else []
    did = {"+": "created it", "-": "deleted it"}.get(new.history_type, "changed it")
    return Change(new.history_date, new.actor_name, new.actor_kind, did, steps)


def _steps(new: Any, old: Any, names: dict[UUID, str]) -> Iterable[Step]:
    for name, label in _TOLD.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Step(label, _said(name, before, names), _said(name, after, names))
    for name, label in _TEXTS.items():
        if getattr(old, name) != getattr(new, name):
            yield Step(label)


def _said(name: str, value: Any, names: dict[UUID, str]) -> str:
    if value is None or value == "":
        return "nobody" if name == "agent_id" else "none"
    if name == "agent_id":
        return names.get(value, "an agent that is gone")
    if name == "priority":
        return str(Priority(value).label)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if name == "completion_percentage":
        return f"{value}%"
    return str(value).replace("_", " ") if name in ("status", "review_state") else str(value)
