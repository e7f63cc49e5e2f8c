"""How an agent's rating comes about, and where it is going."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Count
from django.utils import timezone

from agents.models import Agent
from payroll.derived.ratings import POINTS, hundredths, shrunk_rating
from payroll.models import Evaluation, Observation, RatingPart

TREND = timedelta(days=30)
POINTS_SHOWN = 24

LABELS = {
    "manual": "evaluations",
    "quality": "quality of tasks",
    "punctuality": "punctuality of tasks",
    "review": "reviews of tasks",
}


@dataclass(frozen=True)
class Part:
    """What judgements of one kind add to a rating."""

    kind: str
    label: str
    count: int
    mean: Decimal


@dataclass(frozen=True)
class Rating:
    """`before` is what it was 30 days ago, None if there was nothing to judge by then; `course` are
    the ratings after the latest evaluations, oldest first, and the present one."""

    value: Decimal
    prior: Decimal
    weight: int
    parts: tuple[Part, ...]
    # of all judgements' scores
    sum: Decimal
    before: Decimal | None
    course: tuple[tuple[datetime, Decimal], ...]

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)

    @property
    def change(self) -> Decimal | None:
        return None if self.before is None else self.value - self.before

    @property
    def direction(self) -> str:
        """`up`, `down` or `steady`; empty if there is nothing to compare with."""
        if self.change is None:
            return ""
        return "up" if self.change > 0 else "down" if self.change < 0 else "steady"


def observed_in(evaluation: Evaluation) -> str:
    """What a continuous evaluation was made from, in words; empty for all others."""
    if not evaluation.parts:
        return ""
    kinds = json.loads(evaluation.parts)["kinds"]
    return ", ".join(f"{part['count']} × {kind} {part['mean']}" for kind, part in kinds.items())


def rating_of(agent: Agent) -> Rating:
    """A fixed number of queries, which read the parts and the last 30 days only."""
    now = timezone.now()
    parts = list(RatingPart.objects.of_agent(agent))
    count, points = sum(part.count for part in parts), sum(part.points for part in parts)
    since = now - TREND
    recent = (
        Evaluation.objects.manual_since(agent, since),
        Observation.objects.since(agent, since),
    )
    before_count, before_points = count, points
    for judged in recent:
        found = judged.order_by().aggregate(count=Count("pk"), points=POINTS)
        before_count -= found["count"]
        before_points -= found["points"] or 0
    latest = Evaluation.objects.of_agent(agent).values_list("evaluated_at", "rating_after")
    course = [*list(latest[:POINTS_SHOWN])[::-1], (now, agent.performance_rating)] if count else []
    return Rating(
        value=agent.performance_rating,
        prior=settings.RODCORP_RATING_PRIOR,
        weight=settings.RODCORP_RATING_WEIGHT,
        parts=tuple(
            Part(part.kind, LABELS[part.kind], part.count, hundredths(part.points, part.count))
            for part in sorted(parts, key=lambda part: list(LABELS).index(part.kind))
        ),
        sum=Decimal(points).scaleb(-2),
        # a row that arrives while this is read may be counted once too often
        before=shrunk_rating(before_count, before_points) if before_count > 0 else None,
        course=tuple(course),
    )
