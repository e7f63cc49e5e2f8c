from datetime import datetime
from typing import Any

import django_tables2 as tables
from django.db.models import BigIntegerField, Case, F, Value, When
from django.db.models.functions import Coalesce
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rodcorp.kit.priorities import Priority
from rodcorp.kit.templatetags.console import badge, bar, coins, day
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, CoinsColumn, NumberColumn
from tasks.models import Task
from tasks.services.work import default_reward, reward_of


class DayColumn(tables.Column):
    """The day of a time, which shows on hover."""

    def render(self, value: datetime) -> str:
        return day(value)

    def value(self, value: datetime | None) -> str:
        return value.isoformat() if value else ""


class TaskTable(BaseTable):
    tie_break = ("-created_at", "title", "project", "agent__name")

    title = tables.Column(
        linkify=(
            "task",
            {"pk": tables.A("pk")},
        ),
        verbose_name="Task",
        attrs={"td": {"class": "rc-wide rc-clip"}},
    )
    agent = tables.Column(
        linkify=("agent", {"pk": tables.A("agent_id")}), order_by=("agent__name", "agent__project")
    )
    status = BadgeColumn()
    priority = BadgeColumn()
    completion_percentage = NumberColumn(verbose_name="Done")
    due_date = DayColumn(verbose_name="Due")
    review_state = BadgeColumn(verbose_name="Review", attrs={"td": {"class": "rc-wraps"}})
    reward = CoinsColumn(empty_values=())
    created_at = DayColumn(verbose_name="Created")

    class Meta(BaseTable.Meta):
        model = Task
        fields = (
            "title",
            "status",
            "priority",
            "agent",
            "project",
            "completion_percentage",
            "due_date",
            "review_state",
            "reward",
            "created_at",
        )
        attrs = {"class": "rc-table rc-dense"}
        order_by = "-created_at"
        empty_text = "No task fits. Clear the filter, or create one."

    def value_status(self, record: Task) -> str:
        return str(record.status)

    def value_review_state(self, record: Task) -> str:
        return str(record.review_state)

    # what is exported: without these it would be what is rendered, marks and all
    def value_completion_percentage(self, value: int) -> int:
        return value

    def value_due_date(self, value: datetime | None) -> str:
        return value.isoformat() if value else ""

    def render_completion_percentage(self, value: int) -> SafeString:
        return format_html("<span>{}%</span>{}", value, bar(value, "rc-thin"))

    def render_due_date(self, value: datetime, record: Task) -> SafeString | str:
        if not record.is_overdue:
            return day(value)
        return format_html("<span>{} {}</span>", day(value), badge("overdue"))

    def render_review_state(self, record: Task) -> str:
        return "–" if record.review_state == "none" else badge(record.review_state)

    def render_reward(self, record: Task) -> str:
        return coins(reward_of(record))

    def value_reward(self, record: Task) -> int:
        return reward_of(record)

    def order_reward(self, rows: Any, is_descending: bool) -> tuple[Any, bool]:
        """By what is shown, which for most tasks is the default of their priority."""
        by_priority = Case(
            *(When(priority=rank, then=Value(default_reward(rank))) for rank in Priority),
            output_field=BigIntegerField(),
        )
        paid = Coalesce(F("reward"), by_priority)
        return rows.order_by(paid.desc() if is_descending else paid.asc()), True
