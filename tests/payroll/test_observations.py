"""What other departments hand over of an agent's work."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from agents.models import Agent
from payroll.models import Observation, RatingPart
from payroll.services.observations import record_observation
from rodcorp.actors import Actor, ActorKind, Role
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada")


@pytest.fixture
def observe(system):
    def observe(agent, score, *, key="1", kind="quality", actor=system, **more):
        return record_observation(
            actor=actor,
            agent=agent,
            kind=kind,
            score=score,
            source_kind="task",
            source_key=key,
            **more,
        )

    return observe


def test_an_observation_counts_in_the_rating(ada, observe):
    row = observe(ada, "4.60")
    # (5 x 3.00 + 4.60) / 6 = 3.2666…
    assert Agent.objects.get().performance_rating == ada.performance_rating == Decimal("3.27")
    assert (row.score, row.actor_kind) == (Decimal("4.60"), "system")
    part = RatingPart.objects.get()
    assert (part.kind, part.count, part.points) == ("quality", 1, 460)


def test_the_same_again_is_the_same_answer_and_counts_once(ada, observe):
    assert observe(ada, "4.60") == observe(ada, 4.6)
    assert Observation.objects.count() == 1
    assert RatingPart.objects.get().count == 1


def test_another_score_for_the_same_is_refused_with_the_one_that_counts(ada, observe):
    observe(ada, "4.60")
    with pytest.raises(Conflict, match=r"observed already: 4\.60 for Ada") as refused:
        observe(ada, "4.70")
    assert refused.value.field == "score"
    assert RatingPart.objects.get().points == 460


def test_the_same_for_another_agent_is_refused(ada, observe, make_agent):
    observe(ada, "4.60")
    with pytest.raises(Conflict, match="for Ada"):
        observe(make_agent("Eve"), "4.60")


def test_another_round_and_another_kind_are_others(ada, observe):
    observe(ada, 4, key="task/1")
    observe(ada, 2, key="task/2")
    observe(ada, 3, key="task/1", kind="review")
    assert Observation.objects.count() == 3


@pytest.mark.parametrize("score", [5.01, -1, "NaN", "inf", "good", None, True, "4.567"])
def test_a_score_outside_0_to_5_with_two_decimals_is_refused(ada, observe, score):
    with pytest.raises(InvalidInput, match=r"from 0\.00 to 5\.00") as refused:
        observe(ada, score)
    assert refused.value.field == "score"
    assert not Observation.objects.exists()
    assert not RatingPart.objects.exists()


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"kind": "charm"}, "kind", "quality, punctuality, review"),
        ({"key": ""}, "source_key", "must not be empty"),
        ({"key": "x" * 201}, "source_key", "at most 200"),
        ({"observed_at": "tomorrow"}, "observed_at", "a date like"),
    ],
)
def test_what_is_said_of_it_is_checked(ada, observe, given, field, said):
    with pytest.raises(InvalidInput, match=said) as refused:
        observe(ada, 4, **given)
    assert refused.value.field == field


def test_nothing_is_observed_before_it_happens(ada, observe):
    with pytest.raises(InvalidInput, match="future"):
        observe(ada, 4, observed_at=timezone.now() + timedelta(minutes=5))
    past = timezone.now() - timedelta(days=3)
    assert observe(ada, 4, observed_at=past).observed_at == past


@pytest.mark.parametrize("kind", ["quality", "review"])
def test_an_agent_does_not_judge_its_own_work(ada, observe, kind):
    with pytest.raises(PermissionRefused, match="own work"):
        observe(ada, 5, kind=kind, actor=ada.as_actor())
    assert not Observation.objects.exists()


def test_an_agent_that_completes_its_work_says_when_and_one_that_reviews_judges_others(
    ada, observe, make_agent
):
    assert observe(ada, 5, kind="punctuality", actor=ada.as_actor()).actor_name == "Ada"
    assert observe(ada, 4, kind="review", actor=make_agent("Eve").as_actor()).actor_name == "Eve"


def test_who_may_not_work_on_tasks_observes_nothing(ada, observe):
    viewer = Actor(ActorKind.USER, "1", "v", role=Role.VIEWER)
    with pytest.raises(PermissionRefused, match="work_on_tasks"):
        observe(ada, 5, actor=viewer)


def test_it_is_undone_with_the_unit_that_saw_it(ada, observe, system):
    def see_and_fail(unit):
        observe(ada, 5)
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        run_in_unit(see_and_fail, actor=system, operation="test")
    assert not Observation.objects.exists()
    assert not RatingPart.objects.exists()
    assert Agent.objects.get().performance_rating == 0
