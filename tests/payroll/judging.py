"""Ratings worked out anew from the rows, for tests of what keeps them current."""

import itertools
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from agents.models import Agent
from payroll.derived.ratings import points_of
from payroll.models import Evaluation, Observation, RatingPart
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.observations import record_observation
from rodcorp.databases.sides import active_alias

OBSERVED = ("quality", "punctuality", "review")

_numbers = itertools.count()


def formula(scores):
    """(5 x 3.00 + sum) / (5 + count), half-even to two decimals; 0.00 of none."""
    if not scores:
        return Decimal("0.00")
    exact = (15 + sum(map(Fraction, scores))) / (5 + len(scores))
    # a tie is exact in Decimal's 28 digits, and nothing else is near enough to round to one
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(
        Decimal("0.01"), ROUND_HALF_EVEN
    )


def scores_of(agent, alias=None):
    alias = alias or active_alias()
    manual = Evaluation.objects.using(alias).filter(agent=agent).exclude(evaluator_kind="system")
    observed = Observation.objects.using(alias).filter(agent=agent)
    return [*manual.values_list("score", flat=True), *observed.values_list("score", flat=True)]


def parts_of(agent, alias=None):
    parts = RatingPart.objects.using(alias or active_alias()).of_agent(agent)
    return {part.kind: (part.count, part.points) for part in parts}


def parts_from_rows(agent, alias=None):
    alias = alias or active_alias()
    counts, points = Counter(), Counter()
    manual = Evaluation.objects.using(alias).filter(agent=agent).exclude(evaluator_kind="system")
    judged = [("manual", score) for score in manual.values_list("score", flat=True)]
    judged += Observation.objects.using(alias).filter(agent=agent).values_list("kind", "score")
    for kind, score in judged:
        counts[kind] += 1
        points[kind] += points_of(score)
    return {kind: (counts[kind], points[kind]) for kind in counts}


def rating(agent, alias=None):
    return Agent.objects.using(alias or active_alias()).get(pk=agent.pk).performance_rating


def judge_as(actor, evaluator):
    """Judge or observe: `judge(agent, "manual", score)`."""

    def judge(agent, kind, score, *, key=None, **more):
        if kind == "manual":
            return record_performance_evaluation(
                actor=actor, agent=agent, score=score, evaluator_id=evaluator.pk
            )
        return record_observation(
            actor=actor,
            agent=agent,
            kind=kind,
            score=score,
            source_kind="test",
            source_key=key or f"judged {next(_numbers)}",
            **more,
        )

    return judge
