"""Choosing an agent in the forms and the filters of all departments."""

from typing import TYPE_CHECKING, Any

import django_filters
from django import forms
from django.db.models import Q

from agents.models import Agent, AgentStatus
from agents.querysets import AgentQuerySet

# what messages are judged as; an author may say any other word
SENTIMENTS = ("positive", "neutral", "negative")


def known_projects() -> list[str]:
    """The projects that have agents."""
    projects = Agent.objects.order_by("project").values_list("project", flat=True)
    return list(projects.distinct())


def agents_in_service(*, or_else: Agent | None = None) -> AgentQuerySet:
    """Those who may be given something, and the one who has it now."""
    eligible = ~Q(status=AgentStatus.RETIRED)
    if or_else is not None:
        eligible |= Q(pk=or_else.pk)
    return Agent.objects.filter(eligible).in_registry().only("name", "project")


if TYPE_CHECKING:
    # generic in the stubs only
    _ModelChoiceField = forms.ModelChoiceField[Agent]
else:
    _ModelChoiceField = forms.ModelChoiceField


class AgentField(_ModelChoiceField):
    """An agent, told apart by its project from others of its name."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("queryset", agents_in_service())
        super().__init__(
            **{
                "label": "Agent",
                "error_messages": {"invalid_choice": "Choose an agent in service."},
                **kwargs,
            }
        )

    def label_from_instance(self, obj: Any) -> str:
        return label_of(obj)


class _FilterField(django_filters.fields.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return label_of(obj)


class AgentFilter(django_filters.ModelChoiceFilter):
    """One agent out of all, retired ones too. `?agent=<uuid>` is a link to its rows."""

    field_class = _FilterField

    def __init__(self, **kwargs: Any) -> None:
        everybody = Agent.objects.in_registry().only("name", "project")
        super().__init__(
            **{"queryset": everybody, "label": "Agent", "empty_label": "any", **kwargs}
        )


def label_of(agent: Agent) -> str:
    return f"{agent.name} · {agent.project}"
