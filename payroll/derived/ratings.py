"""Ratings, which follow from the evaluations."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, Sum

from agents.models import Agent
from payroll.models import Evaluation


def mean_score(total: Decimal, count: int) -> Decimal:
    # scores have two decimals; SQLite's sum of them is a float that may be off by an ulp
    return (total.quantize(Decimal("0.01")) / count).quantize(Decimal("0.01"))


def apply_evaluations(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    """The ratings of agents who were just evaluated."""
    rate(alias, {row["agent_id"] for row in inserted})


def rebuild_ratings(alias: str) -> None:
    """All ratings, from the evaluations."""
    Agent.objects.using(alias).exclude(
        Q(performance_rating=0) | Q(performance_rating__isnull=True)
    ).update(performance_rating=0)
    rate(alias, None)


def rate(alias: str, agents: Iterable[UUID] | None) -> None:
    """Set the ratings of these agents, or of all, to the mean of their scores."""
    scores = Evaluation.objects.using(alias).order_by()
    if agents is not None:
        scores = scores.filter(agent__in=list(agents))
    for found in scores.values("agent").annotate(sum=Sum("score"), count=Count("pk")):
        rating = mean_score(Decimal(str(found["sum"])), found["count"])
        Agent.objects.using(alias).filter(pk=found["agent"]).update(performance_rating=rating)
