"""What other departments see of an agent's work. They hand it over; payroll never asks."""

from agents.models import Agent
from payroll.derived.ratings import Judgement, lock_for_rating, move_ratings
from payroll.models import Observation, ObservationKind
from rodcorp.actors import Actor, ActorKind, Permission
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service


@service("payroll.observe", needs=Permission.WORK_ON_TASKS)
def record_observation(
    *,
    actor: Actor,
    agent: Agent,
    kind: str,
    score: object,
    source_kind: str,
    source_key: str,
    observed_at: object = None,
) -> Observation:
    """Record a score from 0.00 to 5.00 for something that was seen (quality, punctuality, review)
    and fold it into the agent's rating.

    (source kind, source key, kind) is seen once: the same again is the same answer, another score
    or another agent a `Conflict`. `observed_at` is now, if not given. Raises `PermissionRefused`
    if an agent judges its own work; how punctual it was it may say by completing it.
    """
    unit = open_unit()
    seen = validation.choice(kind, "kind", ObservationKind.values)
    if seen != ObservationKind.PUNCTUALITY and _is_own(actor, agent):
        raise PermissionRefused("Nobody judges their own work.", field="agent_name")
    checked = validation.score(score, "score")
    department = validation.text(source_kind, "source_kind", max_length=20)
    key = validation.text(source_key, "source_key", max_length=200)
    moment = unit.now
    if observed_at is not None:
        moment = validation.moment(observed_at, "observed_at")
        if moment > unit.now:
            raise InvalidInput("observed_at must not be in the future.", field="observed_at")
    row_id = natural_id("observation", department, key, seen)
    # before the look-up, so that two units with the same observation come one after the other
    lock_for_rating(unit.alias, [agent.pk])
    known = Observation.objects.filter(pk=row_id).select_related("agent").first()
    if known is not None:
        if (known.agent_id, known.score) == (agent.pk, checked):
            return known
        raise Conflict(
            f"The {seen} of {department} {key} was observed already: {known.score} for "
            f"{known.agent.name}. An observation is never changed.",
            field="score",
            details={"score": str(known.score), "agent": known.agent.name},
        )
    ratings = move_ratings(unit.alias, [Judgement(agent.pk, seen, checked)])
    agent.performance_rating = ratings[agent.pk]
    return rows.insert(
        Observation(
            id=row_id,
            agent=agent,
            kind=seen,
            score=checked,
            source_kind=department,
            source_key=key,
            observed_at=moment,
        )
    )


def _is_own(actor: Actor, agent: Agent) -> bool:
    return actor.kind is ActorKind.AGENT and actor.id == str(agent.pk)
