"""What the lists of agents and threads are narrowed by."""

from functools import partial
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef
from django.utils import timezone

from agents.models import Agent, AgentStatus, Discussion, Liveness
from agents.querysets import AgentQuerySet, DiscussionQuerySet
from agents.web.choices import SENTIMENTS, known_projects
from rodcorp.kit.priorities import Priority
from rodcorp.kit.web.filters import BaseFilter, choices
from rodcorp.kit.web.forms import SuggestingInput


class PresentValueFilter(django_filters.ChoiceFilter):
    """One of the values the registry has in a column, which is never a long table."""

    def __init__(self, field_name: str, **kwargs: Any) -> None:
        present = partial(_present, field_name)
        super().__init__(field_name, choices=present, empty_label="any", **kwargs)


def _present(column: str) -> list[tuple[str, str]]:
    values = Agent.objects.exclude(**{column: None}).order_by(column)
    return [(value, value) for value in values.values_list(column, flat=True).distinct()]


class AgentFilter(BaseFilter):
    name = django_filters.CharFilter(lookup_expr="icontains", label="Name contains")
    project = PresentValueFilter(field_name="project", label="Project")
    team = PresentValueFilter(field_name="team", label="Team")
    host = PresentValueFilter(field_name="machine_hostname", label="Host")
    ai_model = django_filters.ChoiceFilter(
        choices=choices(Agent.ai_model.field), label="Model", empty_label="any"
    )
    status = django_filters.ChoiceFilter(
        choices=choices(Agent.status.field),
        label="Status",
        empty_label="any",
        method="with_status",
    )
    liveness = django_filters.ChoiceFilter(
        choices=Liveness.choices, label="Alive", empty_label="any", method="with_liveness"
    )

    class Meta:
        model = Agent
        fields = ("name", "project", "team", "host", "ai_model", "status", "liveness")

    def with_status(self, agents: AgentQuerySet, name: str, value: str) -> AgentQuerySet:
        # a status another program left empty reads as active
        return agents.active() if value == AgentStatus.ACTIVE else agents.filter(status=value)

    def with_liveness(self, agents: AgentQuerySet, name: str, value: str) -> AgentQuerySet:
        return agents.with_liveness(value, timezone.now())


class ThreadFilter(BaseFilter):
    topic = django_filters.CharFilter(lookup_expr="icontains", label="Topic contains")
    project = django_filters.CharFilter(label="Project", widget=SuggestingInput(known_projects))
    participant = django_filters.CharFilter(label="Participant", method="with_participant")
    priority = django_filters.ChoiceFilter(
        choices=Priority.choices, label="Priority", empty_label="any"
    )
    sentiment = django_filters.CharFilter(
        lookup_expr="iexact", label="Sentiment", widget=SuggestingInput(lambda: SENTIMENTS)
    )

    class Meta:
        model = Discussion
        fields = ("topic", "project", "participant", "priority", "sentiment")

    def with_participant(
        self, threads: DiscussionQuerySet, name: str, value: str
    ) -> DiscussionQuerySet:
        """Threads in which somebody of a name like this has spoken."""
        spoke = Discussion.objects.filter(thread=OuterRef("thread"), participant__icontains=value)
        return threads.filter(Exists(spoke))
