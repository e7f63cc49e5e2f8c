"""The company in numbers, across all departments."""

from typing import TypedDict

from django.core.cache import cache
from django.db.models import Sum

from agents.models import Agent, Discussion
from rodcorp.databases.current import current_unit
from rodcorp.databases.sides import active_alias
from rodcorp.databases.stamps import data_stamp
from tasks.models import Task, TaskStatus

# Bounds the age of what another host or a foreign program changed; this host's own changes are
# seen at once, by the stamp in the key.
MAX_AGE_S = 30

DATABASE_TYPES = {"sqlite": "SQLite", "mssql": "MSSQL"}


class SystemStatistics(TypedDict):
    database_type: str
    total_agents: int
    active_agents: int
    total_discussions: int
    total_tasks: int
    completed_tasks: int
    total_rodcoins_awarded: int


def database_type() -> str:
    """`MSSQL` or `SQLite`: where the company's data is read and written now."""
    return DATABASE_TYPES[active_alias()]


def system_statistics() -> SystemStatistics:
    """Counted anew after every committed unit of work of this host."""
    if current_unit() is not None:
        return _counted()
    key = f"statistics/{active_alias()}/{data_stamp()}"
    known: SystemStatistics | None = cache.get(key)
    if known is None:
        known = _counted()
        cache.set(key, known, MAX_AGE_S)
    return known


def _counted() -> SystemStatistics:
    earned = Agent.objects.aggregate(sum=Sum("total_rodcoins_earned"))["sum"]
    return SystemStatistics(
        database_type=database_type(),
        total_agents=Agent.objects.count(),
        active_agents=Agent.objects.active().count(),
        total_discussions=Discussion.objects.count(),
        total_tasks=Task.objects.count(),
        completed_tasks=Task.objects.filter(status=TaskStatus.COMPLETED).count(),
        total_rodcoins_awarded=earned or 0,
    )
