from datetime import UTC, date, datetime, time
from typing import Any

import django_filters
from django import forms

from agents.models import Agent
from agents.web.choices import AgentFilter
from agents.web.filters import PresentValueFilter
from payroll.models import LedgerAccount, PayCycle, RodCoinsTransaction
from payroll.querysets import TransactionQuerySet
from rodcorp.kit.web.filters import BaseFilter, choices


def _periods() -> list[tuple[str, str]]:
    """The current pay cycle first, then those before it."""
    cycles = PayCycle.objects
    current = cycles.current_number()
    before = cycles.newest_first().filter(number__lt=current).values_list("number", flat=True)
    return [
        ("30d", "30 days"),
        ("7d", "7 days"),
        (f"cycle/{current}", f"cycle {current}, the current one"),
        *((f"cycle/{number}", f"cycle {number}") for number in before),
    ]


class LeaderboardFilter(BaseFilter):
    """`period` and `by` choose what is listed; the others narrow it."""

    period = django_filters.ChoiceFilter(
        choices=[], label="Period", empty_label="all time", method="as_it_is"
    )
    by = django_filters.ChoiceFilter(
        choices=[("team", "teams"), ("project", "projects"), ("model", "models")],
        label="List",
        empty_label="agents",
        method="as_it_is",
    )
    project = PresentValueFilter(field_name="project", label="Project")
    team = PresentValueFilter(field_name="team", label="Team")
    ai_model = django_filters.ChoiceFilter(
        choices=choices(Agent.ai_model.field), label="Model", empty_label="any"
    )

    class Meta:
        model = Agent
        fields = ("period", "by", "project", "team", "ai_model")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # asked once: the field asks for its choices twice
        self.filters["period"].extra["choices"] = _periods()

    @property
    def is_scoped(self) -> bool:
        """Whether some agents are left out."""
        return any(self.form[name].value() for name in ("project", "team", "ai_model"))

    def as_it_is(self, agents: Any, name: str, value: str) -> Any:
        """The page has chosen its rows by it already."""
        return agents


class _Day(django_filters.DateFilter):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.DateInput(attrs={"type": "date"}), **kwargs)


class LedgerFilter(BaseFilter):
    agent = AgentFilter(method="of_wallet")
    transaction_type = django_filters.ChoiceFilter(
        choices=choices(RodCoinsTransaction.transaction_type.field),
        label="Type",
        empty_label="any",
    )
    since = _Day(method="booked_since", label="From")
    until = _Day(method="booked_until", label="To")

    class Meta:
        model = RodCoinsTransaction
        fields = ("agent", "transaction_type", "since", "until")

    def of_wallet(self, rows: TransactionQuerySet, name: str, agent: Agent) -> TransactionQuerySet:
        return rows.of_wallet(agent, LedgerAccount.objects.wallet_of(agent))

    def booked_since(self, rows: Any, name: str, day: date) -> Any:
        return rows.filter(created_at__gte=datetime.combine(day, time.min, UTC))

    def booked_until(self, rows: Any, name: str, day: date) -> Any:
        return rows.filter(created_at__lte=datetime.combine(day, time.max, UTC))
