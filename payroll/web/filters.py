from datetime import UTC, date, datetime, time
from typing import Any

import django_filters
from django import forms

from agents.models import Agent
from agents.web.choices import AgentFilter
from agents.web.filters import PresentValueFilter
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.querysets import TransactionQuerySet
from rodcorp.kit.web.filters import BaseFilter, choices


class LeaderboardFilter(BaseFilter):
    project = PresentValueFilter(field_name="project", label="Project")
    team = PresentValueFilter(field_name="team", label="Team")
    ai_model = django_filters.ChoiceFilter(
        choices=choices(Agent.ai_model.field), label="Model", empty_label="any"
    )

    class Meta:
        model = Agent
        fields = ("project", "team", "ai_model")


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
