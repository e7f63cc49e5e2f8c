"""Background jobs: declare, enqueue, schedule.

The queue is django-q2 on this host's own file. A job may run more than once (a worker can die
after the work and before the receipt), so every job is idempotent; and a job is only a wake-up:
what must happen is a row that a sweep finds too.
"""

import json
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.current import current_unit
from rodcorp.databases.ids import new_id
from rodcorp.databases.models import OutboxMessage
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.sides import active_alias
from rodcorp.kit.models import JobLease

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    name: str
    function: Callable[..., object]
    every: timedelta | None


JOBS: dict[str, Job] = {}


def job(
    name: str, *, every: timedelta | None = None
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Declare a job, in a department's `jobs.py`. `every` (whole minutes) schedules it; a
    scheduled job never overlaps itself on one host."""

    def declare(function: Callable[..., object]) -> Callable[..., object]:
        JOBS[name] = Job(name, function, every)
        return function

    return declare


def enqueue(name: str, **arguments: Any) -> None:
    """Have a job run soon, with arguments that JSON can hold.

    Inside a unit of work the wish is a row of that unit and is sent once it is committed; a row
    whose sender died is sent by the outbox sweep.
    """
    _known(name)
    text = json.dumps(arguments)
    unit = current_unit()
    if unit is None:
        _send(name, text)
        return
    message = OutboxMessage(
        id=new_id(),
        unit=unit.id,
        host=socket.gethostname()[:100],
        job=name,
        arguments=text,
        created_at=unit.now,
    )
    message.save(force_insert=True, using=unit.alias)
    unit.after_commit(lambda: send_outbox_message(message))


def send_outbox_message(message: OutboxMessage) -> None:
    """At least once: a crash between the two statements sends the message again."""
    _send(message.job, message.arguments)
    OutboxMessage.objects.using(message._state.db).filter(pk=message.pk).delete()


@job("kit.send_outbox", every=timedelta(minutes=1))
def send_outbox() -> int:
    """Send what this host committed, on either side, but did not live to send."""
    sent = 0
    for alias in dict.fromkeys([SQLITE, active_alias()]):
        waiting = OutboxMessage.objects.using(alias).filter(
            host=socket.gethostname()[:100], created_at__lt=timezone.now() - timedelta(seconds=30)
        )
        for message in waiting.order_by("created_at")[:1000]:
            send_outbox_message(message)
            sent += 1
    return sent


def run_job(name: str, arguments: str) -> object:
    """What the worker calls."""
    declared = _known(name)

    def work() -> object:
        return declared.function(**json.loads(arguments))

    if declared.every is None:
        return run_repeatable(work)
    token = _take_lease(name)
    if token is None:
        logger.info("Job %s is still running elsewhere; this run is skipped.", name)
        return None
    try:
        return run_repeatable(work)
    finally:
        JobLease.objects.filter(name=name, token=token).delete()


def install_schedules() -> None:
    """Bring the queue's schedules in line with the declared jobs."""
    from django_q.models import Schedule

    discover()
    declared = {name: job for name, job in JOBS.items() if job.every}
    Schedule.objects.filter(func=_RUN_JOB).exclude(name__in=declared).delete()
    for name, scheduled in declared.items():
        assert scheduled.every is not None
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": _RUN_JOB,
                "args": repr((name, "{}")),
                "schedule_type": Schedule.MINUTES,
                "minutes": int(scheduled.every.total_seconds() // 60),
                "repeats": -1,
            },
        )


def discover() -> None:
    """Import the `jobs` module of every department."""
    autodiscover_modules("jobs")


_RUN_JOB = "rodcorp.kit.jobs.run_job"
_LEASE = timedelta(minutes=5)


def _known(name: str) -> Job:
    if name not in JOBS:
        discover()
    try:
        return JOBS[name]
    except KeyError:
        raise LookupError(f"No job is called '{name}'; known: {', '.join(sorted(JOBS))}") from None


def _send(name: str, arguments: str) -> None:
    from django_q.tasks import async_task

    async_task(_RUN_JOB, name, arguments, task_name=name)


def _take_lease(name: str) -> str | None:
    """A random token if nobody else holds the lease; it outlives the queue's own time limit."""
    token = secrets.token_hex(20)
    now = timezone.now()
    if JobLease.objects.filter(name=name, until__lt=now).update(token=token, until=now + _LEASE):
        return token
    try:
        JobLease.objects.create(name=name, token=token, until=now + _LEASE)
    except IntegrityError:
        return None
    return token
