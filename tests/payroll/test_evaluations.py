import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from agents.models import Agent
from payroll.errors import EvaluatorNotFound
from payroll.models import Evaluation, RatingPart
from payroll.services import evaluations
from payroll.services.evaluations import (
    CONTINUOUS_EVALUATOR,
    evaluate_agents,
    evaluate_everybody,
    record_performance_evaluation,
)
from payroll.services.observations import record_observation
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import InvalidInput, PermissionRefused
from rodcorp.kit.jobs import JOBS, discover, run_job
from rodcorp.manager import DatabaseManager

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


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


def test_the_rating_is_the_mean_of_the_scores_and_five_of_3_00(make_agent, evaluate):
    agent = make_agent()
    for score in ("4.50", 3, 4.25):
        evaluate(agent, score)
    # (5 x 3.00 + 11.75) / 8 = 3.34375
    assert Agent.objects.get().performance_rating == agent.performance_rating == Decimal("3.34")
    latest = Evaluation.objects.recent().first()
    assert latest.rating_after == Decimal("3.34")


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
    with pytest.raises(InvalidInput, match=r"from 0\.00 to 5\.00") as refused:
        evaluate(make_agent(), score)
    assert refused.value.field == "performance_score"
    assert not Evaluation.objects.exists()
    assert not RatingPart.objects.exists()


@pytest.mark.parametrize("score", [5.01, -1, float("nan"), True, None, "4.567"])
def test_the_facade_refuses_a_bad_score_and_names_it(make_agent, admin, score):
    agent = make_agent()
    with DatabaseManager() as company, pytest.raises(InvalidInput) as refused:
        company.record_performance_evaluation(str(agent.pk), score, str(admin.pk))
    assert refused.value.field == "performance_score"


@pytest.mark.parametrize(
    "change",
    [
        {"score": "5.01"},
        {"score": "-0.01"},
        {"score": None},
        {"evaluator_id": F("agent")},
    ],
)
def test_the_database_refuses_what_no_service_would_write(make_agent, evaluate, system, change):
    row = Evaluation.objects.filter(pk=evaluate(make_agent(), 4).pk)
    with pytest.raises(IntegrityError):
        run_in_unit(lambda unit: row.update(**change), actor=system, operation="test")


def test_an_agent_token_does_not_evaluate(make_agent, admin):
    ada, eve = make_agent("Ada"), make_agent("Eve")
    with pytest.raises(PermissionRefused, match="evaluate"):
        record_performance_evaluation(actor=eve.as_actor(), agent=ada, score=1, evaluator_id=eve.pk)


# --- continuous -----------------------------------------------------------------------------------


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada")


@pytest.fixture
def observe(system):
    def observe(agent, score, *, kind="quality", ago=timedelta()):
        return record_observation(
            actor=system,
            agent=agent,
            kind=kind,
            score=score,
            source_kind="test",
            source_key=str(next(observe.keys)),
            observed_at=timezone.now() - ago,
        )

    observe.keys = iter(range(1_000))
    return observe


def test_what_was_observed_is_written_down_as_its_mean_with_its_parts(ada, observe, system):
    observe(ada, 5, kind="punctuality")
    observe(ada, 4)
    observe(ada, "3.33")
    [row] = evaluate_agents(actor=system)
    assert row.score == Decimal("4.11")
    assert (row.evaluator_kind, row.evaluator_id) == ("system", CONTINUOUS_EVALUATOR)
    parts = json.loads(Evaluation.objects.get().parts)
    assert parts == {
        "from": None,
        "until": row.evaluated_at.isoformat(),
        "count": 3,
        "kinds": {
            "punctuality": {"count": 1, "mean": "5.00"},
            "quality": {"count": 2, "mean": "3.66"},
        },
    }


def test_the_record_does_not_count_again(ada, observe, system, evaluate):
    observe(ada, 5)
    evaluate(ada, 4)
    before = Agent.objects.get().performance_rating
    [row] = evaluate_agents(actor=system)
    assert Agent.objects.get().performance_rating == row.rating_after == before
    evaluate(ada, 4)
    # (5 x 3.00 + 5 + 4 + 4) / 8
    assert Agent.objects.get().performance_rating == Decimal("3.50")


def test_each_observation_is_in_one_period(ada, observe, system):
    observe(ada, 5, ago=2 * DAY)
    [first] = evaluate_agents(actor=system)
    assert evaluate_agents(actor=system) == []
    observe(ada, 1)
    [second] = evaluate_agents(actor=system)
    assert (first.score, second.score) == (5, 1)
    assert json.loads(second.parts)["from"] == first.evaluated_at.isoformat()


def test_only_agents_of_whom_something_was_observed_are_evaluated(
    ada, observe, system, make_agent, evaluate
):
    evaluate(make_agent("Eve"), 4)
    observe(ada, 5)
    observe(make_agent("Bo"), 2)
    assert [row.agent.name for row in evaluate_agents(actor=system)] == ["Ada", "Bo"]


def test_one_agent_alone_is_evaluated(ada, observe, system, make_agent):
    observe(ada, 5)
    bo = make_agent("Bo")
    observe(bo, 2)
    assert [row.agent.name for row in evaluate_agents(actor=system, agent=bo)] == ["Bo"]
    assert [row.agent.name for row in evaluate_agents(actor=system)] == ["Ada"]


def test_since_leaves_out_what_is_older(ada, observe, system):
    observe(ada, 1, ago=9 * DAY)
    observe(ada, 5, ago=2 * DAY)
    since = timezone.now() - 5 * DAY
    [row] = evaluate_agents(actor=system, since=since)
    assert row.score == 5
    assert json.loads(row.parts)["from"] == since.isoformat()
    # what was evaluated is over, however far back one looks
    assert evaluate_agents(actor=system, since=since) == []


def test_since_does_not_count_twice_what_a_later_evaluation_has(ada, observe, system):
    observe(ada, 1, ago=9 * DAY)
    evaluate_agents(actor=system)
    observe(ada, 5)
    [row] = evaluate_agents(actor=system, since=timezone.now() - 20 * DAY)
    assert row.score == 5


def test_a_bad_since_is_refused_by_name(system):
    with pytest.raises(InvalidInput, match="a date like") as refused:
        evaluate_agents(actor=system, since="soon")
    assert refused.value.field == "since"


def test_many_agents_are_evaluated_some_at_a_time(observe, system, make_agent, monkeypatch):
    monkeypatch.setattr(evaluations, "AT_ONCE", 2)
    for number in range(5):
        observe(make_agent(f"Agent {number}"), 4)
    assert len(evaluate_agents(actor=system)) == 2
    assert len(evaluate_everybody(actor=system)) == 3
    assert Evaluation.objects.continuous().count() == 5


def test_the_same_period_has_the_same_id_wherever_it_is_evaluated(ada, observe, system):
    observe(ada, 5)
    ids = set()
    for _ in range(2):
        made = run_in_unit(
            lambda unit: evaluate_agents(actor=system),
            actor=system,
            operation="test",
            dry_run=True,
        )
        ids |= {row.pk for row in made}
    assert len(ids) == 1


def test_who_may_not_judge_does_not_evaluate(ada):
    with pytest.raises(PermissionRefused, match="evaluate"):
        evaluate_agents(actor=ada.as_actor())


def test_it_is_a_job_of_every_day(ada, observe):
    discover()
    assert JOBS["payroll.evaluate_agents"].every == DAY
    observe(ada, 5)
    assert run_job("payroll.evaluate_agents", "{}") == 1
    assert run_job("payroll.evaluate_agents", "{}") == 0


def run(*arguments):
    out = StringIO()
    call_command("evaluate_agents", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_wrote(ada, observe):
    observe(ada, "4.50")
    text = run()
    assert "Ada" in text
    assert "4.50" in text
    assert "Nothing was observed" in run()


def test_a_dry_run_writes_nothing(ada, observe):
    observe(ada, "4.50")
    [row] = json.loads(run("--dry-run", "--json"))
    assert (row["agent"], row["score"], row["rating"]) == ("Ada", "4.50", "3.25")
    assert not Evaluation.objects.exists()
    assert json.loads(run("--json"))[0]["parts"]["count"] == 1


def test_the_command_takes_one_agent_and_a_day(ada, observe, make_agent):
    observe(ada, "4.50", ago=9 * DAY)
    observe(make_agent("Bo"), "4.50")
    since = (datetime.now(UTC) - 3 * DAY).date().isoformat()
    assert json.loads(run("--agent", "Ada", "--since", since, "--json")) == []
    assert len(json.loads(run("--agent", "Bo", "--since", since, "--json"))) == 1


def test_the_command_records_an_evaluation_somebody_made(ada, admin):
    [row] = json.loads(
        run("--agent=Ada", "--score=4.25", f"--evaluator={admin.pk}", "--notes=Calm", "--json")
    )
    assert (row["evaluator"], row["rating"]) == ("root", "3.21")
    stored = Evaluation.objects.get()
    assert (stored.score, stored.notes) == (Decimal("4.25"), "Calm")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agent=Ada", "--score=5.01", "--evaluator={admin}"], "performance_score must be"),
        (["--agent=Ada", "--score=NaN", "--evaluator={admin}"], "performance_score must be"),
        (["--agent=Ada", "--score=True", "--evaluator={admin}"], "performance_score must be"),
        (["--agent=Ada", "--score=4", "--evaluator=me"], "evaluator_uuid must be"),
        (["--agent=Ada", "--score=4"], "--evaluator"),
        (["--score=4", "--evaluator={admin}"], "--agent"),
        (["--agent=Nobody"], "Nobody"),
        (["--since=soon"], "since must be"),
    ],
)
def test_the_command_refuses_and_says_what_is_wrong(ada, admin, arguments, said):
    with pytest.raises(CommandError, match=said):
        run(*(each.format(admin=admin.pk) for each in arguments))
    assert not Evaluation.objects.exists()
