from typing import Any
from uuid import UUID

import django_tables2 as tables
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from agents.models import Agent
from payroll.models import RodCoinsTransaction
from rodcorp.kit.templatetags.console import badge, bar, coins, signed_coins
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, CoinsColumn, MomentColumn, NumberColumn


class LeaderboardTable(BaseTable):
    """The place is the one in the whole company, whatever the filter leaves of it."""

    tie_break = ("project", "name")

    place = NumberColumn(
        empty_values=(),
        order_by=("-total_rodcoins_earned", "project", "name"),
        attrs={"td": {"class": "rc-number rc-slim"}, "th": {"class": "rc-number rc-slim"}},
    )
    name = tables.Column(linkify=("agent", {"pk": tables.A("pk")}), verbose_name="Agent")
    total_rodcoins_earned = CoinsColumn(verbose_name="RodCoins earned")
    performance_rating = NumberColumn(verbose_name="Rating")

    class Meta(BaseTable.Meta):
        model = Agent
        fields = (
            "place",
            "name",
            "project",
            "team",
            "ai_model",
            "performance_rating",
            "total_rodcoins_earned",
        )
        order_by = "place"
        empty_text = "Nobody here has earned a coin yet."

    @cached_property
    def _company(self) -> list[tuple[UUID, int]]:
        """Everybody, first to last: one query, however the list is filtered and sorted."""
        everybody = Agent.objects.leaderboard().values_list("pk", "total_rodcoins_earned")
        return [(agent, earned or 0) for agent, earned in everybody]

    @cached_property
    def standings(self) -> dict[UUID, int]:
        return {agent: place for place, (agent, _) in enumerate(self._company, start=1)}

    @property
    def best(self) -> int:
        return self._company[0][1] if self._company else 0

    def value_place(self, record: Agent) -> int:
        # whoever earned the first coin since the places were read stands behind them
        return self.standings.get(record.pk, len(self.standings) + 1)

    def render_place(self, record: Agent) -> int:
        return self.value_place(record)

    def value_total_rodcoins_earned(self, value: int) -> int:
        return value

    def render_total_rodcoins_earned(self, value: int) -> SafeString:
        share = max(1, round(100 * value / max(self.best, value, 1)))
        return format_html("<span>{}</span>{}", coins(value), bar(share, "rc-thin"))


class LedgerTable(BaseTable):
    # what caused a row tells it apart from every other
    tie_break = ("-created_at", "source_kind", "source_key")

    created_at = MomentColumn(linkify=("transaction", {"pk": tables.A("pk")}), verbose_name="Time")
    agent = tables.Column(
        linkify=("agent", {"pk": tables.A("agent_id")}), order_by=("agent__name", "agent__project")
    )
    transaction_type = BadgeColumn(verbose_name="Type")
    signed = CoinsColumn(verbose_name="Amount")
    description = tables.Column(attrs={"td": {"class": "rc-wide rc-clip"}})
    source_kind = tables.Column(verbose_name="Cause")
    is_reversed = tables.Column(verbose_name="Reversed")

    class Meta(BaseTable.Meta):
        model = RodCoinsTransaction
        fields = (
            "created_at",
            "agent",
            "transaction_type",
            "signed",
            "description",
            "source_kind",
            "is_reversed",
        )
        order_by = "-created_at"
        empty_text = "No row of the ledger fits."

    def value_transaction_type(self, record: RodCoinsTransaction) -> str:
        return str(record.transaction_type)

    def value_signed(self, value: int) -> int:
        return value

    def render_signed(self, value: int, record: Any) -> str:
        return signed_coins(value) if record.agent_id else coins(value)

    def render_is_reversed(self, value: object) -> str:
        return badge("reversed") if value else "–"

    def value_is_reversed(self, value: object) -> str:
        return "yes" if value else "no"
