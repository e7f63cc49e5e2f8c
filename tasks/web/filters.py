from typing import Any

import django_filters
from django import forms
from django.utils import timezone

from agents.web.choices import AgentFilter, known_projects
from rodcorp.kit.web.filters import BaseFilter, choices
from rodcorp.kit.web.forms import SuggestingInput
from tasks.models import Task


class TaskFilter(BaseFilter):
    title = django_filters.CharFilter(lookup_expr="icontains", label="Title contains")
    agent = AgentFilter(null_label="nobody yet")
    project = django_filters.CharFilter(widget=SuggestingInput(known_projects), label="Project")
    status = django_filters.ChoiceFilter(
        choices=choices(Task.status.field), label="Status", empty_label="any"
    )
    priority = django_filters.ChoiceFilter(
        choices=choices(Task.priority.field), label="Priority", empty_label="any"
    )
    review_state = django_filters.ChoiceFilter(
        choices=choices(Task.review_state.field), label="Review", empty_label="any"
    )
    # a task has a label once, so the join repeats no task
    label = django_filters.CharFilter(field_name="labels__label", label="Label")
    overdue = django_filters.BooleanFilter(
        widget=forms.CheckboxInput, method="overdue_only", label="Overdue only"
    )

    class Meta:
        model = Task
        fields = ("title", "agent", "project", "status", "priority", "review_state")

    def overdue_only(self, rows: Any, name: str, value: bool) -> Any:
        return rows.overdue(timezone.now()) if value else rows
