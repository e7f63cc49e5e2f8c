"""Tasks."""

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm
from rodcorp.kit.skills import skills_from_text
from tasks.admin.importing import TaskImporter
from tasks.models import Task
from tasks.services.creation import create_task
from tasks.services.work import (
    assign_task,
    cancel_task,
    complete_task,
    update_task,
    update_task_status,
)

_STATUS_COLOURS = {
    "in progress": "info",
    "completed": "success",
    "blocked": "danger",
    "cancelled": "warning",
}
_PRIORITY_COLOURS = {"high": "warning", "urgent": "danger", "low": "info"}
_REVIEW_COLOURS = {
    "waiting": "warning",
    "approved": "success",
    "changes requested": "warning",
    "rejected": "danger",
}
_PROGRESS = ("status", "completion_percentage")


class DueField(forms.SplitDateTimeField):
    """A date without a time is the end of that day, as everywhere else."""

    def compress(self, data_list: Any) -> Any:
        if data_list and isinstance(data_list[0], date) and data_list[1] in self.empty_values:
            data_list = [data_list[0], time(23, 59, 59)]
        moment: datetime | None = super().compress(data_list)
        return moment


class TaskForm(BaseForm):
    service_names = {"agent_name": "agent"}

    due_date = DueField(
        widget=UnfoldAdminSplitDateTimeWidget,
        required=False,
        help_text="UTC; without a time, the end of that day.",
    )
    labels = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        required=False,
        help_text="One a line.",
    )
    skills = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        required=False,
        help_text="What it requires, one a line with its level from 1 to 10: python 7",
    )
    # what the page showed; the service refuses to overwrite what somebody changed meanwhile
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["version"] = self.instance.version
        elif "project" in self.fields:
            default = settings.RODCORP_PROJECT
            self.fields["project"].required = False
            self.fields["project"].help_text = f"The agent's or '{default}', if left out."
            self.fields["title"].required = False
            self.fields["title"].help_text = "The first line of the description, if left out."
        if "reward" in self.fields:
            self.fields["reward"].help_text = "RodCoins; the default of its priority, if left out."

    def clean_labels(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["labels"].splitlines() if line.strip()]

    def clean_skills(self) -> dict[str, int]:
        return skills_from_text(self.cleaned_data["skills"])


@admin.register(Task)
class TaskAdmin(BaseAdmin):
    form = TaskForm
    importer = TaskImporter
    needs = Permission.MANAGE_TASKS
    add_fields = (
        "title",
        "description",
        "project",
        "agent",
        "priority",
        "due_date",
        "reward",
        "labels",
        "skills",
    )
    change_fields = (
        "title",
        "description",
        "agent",
        *_PROGRESS,
        "priority",
        "due_date",
        "reward",
        "quality_score",
        "supervisor_notes",
        "version",
    )
    fieldsets = (
        (None, {"fields": ("title", "description", "project", "agent")}),
        ("Progress", {"fields": (*_PROGRESS, "round_number", "review_state")}),
        ("Terms", {"fields": ("priority", "due_date", "reward", "shown_skills", "shown_labels")}),
        ("Judgement", {"fields": ("quality_score", "supervisor_notes")}),
        (
            "Record",
            {
                "fields": (
                    "id",
                    "created_at",
                    "started_at",
                    "completed_at",
                    "lease_until",
                    "external_source",
                    "external_key",
                    "is_sample",
                )
            },
        ),
    )

    list_display = (
        "title",
        "agent",
        "project",
        "shown_status",
        "shown_priority",
        "shown_progress",
        "due_date",
        "shown_review",
    )
    list_filter = ("status", "priority", "review_state", "project")
    list_select_related = ("agent",)
    search_fields = ("title", "agent__name", "project")
    autocomplete_fields = ("agent",)
    ordering = ("-created_at", "title")
    actions = ("complete", "cancel")

    def create(self, actor: Actor, key: str | None, **values: Any) -> Task:
        return create_task(actor=actor, key=key, **values)

    def change(self, actor: Actor, row: Task, **values: Any) -> Task:
        row.version = values.pop("version", None) or row.version
        progress = {name: values.pop(name) for name in _PROGRESS if name in values}
        if "agent" in values:
            assign_task(actor=actor, task=row, agent=values.pop("agent"))
        update_task(actor=actor, task=row, **values)
        if progress:
            update_task_status(actor=actor, task=row, **{"status": row.status, **progress})
        return row

    @admin.action(description="Complete the selected tasks", permissions=["act"])
    def complete(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.for_each(request, queryset, complete_task, "task")

    @admin.action(description="Cancel the selected tasks", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.for_each(request, queryset, cancel_task, "task")

    @display(description="Status", ordering="status", label=_STATUS_COLOURS)
    def shown_status(self, task: Task) -> str:
        return task.status.replace("_", " ")

    @display(description="Priority", ordering="priority", label=_PRIORITY_COLOURS)
    def shown_priority(self, task: Task) -> str:
        return task.get_priority_display()

    @admin.display(description="Done", ordering="completion_percentage")
    def shown_progress(self, task: Task) -> str:
        return f"{task.completion_percentage} %"

    @display(description="Review", ordering="review_state", label=_REVIEW_COLOURS)
    def shown_review(self, task: Task) -> str:
        return task.review_state.replace("_", " ")

    @admin.display(description="Required skills")
    def shown_skills(self, task: Task) -> str:
        return ", ".join(f"{skill.skill} {skill.level}" for skill in task.skills.order_by("skill"))

    @admin.display(description="Labels")
    def shown_labels(self, task: Task) -> str:
        return ", ".join(label.label for label in task.labels.order_by("label"))
