"""Refusals of this department."""

from rodcorp.errors import Conflict, NotFound


class TaskNotFound(NotFound):
    code = "task_not_found"


class IllegalTransition(Conflict):
    """The task's present status does not lead to the one asked for."""

    code = "illegal_transition"
