"""Judging an agent's work."""

from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Sum

from agents.models import Agent
from payroll.derived.ratings import mean_score
from payroll.errors import EvaluatorNotFound
from payroll.models import Evaluation
from rodcorp.actors import Actor, Permission
from rodcorp.databases.units import open_unit
from rodcorp.errors import InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service
from rodcorp.people.models import User


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
    """Record a score from 0.00 to 5.00 and fold it into the agent's rating, the mean of its
    scores. The evaluator is a user or another agent."""
    unit = open_unit()
    checked = validation.score(score, "performance_score")
    evaluator = validation.guid(evaluator_id, "evaluator_uuid")
    if evaluator == agent.pk:
        raise InvalidInput("Nobody evaluates themselves.", field="evaluator_uuid")
    kind, name = _evaluator(evaluator)
    past = Evaluation.objects.filter(agent=agent).aggregate(sum=Sum("score"), count=Count("pk"))
    rating = mean_score((past["sum"] or Decimal(0)) + checked, past["count"] + 1)
    Agent.objects.filter(pk=agent.pk).update(performance_rating=rating)
    agent.performance_rating = rating
    return rows.insert(
        Evaluation(
            id=unit.new_id(),
            agent=agent,
            score=checked,
            evaluator_kind=kind,
            evaluator_id=evaluator,
            evaluator_name=name,
            notes=validation.text(notes, "notes", max_length=4000, multiline=True, required=False)
            or None,
            rating_after=rating,
            evaluated_at=unit.now,
        )
    )


def _evaluator(evaluator: UUID) -> tuple[str, str]:
    if user := User.objects.filter(pk=evaluator).first():
        return "user", str(user)
    if agent := Agent.objects.filter(pk=evaluator).first():
        return "agent", agent.name
    raise EvaluatorNotFound(f"There is no user and no agent {evaluator}.", field="evaluator_uuid")
