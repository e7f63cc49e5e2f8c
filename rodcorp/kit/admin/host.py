"""The tables of this host's own file: jobs and failed sign-ins. They are the libraries' tables;
what may be done to them is done by the libraries."""

import logging
from typing import Any

import django_q.admin  # noqa: F401  registers tables that are taken out again below
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from axes.utils import reset
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.decorators import display

from rodcorp.actors import Permission
from rodcorp.kit.admin.access import actor_of
from rodcorp.kit.admin.base import ReadOnlyAdmin
from rodcorp.kit.models import JobLease

logger = logging.getLogger(__name__)

# django-q2's own admin writes outside any service and can run any function by its name; no record
# of successful jobs is kept, so that table stays out
for _model in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(_model)


class _OperatorAdmin(ReadOnlyAdmin):
    sees = Permission.RUN_SYSTEM


@admin.register(JobLease)
class JobLeaseAdmin(_OperatorAdmin):
    """Only shown: a lease ends by itself. Its token is never shown; it would let another end it."""

    fieldsets = ((None, {"fields": ("name", "until")}),)
    list_display = ("name", "until")
    search_fields = ("name",)
    ordering = ("name",)


@admin.register(Schedule)
class ScheduleAdmin(_OperatorAdmin):
    """Only shown: schedules follow the jobs that are declared in code, at every start."""

    fieldsets = (
        (None, {"fields": ("name", "schedule_type", "minutes", "repeats", "next_run")}),
        ("Record", {"fields": ("id", "func", "args", "task")}),
    )
    list_display = ("name", "every", "next_run")
    search_fields = ("name",)
    ordering = ("name", "id")

    @admin.display(description="Every", ordering="minutes")
    def every(self, schedule: Schedule) -> str:
        if schedule.schedule_type == Schedule.MINUTES:
            return f"{schedule.minutes} min"
        return str(schedule.get_schedule_type_display())


@admin.register(OrmQ)
class QueueAdmin(_OperatorAdmin):
    """Only shown: the queue belongs to the workers. The signed payload is not shown."""

    fieldsets = ((None, {"fields": ("id", "shown_name", "lock", "key")}),)
    list_display = ("id", "shown_name", "lock")
    ordering = ("id",)

    @admin.display(description="Job")
    def shown_name(self, message: OrmQ) -> str:
        return str(message.name() or "–")


@admin.register(Failure)
class FailureAdmin(_OperatorAdmin):
    """Only shown: a job that failed is repeated by the queue, or by the next sweep."""

    fieldsets = (
        (None, {"fields": ("name", "started", "stopped", "attempt_count", "shown_error")}),
        ("Record", {"fields": ("id", "func")}),
    )
    list_display = ("name", "started", "stopped", "attempt_count", "short_error")
    search_fields = ("name",)
    ordering = ("-stopped", "id")

    @admin.display(description="Error")
    def shown_error(self, failure: Failure) -> str:
        return str(failure.result or "–")

    @admin.display(description="Error")
    def short_error(self, failure: Failure) -> str:
        lines = str(failure.result or "").strip().splitlines()
        return lines[-1][:80] if lines else "–"


class _SignInAdmin(ReadOnlyAdmin):
    sees = needs = Permission.MANAGE_USERS

    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time", "id")


@admin.register(AccessAttempt)
class AccessAttemptAdmin(_SignInAdmin):
    """Only shown, and ended by `unlock`, which is axes' own reset. What was typed is not shown: a
    password may be in it."""

    fieldsets = (
        (None, {"fields": ("username", "ip_address", "failures_since_start", "attempt_time")}),
        ("Record", {"fields": ("id", "user_agent", "path_info")}),
    )
    list_display = (
        "username",
        "ip_address",
        "shown_failures",
        "shown_state",
        "attempt_time",
    )
    actions = ("unlock",)

    @admin.action(description="Unlock the selected users", permissions=["act"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[AccessAttempt]) -> None:
        freed = sum(reset(ip=row.ip_address, username=row.username) for row in queryset)
        logger.info("%s unlocked users: %s attempts forgotten.", actor_of(request).name, freed)
        self.message_user(request, f"{freed} records of failed attempts are forgotten.")

    @admin.display(description="Failures", ordering="failures_since_start")
    def shown_failures(self, attempt: AccessAttempt) -> int:
        failures: int = attempt.failures_since_start
        return failures

    @display(description="State", label={"locked out": "danger", "may try": "info"})
    def shown_state(self, attempt: AccessAttempt) -> str:
        is_locked = attempt.failures_since_start >= settings.AXES_FAILURE_LIMIT
        return "locked out" if is_locked else "may try"


@admin.register(AccessFailureLog)
class AccessFailureAdmin(_SignInAdmin):
    """Only shown: a log."""

    fieldsets = (
        (None, {"fields": ("username", "ip_address", "locked_out", "attempt_time")}),
        ("Record", {"fields": ("id", "user_agent", "path_info")}),
    )
    list_display = ("username", "ip_address", "locked_out", "attempt_time")
    list_filter = ("locked_out",)


@admin.register(AccessLog)
class AccessLogAdmin(_SignInAdmin):
    """Only shown: a log of who signed in and out."""

    fieldsets = (
        (None, {"fields": ("username", "ip_address", "attempt_time", "logout_time")}),
        ("Record", {"fields": ("id", "user_agent", "path_info")}),
    )
    list_display = ("username", "ip_address", "attempt_time", "logout_time")

    def get_queryset(self, request: HttpRequest) -> Any:
        # the session's hash is no page's business
        return super().get_queryset(request).defer("session_hash")
