"""The commands, as a shell sees them: what they print, and that a refusal is one clear line."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from payroll.models import RodCoinsTransaction
from tasks.models import Task

pytestmark = pytest.mark.django_db


def run(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue().strip()


@pytest.fixture
def ada():
    return run("register_agent", "Ada", "--team", "Core", "--ai-model", "claude")


def test_register_agent_prints_the_id(ada):
    assert str(Agent.objects.get().pk) == ada


def test_the_audit_names_the_command(ada):
    assert Agent.objects.get().history.get().actor_id == "register_agent"


def test_heartbeat_prints_the_time_noted(ada):
    assert run("heartbeat", "Ada") == Agent.objects.get().last_seen.isoformat()


def test_award_rodcoins_prints_the_balance(ada):
    run("award_rodcoins", "Ada", "50", "Good work")
    assert run("award_rodcoins", "Ada", "20", "Coffee", "--type", "deduction") == "30"


def test_award_rodcoins_with_a_key_pays_once(ada):
    for _ in range(2):
        assert run("award_rodcoins", "Ada", "5", "x", "--key", "k") == "5"


def test_create_task_prints_the_id(ada):
    shown = run("create_task", "Fix it", "--agent", "Ada", "--due-date", "2026-12-01")
    assert str(Task.objects.get().pk) == shown


def test_statistics_for_programs_are_json(ada):
    assert json.loads(run("statistics", "--json"))["total_agents"] == 1


def test_statistics_for_people_name_each_number(ada):
    assert "total agents" in run("statistics")


def test_the_leaderboard_for_programs_is_json(ada):
    run("award_rodcoins", "Ada", "5", "x")
    assert json.loads(run("leaderboard", "--json")) == [
        {"rank": 1, "agent": "Ada", "project": "default", "rodcoins": 5}
    ]


def test_the_leaderboard_for_people_is_a_table(ada):
    run("award_rodcoins", "Ada", "5000", "x")
    assert "5,000" in run("leaderboard")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("register_agent", "Eve", "--ai-model", "hal"), "ai_model must be one of: claude"),
        (("register_agent", "x" * 101), "agent_name is 101 characters long; at most 100"),
        (("register_agent", "a\tb"), "control character U+0009"),
        (("heartbeat", "Nobody"), "no agent 'Nobody'"),
        (("award_rodcoins", "Ada", "--", "-5", "x"), "amount must be a whole number from 1"),
        (("award_rodcoins", "Ada", "2.5", "x"), "amount must be a whole number from 1"),
        (("award_rodcoins", "Ada", "5", "x", "--type", "gift"), "transaction_type must be one of"),
        (("create_task", "x", "--due-date", "soon"), "due_date must be a date like 2026-11-23"),
        (("create_task", "x", "--priority", "asap"), "priority must be one of: low (10)"),
        (("create_task", "x", "--reward", "-1"), "reward must be a whole number from 0"),
        (("leaderboard", "--limit", "0"), "limit must be a whole number from 1 to 1000"),
    ],
)
def test_bad_input_is_refused_with_what_is_allowed(ada, arguments, said):
    with pytest.raises(CommandError) as refusal:
        run(*arguments)
    assert said in str(refusal.value)
    assert refusal.value.returncode == 1
    assert Agent.objects.count() == 1
    assert not RodCoinsTransaction.objects.exists()
    assert not Task.objects.exists()
