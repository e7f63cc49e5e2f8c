import os
import subprocess
import sys
import threading

import pytest

from agents.errors import AgentNotFound, AmbiguousAgentName
from agents.models import Agent, Discussion
from payroll.models import RodCoinsTransaction
from rodcorp.databases.sides import active_alias
from rodcorp.errors import InvalidInput
from rodcorp.manager import DatabaseManager
from tasks.errors import TaskNotFound
from tasks.models import Task


def run_script(repository, home, *arguments, **environment):
    """A plain script in the repository's root, on databases of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=repository,
        env={**os.environ, "RODCORP_DATA_DIR": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.sqlite_only("the page shows a company in the embedded file")
def test_the_page_that_shows_every_call_is_true(repository, home_of_processes):
    done = run_script(
        repository,
        home_of_processes,
        "-m",
        "doctest",
        "-o",
        "ELLIPSIS",
        "docs/facade.md",
        RODCORP_SAMPLE_DATA="0",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_shows_every_call(repository):
    page = (repository / "docs" / "facade.md").read_text()
    calls = [name for name in vars(DatabaseManager) if not name.startswith("_")]
    assert [name for name in calls if name not in page] == []


def test_a_first_start_fills_an_unused_database_with_sample_data(repository, home_of_processes):
    count = "print(DatabaseManager().get_system_statistics()['total_agents'])"
    done = run_script(
        repository,
        home_of_processes,
        "-c",
        f"from rodcorp.manager import DatabaseManager; {count}",
        RODCORP_SAMPLE_DATA="1",
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12


@pytest.fixture
def company(db):
    return DatabaseManager()


@pytest.mark.django_db
class TestCalls:
    @pytest.fixture(autouse=True)
    def _company(self, company):
        company.register_agent("Ada", "Core", "compilers", "claude", "INTJ-D", "senior")

    def test_registering_again_returns_the_same_id(self, company):
        first = company.register_agent("Ada")
        assert company.register_agent("ADA", "Edge") == first
        assert company.get_agent_by_name("Ada")["Team"] == "Edge"

    def test_host_and_address_default_to_this_machine(self, company):
        row = company.get_agent_by_name("Ada")
        assert row["MachineHostname"]
        assert row["MachineIP"]
        assert row["ProjectID"] == "default"

    def test_several_agents_of_one_name_are_a_clear_error(self, company):
        company.register_agent("Ada", project_id="other")
        with pytest.raises(AmbiguousAgentName, match="default, other"):
            company.get_agent_by_name("Ada")

    @pytest.mark.parametrize(
        "call",
        [
            lambda c: c.update_agent_heartbeat("Nobody"),
            lambda c: c.post_discussion_message("Nobody", "t", "m"),
            lambda c: c.award_rodcoins("Nobody", 1, "x"),
            lambda c: c.get_agent_rodcoins_balance("Nobody"),
            lambda c: c.create_task("Nobody", "x"),
            lambda c: c.get_agent_tasks("Nobody"),
            lambda c: c.record_performance_evaluation(
                "6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11", 3, "6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c12"
            ),
        ],
    )
    def test_an_unknown_agent_is_agent_not_found(self, company, call):
        with pytest.raises(AgentNotFound):
            call(company)

    @pytest.mark.parametrize(
        ("call", "field"),
        [
            (lambda c: c.register_agent("Eve", ai_model="hal"), "ai_model"),
            (lambda c: c.register_agent("x" * 101), "agent_name"),
            (lambda c: c.register_agent("a\x1bb"), "agent_name"),
            (lambda c: c.post_discussion_message("Ada", "t", "a\x00b"), "message"),
            (lambda c: c.post_discussion_message("Ada", "t", "m", None, "asap"), "priority"),
            (lambda c: c.award_rodcoins("Ada", -1, "x"), "amount"),
            (lambda c: c.award_rodcoins("Ada", 1.5, "x"), "amount"),
            (lambda c: c.award_rodcoins("Ada", 1, "x", "salary"), "transaction_type"),
            (lambda c: c.award_rodcoins("Ada", 1, ""), "description"),
            (lambda c: c.create_task("Ada", "x", "normal", "31.12.2026"), "due_date"),
            (lambda c: c.create_task("Ada", "x", "soon"), "priority"),
            (lambda c: c.get_agent_tasks("Ada", "done"), "status"),
            (lambda c: c.get_recent_discussions(0), "limit"),
            (lambda c: c.update_task_status("7", "pending"), "task_id"),
        ],
    )
    def test_bad_input_names_its_field_and_writes_nothing(self, company, call, field):
        with pytest.raises(InvalidInput) as refusal:
            call(company)
        assert refusal.value.field == field
        assert field in refusal.value.message
        assert Agent.objects.count() == 1
        for model in (Discussion, RodCoinsTransaction, Task):
            assert not model.objects.exists()

    @pytest.mark.parametrize(
        ("status", "percentage", "field"),
        [("done", None, "status"), ("in_progress", 101, "completion_percentage")],
    )
    def test_a_bad_move_of_a_task_changes_nothing(self, company, status, percentage, field):
        task = company.create_task("Ada", "x")
        with pytest.raises(InvalidInput) as refusal:
            company.update_task_status(task, status, percentage)
        assert refusal.value.field == field
        assert company.get_agent_tasks("Ada")[0]["Status"] == "pending"

    def test_an_unknown_task_is_task_not_found(self, company):
        with pytest.raises(TaskNotFound):
            company.update_task_status("6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11", "pending")

    def test_lists_are_newest_first(self, company):
        for text in ("one", "two", "three"):
            company.post_discussion_message("Ada", "t", text)
            company.create_task("Ada", text)
        assert [row["Message"] for row in company.get_recent_discussions(2)] == ["three", "two"]
        assert [row["Title"] for row in company.get_agent_tasks("Ada")] == ["three", "two", "one"]

    def test_equals_on_the_leaderboard_are_ordered_by_name(self, company):
        for name in ("Cy", "Bo"):
            company.register_agent(name)
            company.award_rodcoins(name, 5, "x")
        board = company.get_rodcoins_leaderboard()
        assert [(row["Rank"], row["AgentName"]) for row in board] == [(1, "Bo"), (2, "Cy")]

    def test_the_leaderboard_adds_up_to_the_statistics(self, company):
        company.register_agent("Bo")
        for name, amount in (("Ada", 7), ("Bo", 8)):
            company.award_rodcoins(name, amount, "x")
            company.award_rodcoins(name, 100, "x", "adjustment")
        total = sum(row["TotalRodCoinsEarned"] for row in company.get_rodcoins_leaderboard())
        assert total == company.get_system_statistics()["total_rodcoins_awarded"] == 15


@pytest.mark.django_db(transaction=True)
def test_statistics_are_never_behind_a_commit(company):
    for expected in range(1, 4):
        company.register_agent(f"agent-{expected}")
        assert company.get_system_statistics()["total_agents"] == expected


@pytest.mark.django_db(transaction=True)
def test_statistics_are_counted_once_while_nothing_changes(company, django_assert_num_queries):
    from django.db import connections

    company.register_agent("Ada")
    company.get_system_statistics()
    with django_assert_num_queries(0, connection=connections[active_alias()]):
        company.get_system_statistics()


@pytest.mark.django_db(transaction=True)
def test_one_instance_serves_many_threads(company):
    company.register_agent("Ada")
    errors = []

    def work():
        try:
            for _ in range(5):
                company.award_rodcoins("Ada", 1, "thread")
        except Exception as error:
            errors.append(error)
        finally:
            company.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert company.get_agent_rodcoins_balance("Ada") == 40
