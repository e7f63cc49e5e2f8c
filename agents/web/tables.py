from typing import Any

import django_tables2 as tables

from agents.models import Agent, Discussion
from rodcorp.kit.templatetags.console import ago
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, CoinsColumn, NumberColumn


class AgoColumn(tables.Column):
    """How long ago; the time itself on hover and in a CSV."""

    def render(self, value: Any) -> str:
        return ago(value)

    def value(self, value: Any) -> str:
        return value.isoformat() if value else ""


# may be long and without a space; breaks rather than widen the table
NAME = {"td": {"class": "rc-name"}}


class AgentTable(BaseTable):
    tie_break = ("name", "project")

    name = tables.Column(
        linkify=("agent", {"pk": tables.A("pk")}), verbose_name="Agent", attrs=NAME
    )
    project = tables.Column(attrs=NAME)
    team = tables.Column(attrs=NAME)
    ai_model = tables.Column(verbose_name="Model")
    machine_hostname = tables.Column(verbose_name="Host", attrs=NAME)
    status = BadgeColumn()
    liveness = BadgeColumn(order_by="last_seen", verbose_name="Alive")
    last_seen = AgoColumn(verbose_name="Last seen")
    performance_rating = NumberColumn(verbose_name="Rating")
    total_rodcoins_earned = CoinsColumn(verbose_name="Earned")

    class Meta(BaseTable.Meta):
        model = Agent
        fields = (
            "name",
            "project",
            "team",
            "ai_model",
            "machine_hostname",
            "status",
            "liveness",
            "last_seen",
            "performance_rating",
            "total_rodcoins_earned",
        )
        empty_text = "No agent fits."


class ThreadTable(BaseTable):
    """A row is a thread by its last message, as `threads` gives it."""

    tie_break = ("-posted_at", "participant", "topic")

    topic = tables.Column(
        linkify=("thread", {"pk": tables.A("thread_id")}),
        attrs={"td": {"class": "rc-topic"}},
    )
    starter = tables.Column(
        accessor="thread__participant",
        verbose_name="Started by",
        attrs=NAME,
    )
    project = tables.Column(attrs=NAME)
    message_count = NumberColumn(verbose_name="Messages")
    open_count = NumberColumn(verbose_name="Unacknowledged")
    priority = BadgeColumn(accessor="get_priority_display", order_by="priority")
    sentiment = BadgeColumn()
    posted_at = AgoColumn(verbose_name="Latest")

    class Meta(BaseTable.Meta):
        model = Discussion
        attrs = {"class": "rc-table rc-dense"}
        fields = (
            "topic",
            "starter",
            "project",
            "message_count",
            "open_count",
            "priority",
            "sentiment",
            "posted_at",
        )
        empty_text = "No discussion fits."
