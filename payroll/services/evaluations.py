"""Judging an agent's work: by people and other agents, and continuously from what was observed."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from agents.models import Agent
from payroll.derived.ratings import (
    CONTINUOUS,
    MANUAL,
    POINTS,
    Judgement,
    hundredths,
    lock_for_rating,
    move_ratings,
)
from payroll.errors import EvaluatorNotFound
from payroll.models import Evaluation, Observation
from rodcorp.actors import Actor, Permission
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service
from rodcorp.people.models import User

# who signs continuous evaluations, on every host the same
CONTINUOUS_EVALUATOR = natural_id("evaluator", "continuous")
CONTINUOUS_NAME = "continuous evaluation"

# Agents evaluated in one unit: each is locked until it ends, and SQL Server would lock the whole
# table from 5,000 rows on.
AT_ONCE = 500


@service("payroll.evaluate", needs=Permission.EVALUATE)
def record_performance_evaluation(
    *,
    actor: Actor,
    agent: Agent,
    score: object,
    evaluator_id: object,
    notes: str | None = None,
    key: str | None = None,
) -> Evaluation:
    """Record a score from 0.00 to 5.00 and fold it into the agent's rating. The evaluator is a
    user or another agent."""
    unit = open_unit()
    checked = validation.score(score, "performance_score")
    evaluator = validation.guid(evaluator_id, "evaluator_uuid")
    if evaluator == agent.pk:
        raise InvalidInput("Nobody evaluates themselves.", field="evaluator_uuid")
    kind, name = _evaluator(evaluator)
    noted = validation.text(notes, "notes", max_length=4000, multiline=True, required=False)
    rating = move_ratings(unit.alias, [Judgement(agent.pk, MANUAL, checked)])[agent.pk]
    agent.performance_rating = rating
    return rows.insert(
        Evaluation(
            id=unit.new_id(),
            agent=agent,
            score=checked,
            evaluator_kind=kind,
            evaluator_id=evaluator,
            evaluator_name=name,
            notes=noted or None,
            rating_after=rating,
            evaluated_at=unit.now,
        )
    )


@service("payroll.evaluate_agents", needs=Permission.EVALUATE)
def evaluate_agents(
    *, actor: Actor, agent: Agent | None = None, since: object = None
) -> list[Evaluation]:
    """Write down, for each agent of whom something was observed since its last continuous
    evaluation, the mean of what was observed; of one agent, or of the first `AT_ONCE`, by name.

    `since` leaves out what was observed earlier. The rows are a record: ratings follow from the
    observations themselves. A period is evaluated once, by whoever comes first.
    """
    unit = open_unit()
    earliest = None if since is None else validation.moment(since, "since")
    waiting = _waiting(earliest, unit.now)
    if agent is not None:
        waiting = waiting.filter(pk=agent.pk)
    wanted = list(waiting.order_by("name", "project").values_list("pk", flat=True)[:AT_ONCE])
    # somebody else may have evaluated them meanwhile, so they are looked at again under the lock
    lock_for_rating(unit.alias, wanted)
    locked = _waiting(earliest, unit.now).filter(pk__in=wanted).order_by("name", "project")
    made = [_continuous(each, each.evaluated_until, earliest, unit.now) for each in locked]
    return list(rows.insert_many(made))


def evaluate_everybody(*, actor: Actor, since: object = None) -> list[Evaluation]:
    """`evaluate_agents` until nobody is left, some hundred agents a unit."""
    made: list[Evaluation] = []
    while some := evaluate_agents(actor=actor, since=since):
        made += some
    return made


def _waiting(earliest: datetime | None, until: datetime) -> Any:
    """Agents of whom something was observed since their last continuous evaluation, which ended at
    `evaluated_until`."""
    last = Evaluation.objects.continuous().filter(agent=OuterRef("pk")).order_by("-evaluated_at")
    seen = Observation.objects.filter(agent=OuterRef("pk"), observed_at__lte=until)
    if earliest is not None:
        seen = seen.filter(observed_at__gte=earliest)
    is_first = Q(evaluated_until__isnull=True)
    later = seen.filter(observed_at__gt=OuterRef("evaluated_until"))
    agents = Agent.objects.annotate(evaluated_until=Subquery(last.values("evaluated_at")[:1]))
    return agents.filter((is_first & Exists(seen)) | Exists(later))


def _continuous(
    agent: Agent, last: datetime | None, earliest: datetime | None, until: datetime
) -> Evaluation:
    seen = Observation.objects.filter(agent=agent, observed_at__lte=until)
    if last is not None:
        seen = seen.filter(observed_at__gt=last)
    if earliest is not None:
        seen = seen.filter(observed_at__gte=earliest)
    begin = max(filter(None, (last, earliest)), default=None)
    kinds = {
        kind: (count, points)
        for kind, count, points in seen.order_by()
        .values_list("kind")
        .annotate(judgements=Count("pk"), points=POINTS)
    }
    count = sum(count for count, _ in kinds.values())
    parts = {
        "from": begin.isoformat() if begin else None,
        "until": until.isoformat(),
        "count": count,
        "kinds": {
            kind: {"count": of_kind, "mean": str(hundredths(points, of_kind))}
            for kind, (of_kind, points) in sorted(kinds.items())
        },
    }
    return Evaluation(
        # a period is known by its beginning, so that two hosts, or two sides, write it down once
        id=natural_id("continuous evaluation", agent.pk, parts["from"]),
        agent=agent,
        score=hundredths(sum(points for _, points in kinds.values()), count),
        evaluator_kind=CONTINUOUS,
        evaluator_id=CONTINUOUS_EVALUATOR,
        evaluator_name=CONTINUOUS_NAME,
        parts=json.dumps(parts),
        rating_after=agent.performance_rating,
        evaluated_at=until,
    )


def _evaluator(evaluator: UUID) -> tuple[str, str]:
    if user := User.objects.filter(pk=evaluator).first():
        return "user", str(user)
    if agent := Agent.objects.filter(pk=evaluator).first():
        return "agent", agent.name
    raise EvaluatorNotFound(f"There is no user and no agent {evaluator}.", field="evaluator_uuid")
