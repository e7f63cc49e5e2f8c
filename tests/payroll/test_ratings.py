"""How ratings follow from what was judged and observed, in whatever order, on whichever side."""

import itertools
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.core.checks.registry import registry
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from agents.models import Agent
from payroll.checks import check_rating_settings
from payroll.derived.ratings import (
    move_ratings,
    points_of,
    rebuild_evaluations,
    rebuild_observations,
    rebuild_ratings,
    shrunk_rating,
)
from payroll.models import Evaluation, Observation, RatingPart
from payroll.ratings import rating_of
from payroll.services.evaluations import evaluate_agents
from rodcorp.actors import Actor
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from tests.payroll.judging import (
    OBSERVED,
    formula,
    judge_as,
    parts_from_rows,
    parts_of,
    rating,
    scores_of,
)
from tests.payroll.test_ledger_races import THREADS, at_once

SCORE = st.decimals(0, 5, places=2)
COMPANIES = itertools.count()


@pytest.fixture
def judge(system, admin):
    return judge_as(system, admin)


# --- the formula ----------------------------------------------------------------------------------


@given(st.lists(SCORE, max_size=60))
def test_the_rating_is_the_exact_formula(scores):
    points = sum(map(points_of, scores))
    assert shrunk_rating(len(scores), points) == formula(scores)


@pytest.mark.parametrize(
    ("scores", "rating"),
    [
        ([], "0.00"),
        (["3.00"], "3.00"),
        (["5.00"], "3.33"),
        (["0.00"], "2.50"),
        # 24.10 / 8 = 3.0125 and 24.20 / 8 = 3.025: a tie goes to the even hundredth
        (["3.00", "3.10", "3.00"], "3.01"),
        (["3.00", "3.20", "3.00"], "3.02"),
        (["3.00", "3.28", "3.00"], "3.04"),
    ],
)
def test_ratings_worked_out_by_hand(scores, rating):
    scores = [Decimal(score) for score in scores]
    assert shrunk_rating(len(scores), sum(map(points_of, scores))) == Decimal(rating)


@given(st.lists(SCORE, min_size=1, max_size=60))
def test_a_rating_lies_between_the_prior_and_the_mean(scores):
    mean = sum(map(Fraction, scores)) / len(scores)
    rated = Fraction(shrunk_rating(len(scores), sum(map(points_of, scores))))
    half = Fraction(1, 200)
    assert min(mean, 3) - half <= rated <= max(mean, 3) + half


def test_one_best_score_does_not_outrank_fifty_very_good_ones():
    assert shrunk_rating(1, 500) == Decimal("3.33")
    assert shrunk_rating(50, 50 * 480) == Decimal("4.64")


def test_a_newcomer_with_one_bad_score_is_not_starved():
    assert shrunk_rating(1, 100) == Decimal("2.67") > shrunk_rating(50, 50 * 200)


@given(SCORE, SCORE)
def test_one_more_judgement_moves_a_newcomer_by_half_a_point_at_most(first, second):
    one = shrunk_rating(1, points_of(first))
    two = shrunk_rating(2, points_of(first) + points_of(second))
    assert abs(one - Decimal(3)) <= Decimal("0.50")
    assert abs(two - one) <= Decimal("0.50")


def test_the_prior_and_its_weight_are_settings(settings):
    settings.RODCORP_RATING_PRIOR, settings.RODCORP_RATING_WEIGHT = Decimal("2.50"), 1
    assert shrunk_rating(1, 500) == Decimal("3.75")
    settings.RODCORP_RATING_WEIGHT = 0
    assert (shrunk_rating(1, 500), shrunk_rating(0, 0)) == (5, 0)


@pytest.mark.parametrize(
    ("prior", "weight", "said"),
    [
        ("5.01", 5, "RODCORP_RATING_PRIOR"),
        ("NaN", 5, "RODCORP_RATING_PRIOR"),
        ("3.005", 5, "RODCORP_RATING_PRIOR"),
        ("3", -1, "RODCORP_RATING_WEIGHT"),
        ("3", 1001, "RODCORP_RATING_WEIGHT"),
    ],
)
def test_a_setting_that_makes_no_rating_is_an_error_at_start(settings, prior, weight, said):
    settings.RODCORP_RATING_PRIOR, settings.RODCORP_RATING_WEIGHT = Decimal(prior), weight
    [found] = check_rating_settings()
    assert found.is_serious()
    assert said in found.msg
    assert check_rating_settings in registry.get_checks()


# --- kept current ---------------------------------------------------------------------------------

STEP = st.tuples(
    st.integers(0, 2),
    st.sampled_from(("manual", *OBSERVED, "again", "continuous", "rebuild")),
    SCORE,
)


@pytest.mark.django_db
@examples(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, max_size=14))
def test_parts_and_ratings_follow_from_the_rows_after_any_sequence(steps, make_agent, judge):
    actor = Actor.system("property")
    company = f"company-{next(COMPANIES)}"
    agents = [make_agent(name, project=company) for name in "ABC"]
    for who, what, score in steps:
        agent = agents[who]
        match what:
            case "again":
                for row in Observation.objects.filter(agent=agent)[:1]:
                    judge(agent, row.kind, row.score, key=row.source_key)
            case "continuous":
                evaluate_agents(actor=actor, agent=agent)
            case "rebuild":
                rebuild_ratings(active_alias())
            case _:
                judge(agent, what, score)
    for agent in agents:
        assert parts_of(agent) == parts_from_rows(agent)
        assert rating(agent) == formula(scores_of(agent))


@pytest.mark.django_db
@examples(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    judged=st.lists(st.tuples(st.sampled_from(("manual", *OBSERVED)), SCORE), max_size=8),
    data=st.data(),
)
def test_the_order_makes_no_difference(judged, data, make_agent, judge):
    company = f"company-{next(COMPANIES)}"
    one, other = (make_agent(name, project=company) for name in "AB")
    for kind, score in judged:
        judge(one, kind, score)
    for kind, score in data.draw(st.permutations(judged)):
        judge(other, kind, score)
    assert rating(one) == rating(other)
    assert parts_of(one) == parts_of(other)


@pytest.mark.django_db
@pytest.mark.parametrize("rebuild", [rebuild_ratings, rebuild_evaluations, rebuild_observations])
def test_a_rebuild_puts_right_what_it_answers_for(make_agent, judge, rebuild):
    ada, eve, idle = make_agent("Ada"), make_agent("Eve"), make_agent("Idle")
    for kind, score in (("manual", "4.35"), ("quality", "2.15"), ("review", 5)):
        judge(ada, kind, score)
    judge(eve, "manual", 1)
    rows = {agent: parts_from_rows(agent) for agent in (ada, eve, idle)}
    kinds = {rebuild_evaluations: ["manual"], rebuild_observations: OBSERVED}.get(rebuild)
    wrong = RatingPart.objects.filter(kind__in=kinds) if kinds else RatingPart.objects.all()
    wrong.update(count=7, points=7)
    Agent.objects.update(performance_rating=1)
    rebuild(active_alias())
    assert {agent: parts_of(agent) for agent in rows} == rows
    assert [rating(agent) for agent in (ada, eve, idle)] == [
        formula(scores_of(agent)) for agent in (ada, eve, idle)
    ]


@pytest.mark.django_db
def test_a_rebuild_of_what_is_right_writes_no_agent(make_agent, judge):
    judge(make_agent("Ada"), "manual", 4)
    make_agent("Idle")
    alias = active_alias()
    with CaptureQueriesContext(connections[alias]) as asked:
        rebuild_ratings(alias)
    updates = [each["sql"] for each in asked if each["sql"].startswith("UPDATE")]
    assert updates == []


@pytest.mark.django_db
def test_a_judgement_costs_the_same_however_many_there_were(make_agent, judge, system, admin):
    agent = make_agent()

    def cost(kind):
        with CaptureQueriesContext(connections[active_alias()]) as asked:
            judge(agent, kind, 4)
        return len(asked)

    for kind in ("manual", "quality"):
        judge(agent, kind, 3)
    few = cost("manual"), cost("quality")
    for _ in range(40):
        judge(agent, "manual", 3)
        judge(agent, "quality", 3)
    assert (cost("manual"), cost("quality")) == few


# --- at once --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_judgements_at_once_lose_none(make_agent, judge):
    agent = make_agent()
    # the first of each kind by several at once
    errors = at_once(
        lambda number: judge(Agent.objects.get(), ("manual", *OBSERVED)[number % 4], number % 6)
    )
    assert errors == []
    assert sum(count for count, _ in parts_of(agent).values()) == THREADS
    assert parts_of(agent) == parts_from_rows(agent)
    assert rating(agent) == formula(scores_of(agent))


@pytest.mark.django_db(transaction=True)
def test_the_same_observation_by_all_counts_once(make_agent, judge):
    agent = make_agent()
    errors = at_once(lambda number: judge(Agent.objects.get(), "quality", 4, key="one"))
    assert errors == []
    assert parts_of(agent) == {"quality": (1, 400)}


@pytest.mark.django_db(transaction=True)
def test_a_continuous_evaluation_by_all_is_made_once(make_agent, judge, system):
    judge(make_agent(), "quality", 4)
    made = []
    errors = at_once(lambda number: made.extend(evaluate_agents(actor=system)))
    assert errors == []
    assert len(made) == Evaluation.objects.continuous().count() == 1


@pytest.mark.django_db(transaction=True)
def test_judgements_beside_a_rebuild_lose_none(make_agent, judge, system):
    agent = make_agent()

    def work(number):
        if number % 4:
            judge(Agent.objects.get(), "manual", number % 6)
        else:
            run_in_unit(
                lambda unit: rebuild_ratings(unit.alias), actor=system, operation="test.rebuild"
            )

    assert at_once(work) == []
    assert parts_of(agent) == parts_from_rows(agent)
    assert rating(agent) == formula(scores_of(agent))


# --- how it comes about ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_says_what_a_rating_is_made_of(make_agent, judge):
    ada = make_agent("Ada")
    for kind, score in (("review", 5), ("manual", 4), ("manual", "3.33"), ("quality", 2)):
        judge(ada, kind, score)
    explained = rating_of(ada)
    assert [(part.kind, part.count, str(part.mean)) for part in explained.parts] == [
        ("manual", 2, "3.66"),
        ("quality", 1, "2.00"),
        ("review", 1, "5.00"),
    ]
    assert (explained.value, explained.count) == (rating(ada), 4)
    assert (explained.prior, explained.weight) == (3, 5)
    # after each evaluation, and now
    assert [value for _, value in explained.course] == [
        formula([Decimal(5), Decimal(4)]),
        formula([Decimal(5), Decimal(4), Decimal("3.33")]),
        rating(ada),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "lately", "direction", "change"),
    [
        ([4, 4], [5], "up", "0.21"),
        ([4, 4], [1], "down", "-0.29"),
        ([3], [3], "steady", "0.00"),
        ([4, 4], [], "steady", "0.00"),
        ([], [4], "", None),
        ([], [], "", None),
    ],
)
def test_the_trend_is_against_30_days_ago(make_agent, judge, before, lately, direction, change):
    ada = make_agent("Ada")
    for score in before:
        judge(ada, "quality", score, observed_at=timezone.now() - timedelta(days=31))
    for score in lately:
        judge(ada, "quality", score, observed_at=timezone.now() - timedelta(days=29))
    explained = rating_of(ada)
    assert explained.direction == direction
    assert explained.change == (None if change is None else Decimal(change))
    assert (explained.before or 0) == formula([Decimal(score) for score in before])


@pytest.mark.django_db
def test_evaluations_of_the_last_30_days_are_in_the_trend_too(make_agent, judge):
    ada = make_agent("Ada")
    old = judge(ada, "manual", 5)
    long_ago = timezone.now() - timedelta(days=40)
    Evaluation.objects.filter(pk=old.pk).update(evaluated_at=long_ago)
    judge(ada, "manual", 1)
    assert (rating_of(ada).before, rating_of(ada).direction) == (Decimal("3.33"), "down")


@pytest.mark.django_db
def test_nothing_moves_when_nothing_is_judged():
    assert move_ratings(active_alias(), []) == {}
