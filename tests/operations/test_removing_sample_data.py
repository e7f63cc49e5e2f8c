from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connections

from agents.models import Agent, Discussion
from agents.services.discussions import NewMessage, post_message, post_messages, reply
from agents.services.registry import register_agent
from payroll.models import (
    Evaluation,
    LedgerAccount,
    PayCycle,
    RodCoinsTransaction,
)
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import award_rodcoins, balance_of, transfer
from rodcorp.databases.ids import new_id
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.gateway.models import AccessToken
from rodcorp.kit import rows
from rodcorp.operations.sample import (
    RemovalSummary,
    load_sample_data,
    remove_sample_data,
)
from rodcorp.operations.sample.removing import REMOVED
from rodcorp.operations.sample.script import THE_END
from rodcorp.people.services import create_user
from tasks.models import Task, TaskDependency, TaskStatus
from tasks.services.creation import NewDependency, add_dependencies, create_task
from tasks.services.work import complete_task, update_task_status
from tests.operations.whole_database import LOADER, business_models, everything, undone


def seen_by_others(ours):
    """What the people of this company see of their own: nothing of it may change by a removal."""
    return {
        "balance": balance_of(ours.agent),
        "earned": Agent.objects.get(pk=ours.agent.pk).total_rodcoins_earned,
        "messages": list(
            Discussion.objects.filter(pk__in=[ours.message.pk, ours.answer.pk])
            .order_by("message")
            .values_list("message", "thread_id")
        ),
        "task": Task.objects.values_list("title", "status", "agent").get(pk=ours.task.pk),
    }


def live_with_the_sample():
    """People and an agent of their own use a database that has the sample in it."""
    ada, bram = Agent.objects.named("Ada"), Agent.objects.named("Bram")
    eve = register_agent(actor=LOADER, name="Eve", project="ours")
    boss = create_user(actor=LOADER, username="boss", password=None, role="supervisor")
    act = {"actor": LOADER}
    sample_thread = Discussion.objects.filter(is_sample=True, reply_to=None).first()
    ours = SimpleNamespace(agent=eve)
    award_rodcoins(**act, agent=eve, amount=100, description="Start")
    transfer(**act, source=ada, target=eve, amount=30, description="From the sample")
    transfer(**act, source=eve, target=bram, amount=12, description="To the sample")
    ours.message = post_message(**act, agent=eve, topic="Ours", message="Our own thread")
    asked = reply(**act, agent=ada, to=ours.message, message="A sample agent asks")
    ours.answer = reply(**act, agent=eve, to=asked, message="Eve answers")
    ours.intruder = reply(**act, agent=eve, to=sample_thread, message="Eve in their thread")
    [visitor] = post_messages(
        **act, messages=[NewMessage("Visit", "A sample message of no agent")], is_sample=True
    )
    ours.welcome = reply(**act, agent=eve, to=visitor, message="Welcome")
    started = post_message(**act, agent=ada, topic="Ada's", message="A sample agent starts one")
    ours.follow_up = reply(**act, agent=eve, to=started, message="Eve follows up")
    ours.task = create_task(**act, agent=eve, description="Our own task")
    ours.given = create_task(**act, agent=ada, description="Given to a sample agent")
    update_task_status(
        **act, task=ours.given, status=TaskStatus.IN_PROGRESS, completion_percentage=30
    )
    ours.done = create_task(**act, agent=bram, description="Done by a sample agent")
    complete_task(**act, task=ours.done)
    theirs = Task.objects.filter(is_sample=True, status=TaskStatus.PENDING).first()
    ours.pointing = create_task(**act, description="Points at a sample thread")
    run_in_unit(
        lambda unit: rows.change(ours.pointing, thread=sample_thread.pk),
        actor=LOADER,
        operation="test",
    )
    add_dependencies(**act, dependencies=[NewDependency(ours.task.pk, depends_on=theirs.pk)])
    record_performance_evaluation(**act, agent=eve, score="2.00", evaluator_id=boss.pk)
    record_performance_evaluation(**act, agent=eve, score="5.00", evaluator_id=ada.pk)
    record_performance_evaluation(**act, agent=ada, score="1.00", evaluator_id=boss.pk)
    token = AccessToken(id=new_id(), name="Ada's", secret_hash="x", agent=ada, created_at=THE_END)
    run_in_unit(lambda unit: rows.insert(token), actor=LOADER, operation="test")
    return ours


@pytest.fixture(scope="module")
def removal(django_db_setup, django_db_blocker):
    """What there was before and is after the removal of a sample that people lived with."""

    def live_and_remove():
        load_sample_data(actor=LOADER)
        ours = live_with_the_sample()
        before = seen_by_others(ours)
        summary = remove_sample_data(actor=LOADER)
        connections[active_alias()].check_constraints()
        after = seen_by_others(ours)
        left = {model: list(model._base_manager.all()) for model in business_models()}
        gone = {
            model: list(model.history.filter(history_type="-"))
            for model in (Agent, Task, TaskDependency, Discussion)
        }
        return SimpleNamespace(
            ours=ours, before=before, after=after, left=left, summary=summary, gone=gone
        )

    return undone(live_and_remove, django_db_blocker)


def the(removal, model, row):
    """How a row is after the removal; None if it is gone."""
    return next((found for found in removal.left[model] if found.pk == row.pk), None)


def test_nothing_others_see_of_their_own_changes(removal):
    assert removal.after == removal.before


def test_no_row_of_a_sample_agent_is_left(removal):
    assert [agent.name for agent in removal.left[Agent]] == ["Eve"]
    for model in REMOVED:
        for row in removal.left[model]:
            assert getattr(row, "agent_id", None) in (None, removal.ours.agent.pk)
            assert not getattr(row, "is_sample", False)
    assert not removal.left[AccessToken]


def test_a_task_given_to_a_sample_agent_goes_back_to_the_pool(removal):
    task = the(removal, Task, removal.ours.given)
    assert (task.agent_id, task.status, task.completion_percentage) == (None, "pending", 30)


def test_a_task_done_by_a_sample_agent_stays_done_and_waits_for_nobody(removal):
    task = the(removal, Task, removal.ours.done)
    assert (task.agent_id, task.status, task.review_state) == (None, "completed", "none")


def test_a_task_that_points_at_a_sample_thread_or_task_no_longer_does(removal):
    assert the(removal, Task, removal.ours.pointing).thread is None
    assert removal.left[TaskDependency] == []


def test_a_message_in_a_sample_thread_or_in_a_sample_agents_goes(removal):
    assert the(removal, Discussion, removal.ours.intruder) is None
    assert the(removal, Discussion, removal.ours.welcome) is None
    assert the(removal, Discussion, removal.ours.follow_up) is None


def test_an_answer_to_a_sample_agent_stays_in_its_thread(removal):
    answer = the(removal, Discussion, removal.ours.answer)
    assert (answer.thread_id, answer.reply_to_id) == (removal.ours.message.pk, None)


def test_the_ledger_still_explains_the_balances_of_others(removal):
    [wallet] = [row for row in removal.left[LedgerAccount] if row.agent_id]
    ledger = removal.left[RodCoinsTransaction]
    received = sum(row.amount for row in ledger if row.target_id == wallet.pk)
    spent = sum(row.amount for row in ledger if row.source_id == wallet.pk)
    assert wallet.balance == received - spent == 118
    assert sorted(row.transaction_type for row in ledger) == ["adjustment", "earned"]


def test_a_judgement_by_a_sample_agent_goes_and_the_rating_follows(removal):
    [evaluation] = removal.left[Evaluation]
    assert evaluation.evaluator_name == "boss"
    # (5 x 3.00 + 2.00) / 6
    assert [agent.performance_rating for agent in removal.left[Agent]] == [Decimal("2.83")]


def test_a_pay_cycle_in_which_others_were_booked_stays_and_is_no_longer_sample(removal):
    cycles = [(cycle.number, cycle.state, cycle.is_sample) for cycle in removal.left[PayCycle]]
    assert cycles == [(2, "draft", False)]


def test_the_history_keeps_what_was_removed_and_by_whom(removal):
    kept = {model: len(images) for model, images in removal.gone.items()}
    assert kept == {Agent: 12, Task: 47, TaskDependency: 7 + 1, Discussion: 62 + 6}
    assert {image.actor_name for images in removal.gone.values() for image in images} == {"test"}


def test_the_summary_counts_what_others_added_too(removal):
    assert removal.summary.agents == 12
    assert removal.summary.tasks_left_unassigned == 2
    assert removal.summary.messages == 62 + 6


@pytest.mark.django_db
def test_a_removal_leaves_an_otherwise_unused_database_empty():
    load_sample_data(actor=LOADER)
    remove_sample_data(actor=LOADER)
    connections[active_alias()].check_constraints()
    left = {table: len(found) for table, found in everything().items() if found}
    assert left == {"LedgerAccounts": 2}  # the company's own, treasury and payroll


@pytest.mark.django_db
def test_removing_where_there_is_no_sample_touches_nothing(make_agent):
    make_agent()
    before = everything()
    assert remove_sample_data(actor=LOADER) == RemovalSummary()
    assert everything() == before


def test_the_removal_knows_every_model_that_points_at_one_it_removes():
    pointing = {
        relation.related_model
        for model in REMOVED
        for relation in model._meta.related_objects
        if not relation.related_model.__name__.startswith("Historical")
    }
    assert pointing <= set(REMOVED)
