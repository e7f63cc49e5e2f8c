from decimal import Decimal

import pytest

from agents.models import Agent
from payroll.errors import EvaluatorNotFound
from payroll.models import Evaluation
from payroll.services.evaluations import record_performance_evaluation
from rodcorp.errors import InvalidInput, PermissionRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def evaluate(system, admin):
    def evaluate(agent, score, evaluator=None, **options):
        return record_performance_evaluation(
            actor=system,
            agent=agent,
            score=score,
            evaluator_id=(evaluator or admin).pk,
            **options,
        )

    return evaluate


def test_the_rating_is_the_mean_of_the_scores(make_agent, evaluate):
    agent = make_agent()
    for score in ("4.50", 3, 4.25):
        evaluate(agent, score)
    assert Agent.objects.get().performance_rating == Decimal("3.92")
    latest = Evaluation.objects.recent().first()
    assert latest.rating_after == Decimal("3.92")


def test_an_agent_may_judge_another(make_agent, evaluate):
    ada, eve = make_agent("Ada"), make_agent("Eve")
    evaluation = evaluate(ada, 4, evaluator=eve)
    assert (evaluation.evaluator_kind, evaluation.evaluator_name) == ("agent", "Eve")


def test_nobody_judges_themselves(make_agent, evaluate):
    agent = make_agent()
    with pytest.raises(InvalidInput, match="themselves"):
        evaluate(agent, 5, evaluator=agent)
    assert not Evaluation.objects.exists()


def test_an_unknown_evaluator_is_refused(make_agent, system):
    with pytest.raises(EvaluatorNotFound):
        record_performance_evaluation(
            actor=system,
            agent=make_agent(),
            score=3,
            evaluator_id="6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11",
        )


@pytest.mark.parametrize("score", [5.01, -1, "NaN", "inf", "good", None, True, "4.567"])
def test_a_score_outside_0_to_5_with_two_decimals_is_refused(make_agent, evaluate, score):
    with pytest.raises(InvalidInput, match=r"from 0\.00 to 5\.00"):
        evaluate(make_agent(), score)
    assert not Evaluation.objects.exists()


def test_an_agent_token_does_not_evaluate(make_agent, admin):
    ada, eve = make_agent("Ada"), make_agent("Eve")
    with pytest.raises(PermissionRefused, match="evaluate"):
        record_performance_evaluation(actor=eve.as_actor(), agent=ada, score=1, evaluator_id=eve.pk)
