"""What tasks hands over to payroll of an agent's work, and when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from payroll.models import Observation
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, PermissionRefused
from rodcorp.kit import rows
from tasks.models import Review, Task
from tasks.services import work
from tasks.services.creation import NewTask, create_task, create_tasks
from tasks.services.observing import observe_review, punctuality
from tasks.services.work import complete_task, update_task, update_task_status

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada")


@pytest.fixture
def make_task(ada, system):
    def make(*, due_in=None, created_ago=timedelta(), agent=ada):
        now = timezone.now()
        [task] = create_tasks(
            actor=system,
            tasks=[
                NewTask(
                    "work",
                    agent,
                    due_date=None if due_in is None else now + due_in,
                    created_at=now - created_ago,
                )
            ],
        )
        return task

    return make


def seen(kind):
    rows = Observation.objects.filter(kind=kind).order_by("source_key")
    return [(row.agent.name, str(row.score), row.source_key) for row in rows]


# --- punctuality ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "late", "score"),
    [
        (WEEK, -WEEK, "5.00"),
        (WEEK, timedelta(), "5.00"),
        (WEEK, WEEK / 2, "2.50"),
        (WEEK, WEEK / 4, "3.75"),
        (WEEK, WEEK, "0.00"),
        (WEEK, 10 * WEEK, "0.00"),
        # a day at least, however little time there was
        (timedelta(hours=1), timedelta(hours=6), "3.75"),
        (-WEEK, timedelta(hours=12), "2.50"),
    ],
)
def test_punctuality_falls_evenly_over_the_time_there_was(allowed, late, score):
    due = NOON + allowed
    assert punctuality(NOON, due, due + late) == Decimal(score)


@given(
    st.timedeltas(-WEEK, 50 * WEEK),
    st.timedeltas(-WEEK, 99 * WEEK),
    st.timedeltas(timedelta(), WEEK),
)
def test_later_is_never_more_punctual(allowed, late, more):
    due = NOON + allowed
    early, later = punctuality(NOON, due, due + late), punctuality(NOON, due, due + late + more)
    assert Decimal(0) <= later <= early <= Decimal(5)
    assert later == later.quantize(Decimal("0.01"))


@pytest.mark.django_db
def test_a_task_completed_in_time_is_handed_over_with_its_round(make_task, ada, system):
    task = make_task(due_in=WEEK)
    complete_task(actor=ada.as_actor(), task=task)
    assert seen("punctuality") == [("Ada", "5.00", f"{task.pk}/1")]
    row = Observation.objects.get()
    assert (row.observed_at, row.actor_name) == (task.completed_at, "Ada")
    # (5 x 3.00 + 5.00) / 6
    assert task.agent.performance_rating == Decimal("3.33")


@pytest.mark.django_db
def test_a_task_completed_late_counts_less(make_task, system):
    task = make_task(due_in=-timedelta(days=3), created_ago=timedelta(days=9))
    complete_task(actor=system, task=task)
    assert seen("punctuality") == [("Ada", "2.50", f"{task.pk}/1")]


@pytest.mark.django_db
def test_without_a_due_date_or_an_agent_nobody_is_punctual(make_task, system):
    complete_task(actor=system, task=make_task())
    complete_task(actor=system, task=make_task(due_in=WEEK, agent=None))
    assert not Observation.objects.exists()


@pytest.mark.django_db
def test_completing_again_is_seen_once_and_the_next_round_anew(make_task, system):
    task = make_task(due_in=WEEK)
    complete_task(actor=system, task=task)
    complete_task(actor=system, task=task)
    assert len(seen("punctuality")) == 1
    update_task_status(actor=system, task=task, status="in_progress")
    update_task(actor=system, task=task, due_date=timezone.now() - 3 * WEEK)
    complete_task(actor=system, task=task)
    assert seen("punctuality") == [
        ("Ada", "5.00", f"{task.pk}/1"),
        ("Ada", "0.00", f"{task.pk}/2"),
    ]


@pytest.mark.django_db
def test_a_completion_that_fails_leaves_no_observation(make_task, system, monkeypatch):
    task = make_task(due_in=WEEK)

    def break_down(**asked):
        raise Conflict("the handing over broke")

    complete_task(actor=system, task=make_task(due_in=WEEK))
    monkeypatch.setattr(work.observing, "observe_completion", break_down)
    with pytest.raises(Conflict, match="broke"):
        complete_task(actor=system, task=task)
    assert Task.objects.get(pk=task.pk).status == "pending"
    assert len(seen("punctuality")) == 1


# --- quality --------------------------------------------------------------------------------------


@pytest.fixture
def done(make_task, system):
    task = make_task()
    complete_task(actor=system, task=task)
    return task


@pytest.mark.django_db
def test_a_quality_score_given_to_a_completed_task_is_handed_over(done, system):
    update_task(actor=system, task=done, quality_score="4.25")
    assert seen("quality") == [("Ada", "4.25", f"{done.pk}/1")]


@pytest.mark.django_db
def test_a_score_of_unfinished_work_does_not_count(make_task, system):
    task = make_task()
    update_task(actor=system, task=task, quality_score=1)
    update_task(actor=system, task=task, quality_score=2)
    assert not Observation.objects.exists()


@pytest.mark.django_db
def test_what_else_is_said_of_a_scored_task_hands_nothing_over(done, system):
    update_task(actor=system, task=done, quality_score=4)
    update_task_status(actor=system, task=done, status="in_progress")
    complete_task(actor=system, task=done)
    update_task(actor=system, task=done, title="Other words", quality_score=4)
    assert seen("quality") == [("Ada", "4.00", f"{done.pk}/1")]


@pytest.mark.django_db
def test_a_round_is_scored_once_and_the_next_round_anew(done, system):
    update_task(actor=system, task=done, quality_score=4)
    with pytest.raises(Conflict, match=r"already scored 4\.00.*reopen") as refused:
        update_task(actor=system, task=done, quality_score=5)
    assert refused.value.field == "quality_score"
    assert done.quality_score == Task.objects.get().quality_score == 4
    update_task_status(actor=system, task=done, status="in_progress")
    complete_task(actor=system, task=done)
    update_task(actor=system, task=done, quality_score=5)
    assert [score for _, score, _ in seen("quality")] == ["4.00", "5.00"]


@pytest.mark.django_db
def test_a_score_taken_away_and_given_again_counts_once(done, system):
    for score in (4, None, 4):
        update_task(actor=system, task=done, quality_score=score)
    assert len(seen("quality")) == 1


# --- reviews --------------------------------------------------------------------------------------


@pytest.fixture
def review(system):
    """Record a verdict, as whoever reviews does, in one unit with what is handed over."""

    def review(task, verdict, *, by=system, round_number=1):
        row = Review(
            task=task,
            round_number=round_number,
            version_seen=task.version,
            verdict=verdict,
            reviewed_at=timezone.now(),
        )

        def record(unit):
            rows.insert(row)
            return observe_review(actor=by, review=row)

        return run_in_unit(record, actor=by, operation="test")

    return review


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("verdict", "score"),
    [("approved", "5.00"), ("changes_requested", "2.50"), ("rejected", "0.00")],
)
def test_each_verdict_has_its_score(done, review, verdict, score):
    review(done, verdict)
    assert seen("review") == [("Ada", score, f"{done.pk}/1")]


@pytest.mark.django_db
def test_each_round_is_reviewed_for_itself(done, review):
    review(done, "changes_requested")
    review(done, "approved", round_number=2)
    assert [score for _, score, _ in seen("review")] == ["2.50", "5.00"]
    with pytest.raises(Conflict, match="observed already"):
        review(done, "rejected", round_number=2)
    assert Review.objects.count() == 2


@pytest.mark.django_db
def test_nobody_reviews_their_own_work(done, review, ada):
    with pytest.raises(PermissionRefused, match="own work"):
        review(done, "approved", by=ada.as_actor())
    assert not Review.objects.exists()


@pytest.mark.django_db
def test_the_review_of_a_task_of_nobody_is_handed_to_nobody(review, system):
    task = create_task(actor=system, description="x")
    complete_task(actor=system, task=task)
    assert review(task, "approved") is None
