"""The forms of a task. The rules are the services'; the dates and lists are only put together."""

from datetime import time
from typing import Any

from django import forms

from agents.models import Agent
from agents.web.choices import AgentField, agents_in_service, known_projects
from rodcorp.kit.priorities import Priority
from rodcorp.kit.skills import skills_from_text
from rodcorp.kit.web.filters import choices
from rodcorp.kit.web.forms import ServiceForm, SuggestingInput
from tasks.models import Task, TaskStatus
from tasks.services.work import next_statuses, reward_of

END_OF_DAY = time(23, 59, 59)


class DetailsForm(ServiceForm):
    """What is said about a task."""

    title = forms.CharField(widget=forms.TextInput(attrs={"dir": "auto"}))
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 8, "dir": "auto"}))
    priority = forms.ChoiceField(choices=choices(Task.priority.field), initial=Priority.NORMAL)
    due_date = forms.CharField(
        widget=forms.DateInput(attrs={"type": "date"}), required=False, label="Due"
    )
    due_time = forms.CharField(
        widget=forms.TimeInput(attrs={"type": "time"}),
        required=False,
        label="Due at",
        help_text="UTC. The end of the day, if left out.",
    )
    reward = forms.CharField(
        widget=forms.NumberInput(attrs={"min": 0, "step": 1, "inputmode": "numeric"}),
        required=False,
        help_text="RodCoins. The default of the priority, if left out.",
    )

    @property
    def due(self) -> str | None:
        day, at = self.cleaned_data["due_date"], self.cleaned_data["due_time"]
        return f"{day} {at}".strip() or None


class NewTaskForm(DetailsForm):
    service_names = {"agent_name": "agent"}
    field_order = (
        "description",
        "title",
        "agent",
        "project",
        "priority",
        "due_date",
        "due_time",
        "reward",
        "labels",
        "skills",
    )

    agent = AgentField(required=False, empty_label="nobody yet")
    project = forms.CharField(
        widget=SuggestingInput(known_projects),
        required=False,
        help_text="The agent's, if left out.",
    )
    labels = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}), required=False, help_text="One a line."
    )
    skills = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        required=False,
        help_text="What it requires, one a line with its level from 1 to 10: python 7",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["title"].required = False
        self.fields["title"].help_text = "The first line of the description, if left out."

    def clean_labels(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["labels"].splitlines() if line.strip()]

    def clean_skills(self) -> dict[str, int]:
        return skills_from_text(self.cleaned_data["skills"])

    @property
    def new_task(self) -> dict[str, Any]:
        values = self.answers
        values.pop("due_time")
        return {**values, "due_date": self.due, "reward": values["reward"] or None}


class VersionedForm(ServiceForm):
    """A form about a task as it was shown: the service refuses to overwrite what somebody changed
    since."""

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=1)

    def __init__(self, data: Any = None, *, task: Task, initial: Any = None) -> None:
        self.task = task
        super().__init__(
            data,
            initial={"version": task.version, **(initial or {})},
            # several are on one page
            auto_id=f"{type(self).__name__.lower()}_%s",
        )

    @property
    def task_as_shown(self) -> Task:
        self.task.version = self.cleaned_data["version"]
        return self.task


class EditTaskForm(VersionedForm, DetailsForm):
    field_order = ("title", "description", "priority", "due_date", "due_time", "reward")

    supervisor_notes = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "dir": "auto"}), required=False
    )

    def __init__(self, data: Any = None, *, task: Task) -> None:
        super().__init__(data, task=task, initial=_details_of(task))

    @property
    def changes(self) -> dict[str, Any]:
        """Only what differs from the task: a due time has seconds that the form does not show."""
        values = {name: self.answers[name] for name in self.answers if name in self.changed_data}
        if values.keys() & {"due_date", "due_time"}:
            values.pop("due_time", None)
            values["due_date"] = self.due
        if "reward" in values:
            values["reward"] = values["reward"] or None
        return values


class MoveTaskForm(VersionedForm):
    status = forms.ChoiceField()
    completion_percentage = forms.CharField(
        widget=forms.NumberInput(attrs={"min": 0, "max": 100, "step": 1, "inputmode": "numeric"}),
        required=False,
        label="Percentage done",
    )

    def __init__(self, data: Any = None, *, task: Task) -> None:
        present = {"status": task.status, "completion_percentage": str(task.completion_percentage)}
        super().__init__(data, task=task, initial=present)
        self.fields["status"].help_text = _what_follows(task)
        self.fields["status"].choices = [  # type: ignore[attr-defined]
            (status, _words(status)) for status in (task.status, *next_statuses(task))
        ]

    @property
    def percentage(self) -> str | None:
        """None unless somebody set it: completing sets it by itself."""
        typed: str = self.cleaned_data["completion_percentage"]
        return typed if typed and "completion_percentage" in self.changed_data else None


class AssignTaskForm(VersionedForm):
    service_names = {"agent_name": "agent"}

    agent = AgentField(required=False, empty_label="nobody yet")

    def __init__(self, data: Any = None, *, task: Task) -> None:
        super().__init__(data, task=task, initial={"agent": task.agent_id})
        field = self.fields["agent"]
        field.queryset = agents_in_service(or_else=task.agent)  # type: ignore[attr-defined]

    @property
    def chosen(self) -> Agent | None:
        agent: Agent | None = self.cleaned_data["agent"]
        return agent


def _details_of(task: Task) -> dict[str, Any]:
    due = task.due_date
    at = "" if due is None or due.time().replace(microsecond=0) == END_OF_DAY else f"{due:%H:%M}"
    return {
        "title": task.title,
        "description": task.description,
        "priority": str(task.priority),
        "due_date": f"{due:%Y-%m-%d}" if due else "",
        "due_time": at,
        "reward": "" if task.reward is None else str(task.reward),
        "supervisor_notes": task.supervisor_notes or "",
    }


def _what_follows(task: Task) -> str:
    """What a move does to the agent's coins, said before it is made."""
    if task.status == TaskStatus.COMPLETED:
        return "Taking it up again, or cancelling it, takes its reward back."
    if task.agent_id is None or not reward_of(task):
        return "Completing it pays nobody."
    return f"Completing it pays {reward_of(task):,} RodCoins."


def _words(status: str) -> str:
    return str(status).replace("_", " ")
