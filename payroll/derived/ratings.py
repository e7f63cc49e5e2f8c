"""Ratings, which follow from what others judged and what was observed of an agent's work.

A rating is shrunk towards a prior: the prior counts like RODCORP_RATING_WEIGHT judgements, so that
a newcomer's first one moves it a little and a hundred of them decide it. Scores are added up as
whole hundredths ("points"), exact in both databases. Who was never judged is rated 0.00.

Continuous evaluations are a record of observations that count themselves; they count in no rating.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import BigIntegerField, Count, F, QuerySet, Sum
from django.db.models.functions import Cast, Round

from agents.models import Agent
from payroll.derived.adding import lock_order
from payroll.models import Evaluation, Observation, RatingPart
from rodcorp.databases.ids import natural_id

# the part that evaluations by people and agents make; the others are kinds of observation
MANUAL = "manual"
# who signs continuous evaluations
CONTINUOUS = "system"

UNRATED = Decimal("0.00")

# rounded first: on SQLite 4.35 times a hundred is a little less than 435
POINTS = Sum(Cast(Round(F("score") * 100), BigIntegerField()))

_CHUNK = 500


class Judgement(NamedTuple):
    """One score of an agent, 0.00 to 5.00: `manual`, or a kind of observation."""

    agent_id: UUID
    kind: str
    score: Decimal


def points_of(score: Decimal) -> int:
    """A score of two decimals in hundredths."""
    return int(score.scaleb(2))


def shrunk_rating(count: int, points: int) -> Decimal:
    """The rating that so many judgements with that sum make, half-even to two decimals."""
    if count == 0:
        return UNRATED
    weight = settings.RODCORP_RATING_WEIGHT
    sum_ = weight * points_of(settings.RODCORP_RATING_PRIOR) + points
    return hundredths(sum_, weight + count)


def hundredths(points: int, count: int) -> Decimal:
    """points / count as a score, half-even to two decimals."""
    return Decimal(round(Fraction(points, count))).scaleb(-2)


def lock_for_rating(alias: str, agents: Iterable[UUID]) -> None:
    """From here to the end of the transaction nobody else moves the ratings of these agents: what
    is read of them now is final, and a missing part may be inserted."""
    for agent in sorted(agents, key=lock_order):
        list(Agent.objects.using(alias).select_for_update().filter(pk=agent).values_list("pk"))


def move_ratings(alias: str, judgements: Iterable[Judgement]) -> dict[UUID, Decimal]:
    """Fold new judgements into the parts and the ratings; the ratings by agent id."""
    moves: dict[tuple[UUID, str], list[int]] = defaultdict(lambda: [0, 0])
    for agent, kind, score in judgements:
        move = moves[agent, kind]
        move[0] += 1
        move[1] += points_of(score)
    agents = sorted({agent for agent, _ in moves}, key=lock_order)
    lock_for_rating(alias, agents)
    parts = RatingPart.objects.using(alias)
    for (agent, kind), (count, points) in moves.items():
        there = parts.filter(agent_id=agent, kind=kind)
        if not there.update(count=F("count") + count, points=F("points") + points):
            part = _part(agent, kind, count, points)
            part.save(force_insert=True, using=alias)
    ratings = _ratings(alias, agents)
    for agent in agents:
        Agent.objects.using(alias).filter(pk=agent).update(performance_rating=ratings[agent])
    return ratings


def apply_evaluations(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    """Fold in evaluations that were just inserted, given by attname."""
    move_ratings(
        alias,
        [
            Judgement(row["agent_id"], MANUAL, row["score"])
            for row in inserted
            if row["evaluator_kind"] != CONTINUOUS
        ],
    )


def apply_observations(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    """Fold in observations that were just inserted, given by attname."""
    move_ratings(alias, [Judgement(row["agent_id"], row["kind"], row["score"]) for row in inserted])


def rebuild_ratings(alias: str) -> None:
    """All parts and all ratings, from the evaluations and the observations."""
    present = _lock_all(alias)
    _rebuild_manual(alias)
    _rebuild_observed(alias)
    _rate_all(alias, present)


def rebuild_evaluations(alias: str) -> None:
    """The parts that follow from evaluations, and all ratings."""
    present = _lock_all(alias)
    _rebuild_manual(alias)
    _rate_all(alias, present)


def rebuild_observations(alias: str) -> None:
    """The parts that follow from observations, and all ratings."""
    present = _lock_all(alias)
    _rebuild_observed(alias)
    _rate_all(alias, present)


def _rebuild_manual(alias: str) -> None:
    RatingPart.objects.using(alias).filter(kind=MANUAL).delete()
    judged = Evaluation.objects.using(alias).exclude(evaluator_kind=CONTINUOUS).order_by()
    _insert_parts(
        alias,
        [
            _part(agent, MANUAL, count, points)
            for agent, count, points in judged.values_list("agent").annotate(
                judgements=Count("pk"), points=POINTS
            )
        ],
    )


def _rebuild_observed(alias: str) -> None:
    RatingPart.objects.using(alias).exclude(kind=MANUAL).delete()
    observed: QuerySet[Observation] = Observation.objects.using(alias).order_by()
    _insert_parts(
        alias,
        [
            _part(agent, kind, count, points)
            for agent, kind, count, points in observed.values_list("agent", "kind").annotate(
                judgements=Count("pk"), points=POINTS
            )
        ],
    )


def _insert_parts(alias: str, parts: Sequence[RatingPart]) -> None:
    RatingPart.objects.using(alias).bulk_create(parts, batch_size=_CHUNK)


def _part(agent: UUID, kind: str, count: int, points: int) -> RatingPart:
    return RatingPart(
        id=natural_id("rating part", agent, kind),
        agent_id=agent,
        kind=kind,
        count=count,
        points=points,
    )


def _lock_all(alias: str) -> dict[UUID, Decimal]:
    """The ratings of all agents as they are; nobody else moves them until this is over."""
    agents = Agent.objects.using(alias).select_for_update()
    found = agents.values_list("pk", "performance_rating")
    return {agent: UNRATED if rating is None else rating for agent, rating in found}


def _rate_all(alias: str, present: Mapping[UUID, Decimal]) -> None:
    """Write the ratings that differ, those of one value in one statement."""
    wanted = _ratings(alias, None)
    changed: dict[Decimal, list[UUID]] = defaultdict(list)
    for agent, rating in present.items():
        if rating != wanted.get(agent, UNRATED):
            changed[wanted.get(agent, UNRATED)].append(agent)
    for rating, agents in changed.items():
        for start in range(0, len(agents), _CHUNK):
            some = Agent.objects.using(alias).filter(pk__in=agents[start : start + _CHUNK])
            some.update(performance_rating=rating)


def _ratings(alias: str, agents: Sequence[UUID] | None) -> dict[UUID, Decimal]:
    """What the parts of these agents, or of all, make."""
    parts = RatingPart.objects.using(alias).order_by()
    if agents is None:
        return _shrunk(parts)
    found: dict[UUID, Decimal] = {}
    for start in range(0, len(agents), _CHUNK):
        found |= _shrunk(parts.filter(agent__in=agents[start : start + _CHUNK]))
    return found


def _shrunk(parts: "QuerySet[RatingPart]") -> dict[UUID, Decimal]:
    totals = parts.values_list("agent").annotate(Sum("count"), Sum("points"))
    return {agent: shrunk_rating(count, points) for agent, count, points in totals}
