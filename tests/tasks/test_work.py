import pytest

from agents.services.registry import retire_agent
from payroll.services.ledger import balance_of
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused
from tasks.errors import IllegalTransition
from tasks.models import Task
from tasks.services.creation import create_task
from tasks.services.work import (
    assign_task,
    cancel_task,
    complete_task,
    update_task,
    update_task_status,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(make_agent):
    return make_agent()


@pytest.fixture
def task(agent, system):
    return create_task(actor=system, description="Fix the\nbuild", agent=agent, priority="high")


def test_a_task_takes_its_title_from_the_first_line_and_its_project_from_the_agent(task, agent):
    assert (task.title, task.project, task.status) == ("Fix the", agent.project, "pending")


@pytest.mark.parametrize(
    ("priority", "reward"), [("low", 5), ("normal", 10), ("high", 20), ("urgent", 40)]
)
def test_completing_pays_the_default_of_the_priority(agent, system, priority, reward):
    task = create_task(actor=system, description="x", agent=agent, priority=priority)
    complete_task(actor=system, task=task)
    assert balance_of(agent) == reward


def test_completing_pays_the_reward_that_was_promised(agent, system):
    task = create_task(actor=system, description="x", agent=agent, reward=77)
    complete_task(actor=system, task=task)
    assert balance_of(agent) == 77


def test_completing_twice_pays_once(task, agent, system):
    complete_task(actor=system, task=task)
    complete_task(actor=system, task=task)
    assert balance_of(agent) == 20


def test_a_completed_task_is_at_100_and_waits_for_review(task, system):
    complete_task(actor=system, task=task)
    task.refresh_from_db()
    assert (task.completion_percentage, task.review_state) == (100, "waiting")
    assert task.completed_at is not None


def test_nobody_is_paid_for_a_task_of_nobody(system):
    task = create_task(actor=system, description="x")
    complete_task(actor=system, task=task)
    assert task.status == "completed"


def test_reopening_takes_the_reward_back_and_completing_again_pays_it_again(task, agent, system):
    complete_task(actor=system, task=task)
    update_task_status(actor=system, task=task, status="in_progress")
    assert (balance_of(agent), task.round_number, task.completed_at) == (0, 2, None)
    complete_task(actor=system, task=task)
    assert balance_of(agent) == 20


def test_cancelling_a_completed_task_takes_the_reward_back(task, agent, system):
    complete_task(actor=system, task=task)
    cancel_task(actor=system, task=task)
    assert (balance_of(agent), task.status) == (0, "cancelled")


def test_a_cancelled_task_is_final(task, system):
    cancel_task(actor=system, task=task)
    with pytest.raises(IllegalTransition, match="it is final"):
        update_task_status(actor=system, task=task, status="pending")


@pytest.mark.parametrize("percentage", [101, -1, 2.5, "many"])
def test_a_completion_outside_0_to_100_is_refused(task, system, percentage):
    with pytest.raises(InvalidInput, match="from 0 to 100"):
        update_task_status(
            actor=system, task=task, status="in_progress", completion_percentage=percentage
        )
    assert Task.objects.get().status == "pending"


def test_an_unknown_status_is_refused_with_the_known_ones(task, system):
    with pytest.raises(InvalidInput, match="pending, in_progress, completed, blocked, cancelled"):
        update_task_status(actor=system, task=task, status="done")


def test_noting_progress_keeps_the_status(task, system):
    update_task_status(actor=system, task=task, status="in_progress", completion_percentage=30)
    update_task_status(actor=system, task=task, status="in_progress", completion_percentage=60)
    task.refresh_from_db()
    assert (task.status, task.completion_percentage) == ("in_progress", 60)


def test_a_change_based_on_an_old_version_is_refused(task, system):
    stale = Task.objects.get(pk=task.pk)
    update_task(actor=system, task=task, title="New title")
    with pytest.raises(Conflict, match="changed by somebody else"):
        update_task(actor=system, task=stale, title="Other title")
    assert Task.objects.get().title == "New title"


def test_a_retired_agent_gets_no_task(task, make_agent, system):
    other = make_agent("Old")
    retire_agent(actor=system, agent=other)
    with pytest.raises(Conflict, match="retired"):
        assign_task(actor=system, task=task, agent=other)


def test_an_agent_moves_only_its_own_tasks(task, make_agent):
    other = make_agent("Eve")
    with pytest.raises(PermissionRefused, match="only for itself"):
        complete_task(actor=other.as_actor(), task=task)


def test_a_date_without_a_time_is_due_at_the_end_of_that_day(system):
    task = create_task(actor=system, description="x", due_date="2026-12-01")
    assert task.due_date.isoformat() == "2026-12-01T23:59:59+00:00"


def test_a_bad_date_is_refused(system):
    with pytest.raises(InvalidInput, match="due_date must be a date like"):
        create_task(actor=system, description="x", due_date="2026-13-45")
    assert not Task.objects.exists()
