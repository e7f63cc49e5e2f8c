"""The list of tasks, a task's page and the forms that change it."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse, reverse_lazy

from payroll.models import RodCoinsTransaction
from rodcorp.actors import Actor, Permission
from rodcorp.errors import InvalidInput
from rodcorp.kit.validation import guid
from rodcorp.kit.web.views import ContentPage, FormPage, ListPage
from tasks.models import Task
from tasks.services.creation import create_task
from tasks.services.work import (
    assign_task,
    next_statuses,
    reward_of,
    update_task,
    update_task_status,
)
from tasks.web.filters import TaskFilter
from tasks.web.forms import AssignTaskForm, EditTaskForm, MoveTaskForm, NewTaskForm, VersionedForm
from tasks.web.relations import relations_of
from tasks.web.story import story_of
from tasks.web.tables import TaskTable


class TaskList(ListPage):
    title = "Tasks"
    queryset = (
        Task.objects.in_list().select_related("agent").defer("description", "supervisor_notes")
    )
    table_class = TaskTable
    filterset_class = TaskFilter
    file_name = "tasks"
    create = (reverse_lazy("task-new"), "New task", Permission.MANAGE_TASKS)


class NewTask(FormPage):
    title = "New task"
    needs = Permission.MANAGE_TASKS
    template_name = "tasks/form.html"
    form_class = NewTaskForm
    submit = "Create"
    done = "Task created."

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"initial": {"agent": _agent_named_in(self.request.GET)}}

    def serve(self, actor: Actor, form: NewTaskForm) -> Task:
        return create_task(actor=actor, key=form.key_given, **form.new_task)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("tasks"), **kwargs)

    def done_url(self, result: Task) -> str:
        return reverse("task", args=[result.pk])


class OfOneTask(ContentPage):
    """What all pages of a task share: the task, and where they lead."""

    @property
    def task(self) -> Task:
        if not hasattr(self, "_task"):
            tasks = Task.objects.select_related("agent")
            self._task = get_object_or_404(tasks, pk=self.kwargs["pk"])
        return self._task

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"task": self.task}

    def done_url(self, result: object) -> str:
        return reverse("task", args=[self.kwargs["pk"]])


class TaskPage(OfOneTask):
    template_name = "tasks/task.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        task = self.task
        paid = RodCoinsTransaction.objects.of_task(task.pk, task.round_number)
        return super().get_context_data(
            **{
                "title": task.title,
                "task": task,
                "reward": reward_of(task),
                "paid": list(paid),
                "labels": task.labels.order_by("label"),
                "skills": task.skills.order_by("-required", "skill"),
                "reviews": task.reviews.order_by("-reviewed_at"),
                "story": story_of(task),
                "relations": relations_of(task),
                **self._forms(kwargs.get("form")),
                **kwargs,
            }
        )

    def _forms(self, sent: VersionedForm | None) -> dict[str, Any]:
        """The forms for those who may, and the one that was sent with what was typed in it."""
        shown: dict[str, Any] = {"may_edit": self.may(Permission.MANAGE_TASKS)}
        is_open = bool(next_statuses(self.task))
        if self.may(Permission.WORK_ON_TASKS) and is_open:
            shown["move_form"] = MoveTaskForm(task=self.task)
        if self.may(Permission.MANAGE_TASKS) and self.task.status not in ("completed", "cancelled"):
            shown["assign_form"] = AssignTaskForm(task=self.task)
        if isinstance(sent, MoveTaskForm):
            shown["move_form"] = sent
        elif isinstance(sent, AssignTaskForm):
            shown["assign_form"] = sent
        return shown


class MoveTask(TaskPage, FormPage):
    needs = Permission.WORK_ON_TASKS
    form_class = MoveTaskForm
    done = "Progress saved."

    def serve(self, actor: Actor, form: MoveTaskForm) -> Task:
        return update_task_status(
            actor=actor,
            task=form.task_as_shown,
            status=form.cleaned_data["status"],
            completion_percentage=form.percentage,
            key=form.key_given,
        )


class AssignTask(TaskPage, FormPage):
    needs = Permission.MANAGE_TASKS
    form_class = AssignTaskForm
    done = "Assigned."

    def serve(self, actor: Actor, form: AssignTaskForm) -> Task:
        return assign_task(actor=actor, task=form.task_as_shown, agent=form.chosen)


class EditTask(OfOneTask, FormPage):
    needs = Permission.MANAGE_TASKS
    template_name = "tasks/form.html"
    form_class = EditTaskForm

    def serve(self, actor: Actor, form: EditTaskForm) -> Task:
        return update_task(actor=actor, task=form.task_as_shown, **form.changes)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            title=f"Edit {self.task.title}", cancel_url=self.done_url(None), **kwargs
        )


def _agent_named_in(query: Any) -> Any:
    """Whom the form is opened for; what is no id names nobody."""
    try:
        return guid(query.get("agent", ""), "agent")
    except InvalidInput:
        return None
