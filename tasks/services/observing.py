"""What is handed over to payroll of an agent's work, in the unit that saw it.

Each is keyed (task, round), so that a reopened task's next round is seen anew.

- Punctuality, when a task with a due date is completed: 5.00 if it is in time; else it falls evenly
  to 0.00 at twice the time there was, from the task's creation to its due date, of a day at least.
- Quality, when a completed task is given a quality score: that score.
- Review, when a round is reviewed: approved 5.00, changes requested 2.50, rejected 0.00.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from payroll.models import Observation, ObservationKind
from payroll.services.observations import record_observation
from rodcorp.actors import Actor
from rodcorp.errors import Conflict
from tasks.models import Review, Task, TaskStatus, Verdict

# A task due an hour after it was created is not at 0.00 an hour later.
LEAST_TIME = timedelta(days=1)

REVIEW_SCORES = {
    Verdict.APPROVED: Decimal("5.00"),
    Verdict.CHANGES_REQUESTED: Decimal("2.50"),
    Verdict.REJECTED: Decimal("0.00"),
}


def observe_completion(*, actor: Actor, task: Task) -> Observation | None:
    """None without an agent or a due date: then nobody can be late."""
    if task.agent is None or task.due_date is None or task.completed_at is None:
        return None
    score = punctuality(task.created_at, task.due_date, task.completed_at)
    return _observe(actor, task, ObservationKind.PUNCTUALITY, score, task.round_number)


def observe_quality(*, actor: Actor, task: Task) -> Observation | None:
    """None while it is not completed: what is said of unfinished work may still change. Raises
    `Conflict` if this round's quality was scored otherwise before."""
    if task.agent is None or task.quality_score is None or task.status != TaskStatus.COMPLETED:
        return None
    try:
        return _observe(actor, task, ObservationKind.QUALITY, task.quality_score, task.round_number)
    except Conflict as refused:
        raise Conflict(
            f"Round {task.round_number} of this task was already scored "
            f"{refused.details.get('score')}, and that counts in the agent's rating; reopen the "
            "task to score its next round.",
            field="quality_score",
        ) from refused


def observe_review(*, actor: Actor, review: Review) -> Observation | None:
    """None if nobody worked on the task."""
    if review.task.agent is None:
        return None
    score = REVIEW_SCORES[Verdict(review.verdict)]
    return _observe(actor, review.task, ObservationKind.REVIEW, score, review.round_number)


def punctuality(created: datetime, due: datetime, completed: datetime) -> Decimal:
    """The score of work completed then, half-even to two decimals."""
    late = completed - due
    if late <= timedelta():
        return Decimal("5.00")
    allowed = max(due - created, LEAST_TIME)
    if late >= allowed:
        return Decimal("0.00")
    left = Fraction((allowed - late) // _TICK, allowed // _TICK)
    return Decimal(round(500 * left)).scaleb(-2)


_TICK = timedelta(microseconds=1)


def _observe(
    actor: Actor, task: Task, kind: ObservationKind, score: Decimal, round_number: int
) -> Observation:
    assert task.agent is not None
    return record_observation(
        actor=actor,
        agent=task.agent,
        kind=kind,
        score=score,
        source_kind="task",
        source_key=f"{task.pk}/{round_number}",
    )
