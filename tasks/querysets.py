"""Reads of tasks, named after what they show."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models

from rodcorp.kit.validation import guid
from tasks.errors import TaskNotFound

if TYPE_CHECKING:
    from agents.models import Agent
    from tasks.models import Task

_OPEN = ("pending", "in_progress", "blocked")


class TaskQuerySet(models.QuerySet["Task"]):
    def in_list(self) -> "TaskQuerySet":
        """All tasks, newest first."""
        return self.order_by("-created_at", "title")

    def of_agent(self, agent: "Agent", status: str | None = None) -> "TaskQuerySet":
        mine = self.filter(agent=agent)
        if status is not None:
            mine = mine.filter(status=status)
        return mine.in_list()

    def in_project(self, project: str) -> "TaskQuerySet":
        return self.filter(project=project).in_list()

    def waiting(self) -> "TaskQuerySet":
        """Pending, most urgent first, then longest waiting."""
        return self.filter(status="pending").order_by("-priority", "created_at")

    def at_work(self) -> "TaskQuerySet":
        """What somebody is working on, most urgent first, with who it is."""
        mine = self.filter(status="in_progress", agent__isnull=False)
        return mine.select_related("agent").order_by("-priority", "created_at")

    def overdue(self, now: datetime) -> "TaskQuerySet":
        return self.filter(status__in=_OPEN, due_date__lt=now).order_by("due_date")

    def waiting_for_review(self) -> "TaskQuerySet":
        """Longest waiting first."""
        return self.filter(review_state="waiting").order_by("completed_at")

    def with_id(self, task_id: object) -> "Task":
        wanted = guid(task_id, "task_id")
        task = self.filter(pk=wanted).first()
        if task is None:
            raise TaskNotFound(f"There is no task {wanted}.", field="task_id")
        return task
