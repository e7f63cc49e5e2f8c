"""Reads of the registry and the discussions, named after what they show.

Every order ends in columns that tell any two rows apart without comparing UUIDs, which SQL Server
and SQLite sort differently.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from agents.errors import AgentNotFound, AmbiguousAgentName

if TYPE_CHECKING:
    from agents.models import Agent, Discussion, LivenessChange  # noqa: F401

ORDER = ("name", "project")


class AgentQuerySet(models.QuerySet["Agent"]):
    def active(self) -> "AgentQuerySet":
        """Agents in service; a NULL status, which another program may leave, reads as active."""
        return self.filter(Q(status="active") | Q(status__isnull=True))

    def active_by_name(self) -> "AgentQuerySet":
        return self.active().order_by(*ORDER)

    def in_registry(self) -> "AgentQuerySet":
        """The list of all agents."""
        return self.order_by(*ORDER)

    def named(self, name: object, *, project: str | None = None) -> "Agent":
        """The one agent of that name, in that project if one is given.

        Raises `AgentNotFound`, or `AmbiguousAgentName` when several projects have one.
        """
        if not isinstance(name, str):
            raise AgentNotFound(name)
        matching = self.filter(name=name)
        if project is not None:
            matching = matching.filter(project=project)
        found = list(matching.order_by("project")[:2])
        if not found:
            raise AgentNotFound(name, project)
        if len(found) > 1:
            raise AmbiguousAgentName(name, [agent.project for agent in found])
        return found[0]

    def with_liveness(self, liveness: str, now: datetime) -> "AgentQuerySet":
        """Those who are `up`, `late` or `down` at that moment, as `Agent.liveness_at` says it."""
        late, down = _limits(now)
        if liveness == "up":
            return self.filter(last_seen__gte=late)
        if liveness == "late":
            return self.filter(last_seen__gte=down, last_seen__lt=late)
        return self.filter(Q(last_seen__lt=down) | Q(last_seen__isnull=True))

    def leaderboard(self) -> "AgentQuerySet":
        """Those who earned something, most first; equals by name."""
        return self.filter(total_rodcoins_earned__gt=0).order_by(
            "-total_rodcoins_earned", "project", "name"
        )

    def noted_too_lively(self, now: datetime) -> "AgentQuerySet":
        """Noted as up or late, but silent for longer."""
        late, down = _limits(now)
        return self.filter(
            Q(noted_liveness="up", last_seen__lt=late)
            | Q(noted_liveness="late", last_seen__lt=down)
        )

    def noted_too_still(self, now: datetime) -> "AgentQuerySet":
        """Noted as late or down, but heard of since."""
        late, down = _limits(now)
        return self.filter(
            Q(noted_liveness="late", last_seen__gte=late)
            | Q(noted_liveness="down", last_seen__gte=down)
        )


class DiscussionQuerySet(models.QuerySet["Discussion"]):
    def recent(self) -> "DiscussionQuerySet":
        return self.order_by("-posted_at", "participant")

    def on_topic(self, topic: str) -> "DiscussionQuerySet":
        return self.filter(topic=topic).recent()

    def in_project(self, project: str) -> "DiscussionQuerySet":
        return self.filter(project=project).recent()

    def of_agent(self, agent: "Agent") -> "DiscussionQuerySet":
        return self.filter(agent=agent).recent()

    def in_thread(self, thread: Any) -> "DiscussionQuerySet":
        """A thread as it is read: oldest first."""
        return self.filter(thread=thread).order_by("posted_at", "participant")

    def threads(self) -> "DiscussionQuerySet":
        """Each thread by its last message, newest activity first, with its root as `thread`, how
        many messages it has and how many of them nobody acknowledged.

        The last message and not the root, because a page of these comes straight from the index
        on the time: with 20,000 threads a hundred times faster than asking each root for its
        latest. Of one author's messages of the same instant either is the last.
        """
        thread = self.model._base_manager.filter(thread=OuterRef("thread"))
        later = thread.filter(posted_at__gte=OuterRef("posted_at")).filter(
            Q(posted_at__gt=OuterRef("posted_at"))
            | Q(participant__gt=OuterRef("participant"))
            | Q(participant=OuterRef("participant"), pk__gt=OuterRef("pk"))
        )
        found = self.filter(~Exists(later)).select_related("thread")
        return (
            found.defer("message", "thread__message")
            .annotate(
                message_count=_count(thread),
                open_count=_count(thread.filter(acknowledged_at__isnull=True)),
            )
            .order_by("-posted_at", "participant")
        )

    def unacknowledged(self) -> "DiscussionQuerySet":
        return self.filter(acknowledged_at__isnull=True).recent()


class LivenessChangeQuerySet(models.QuerySet["LivenessChange"]):
    def of_agent(self, agent: "Agent") -> "LivenessChangeQuerySet":
        return self.filter(agent=agent).order_by("-noticed_at")


def _count(rows: models.QuerySet[Any]) -> Coalesce:
    """How many there are, as a subquery; none of them is no row there."""
    counted = rows.order_by().values("thread").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


def _limits(now: datetime) -> tuple[datetime, datetime]:
    return (
        now - timedelta(seconds=settings.RODCORP_LATE_AFTER_SECONDS),
        now - timedelta(seconds=settings.RODCORP_DOWN_AFTER_SECONDS),
    )
