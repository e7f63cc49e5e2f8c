"""What hangs on tasks: skills, labels, dependencies."""

from typing import Any

from django import forms
from django.contrib import admin

from rodcorp.actors import Actor, Permission
from rodcorp.errors import Conflict
from rodcorp.kit.admin import BaseAdmin, BaseForm, ReadOnlyAdmin
from tasks.models import TaskDependency, TaskLabel, TaskSkill
from tasks.services.creation import NewDependency, add_dependencies


@admin.register(TaskSkill)
class TaskSkillAdmin(ReadOnlyAdmin):
    """Only shown: what a task asks for is given when it is created; no service changes it."""

    fieldsets = (
        (None, {"fields": ("task", "skill", "level", "required")}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = ("skill", "level", "required", "task")
    list_filter = ("required", "level")
    list_select_related = ("task",)
    search_fields = ("skill", "task__title")
    ordering = ("skill", "-level", "task__title")


@admin.register(TaskLabel)
class TaskLabelAdmin(ReadOnlyAdmin):
    """Only shown: labels are given when a task is created; no service changes them."""

    fieldsets = ((None, {"fields": ("task", "label")}), ("Record", {"fields": ("id",)}))

    list_display = ("label", "task")
    list_select_related = ("task",)
    search_fields = ("label", "task__title")
    ordering = ("label", "task__title")


class DependencyForm(BaseForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            self.fields["kind"].help_text = "'blocks' means that the task waits for the other."
            self.fields["external"].help_text = "What it depends on, if that is no task here."

    def clean(self) -> Any:
        cleaned: Any = super().clean()
        if self.cleaned_data.get("depends_on") and self.cleaned_data.get("external"):
            raise forms.ValidationError({"external": "Choose a task or name another; not both."})
        return cleaned


@admin.register(TaskDependency)
class TaskDependencyAdmin(BaseAdmin):
    """Dependencies are added; no service changes one or takes one away."""

    form = DependencyForm
    needs = Permission.MANAGE_TASKS
    add_fields = ("task", "kind", "depends_on", "external")
    fieldsets = (
        (None, {"fields": ("task", "kind", "depends_on", "external")}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = ("task", "kind", "depends_on", "external")
    list_filter = ("kind",)
    list_select_related = ("task", "depends_on")
    search_fields = ("task__title", "external")
    autocomplete_fields = ("task", "depends_on")
    ordering = ("task__title", "kind", "depends_on__title", "external")

    def create(self, actor: Actor, key: str | None, **values: Any) -> TaskDependency:
        # no key: a task depends on another in one way once
        on, task = values["depends_on"], values["task"]
        new = NewDependency(
            task=task.pk,
            depends_on=on.pk if on else None,
            external=values["external"],
            kind=values["kind"],
        )
        if not add_dependencies(actor=actor, dependencies=[new]):
            raise Conflict("The task already depends on it.", field="depends_on")
        return TaskDependency.objects.filter(task=task).get(
            kind=values["kind"], depends_on=on, external=None if on else values["external"]
        )
