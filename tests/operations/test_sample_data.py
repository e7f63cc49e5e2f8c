import re
import time
from collections import Counter, defaultdict
from datetime import timedelta
from io import StringIO
from ipaddress import ip_address, ip_network
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import models

from agents.models import AI_MODELS, Agent, Discussion, Liveness
from agents.services.presence import sweep_liveness
from payroll.models import (
    EARNING_TYPES,
    AccountKind,
    Evaluation,
    LedgerAccount,
    LedgerSeal,
    LineKind,
    Observation,
    PayCycle,
    PayCycleState,
    PayCycleStep,
    PayrollMaster,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
    TransactionType,
)
from rodcorp.actors import Actor
from rodcorp.databases.ids import natural_id, new_id
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, PermissionRefused
from rodcorp.kit import rows
from rodcorp.operations.sample import (
    SampleSummary,
    is_never_used,
    load_sample_data,
    remove_sample_data,
)
from rodcorp.operations.sample.script import ANCHOR, THE_END
from tasks.models import OPEN_STATUSES, Review, ReviewState, Task, TaskStatus
from tests.operations.whole_database import LOADER, business_models, everything, undone
from tests.payroll.judging import formula

# Columns that say what is planned, not what happened.
PLANS = {"due_date", "ends_at"}


# --- the company as it is loaded ------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(django_db_setup, django_db_blocker):
    """The rows of the loaded sample by model, and the processor time loading took."""

    def load():
        started = time.process_time()
        load_sample_data(actor=LOADER)
        seconds = time.process_time() - started
        return {model: list(model._base_manager.all()) for model in business_models()}, seconds

    loaded, seconds = undone(load, django_db_blocker)
    return SimpleNamespace(rows=loaded, seconds=seconds)


def test_loading_takes_less_than_a_second_and_a_half(company):
    assert company.seconds < 1.5


def test_a_dozen_agents_work_in_four_teams_on_three_hosts_and_two_projects(company):
    agents = company.rows[Agent]
    counts = [
        len({getattr(agent, column) for agent in agents})
        for column in ("name", "team", "machine_hostname", "project")
    ]
    assert counts == [12, 4, 3, 2]


def test_every_model_and_several_seniorities_and_personalities_occur(company):
    agents = company.rows[Agent]
    assert {agent.ai_model for agent in agents} == set(AI_MODELS)
    assert len({agent.seniority for agent in agents}) == 4
    assert len({agent.personality for agent in agents}) > 6
    assert all(re.fullmatch(r"[EI][NS][FT][JP]-[DISC]", agent.personality) for agent in agents)


def test_hosts_have_addresses_reserved_for_documentation(company):
    reserved = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
    for agent in company.rows[Agent]:
        assert any(ip_address(agent.machine_ip) in network for network in reserved)


def test_whatever_can_be_marked_as_sample_is(company):
    for model in (Agent, Discussion, Task, PayCycle):
        assert company.rows[model]
        assert all(row.is_sample for row in company.rows[model])


def test_everything_happened_within_the_story(company):
    for model, found in company.rows.items():
        happened = [
            field.attname
            for field in model._meta.concrete_fields
            if isinstance(field, models.DateTimeField) and field.name not in PLANS
        ]
        for row in found:
            for column in happened:
                moment = getattr(row, column)
                assert moment is None or ANCHOR - timedelta(days=7) <= moment <= (
                    THE_END + timedelta(minutes=10)
                ), f"{model.__name__}.{column}"


def test_every_status_and_every_review_state_occurs(company):
    tasks = company.rows[Task]
    assert {task.status for task in tasks} == set(TaskStatus.values)
    assert {task.review_state for task in tasks} == set(ReviewState.values)
    assert len(tasks) >= 40


def test_tasks_in_progress_are_differently_far(company):
    under_way = [task for task in company.rows[Task] if task.status == TaskStatus.IN_PROGRESS]
    assert len({task.completion_percentage for task in under_way}) >= 5


def test_one_open_task_is_overdue(company):
    late = [
        task
        for task in company.rows[Task]
        if task.status in OPEN_STATUSES and task.due_date and task.due_date < THE_END
    ]
    assert [task.title for task in late] == ["Backfill the scan events of March"]


def test_one_task_is_under_way_in_its_second_round(company):
    again = [
        (task.title, task.review_state)
        for task in company.rows[Task]
        if task.round_number == 2 and task.status == TaskStatus.IN_PROGRESS
    ]
    assert again == [("Load test for the peak week", "changes_requested")]


def test_nothing_is_done_by_an_agent_before_it_joined(company):
    joined = {agent.pk: agent.first_registered for agent in company.rows[Agent]}
    for message in company.rows[Discussion]:
        assert message.posted_at > joined[message.agent_id]
    for task in company.rows[Task]:
        assert task.agent_id is None or task.created_at > joined[task.agent_id]


def test_threads_have_two_to_eight_messages(company):
    sizes = Counter(message.thread_id for message in company.rows[Discussion])
    assert len(sizes) >= 10
    assert set(sizes.values()) <= set(range(2, 9))


def test_an_answer_follows_what_it_answers_in_the_same_thread(company):
    messages = {message.pk: message for message in company.rows[Discussion]}
    for message in messages.values():
        assert (message.reply_to_id is None) == (message.thread_id == message.pk)
        if message.reply_to_id:
            answered = messages[message.reply_to_id]
            assert answered.thread_id == message.thread_id
            assert answered.posted_at < message.posted_at


def test_conversations_differ_in_sentiment_priority_and_language(company):
    messages = company.rows[Discussion]
    assert len({message.sentiment for message in messages}) > 5
    assert {message.priority for message in messages} == {10, 20, 30, 40}
    assert any("Straßennamen" in message.topic for message in messages)
    assert any("🎉" in message.topic for message in messages)


def test_some_messages_are_acknowledged_by_somebody_else(company):
    noted = [message for message in company.rows[Discussion] if message.acknowledged_at]
    assert 0 < len(noted) < len(company.rows[Discussion])
    for message in noted:
        assert message.acknowledged_at > message.posted_at
        assert message.acknowledged_by != message.participant


def test_the_threads_of_tasks_exist(company):
    threads = {message.thread_id for message in company.rows[Discussion]}
    pointing = {task.thread for task in company.rows[Task] if task.thread}
    assert pointing
    assert pointing <= threads


def test_balances_are_the_sums_of_the_ledger_and_never_were_below_zero(company):
    balances = defaultdict(int)
    accounts = {account.pk: account for account in company.rows[LedgerAccount]}
    for row in sorted(company.rows[RodCoinsTransaction], key=lambda row: row.created_at):
        balances[row.source_id] -= row.amount
        balances[row.target_id] += row.amount
        assert accounts[row.source_id].kind != AccountKind.WALLET or balances[row.source_id] >= 0
    wallets = [account for account in accounts.values() if account.kind == AccountKind.WALLET]
    assert len(wallets) == 12
    assert all(wallet.balance == balances[wallet.pk] for wallet in wallets)


def test_the_total_earned_is_earned_bonus_and_salary_less_their_reversals(company):
    ledger = {row.pk: row for row in company.rows[RodCoinsTransaction]}
    totals = defaultdict(int)
    for row in ledger.values():
        if row.transaction_type in EARNING_TYPES:
            totals[row.agent_id] += row.amount
        elif row.reverses_id and ledger[row.reverses_id].transaction_type in EARNING_TYPES:
            totals[row.agent_id] -= row.amount
    assert {agent.pk: agent.total_rodcoins_earned for agent in company.rows[Agent]} == totals


def test_each_completion_that_stands_is_paid_once_and_no_other(company):
    ledger = company.rows[RodCoinsTransaction]
    reversed_ids = {row.reverses_id for row in ledger}
    paid = Counter(
        row.source_key for row in ledger if row.source_kind == "task" and row.pk not in reversed_ids
    )
    assert paid == {
        f"{task.pk}/{task.round_number}": 1
        for task in company.rows[Task]
        if task.status == TaskStatus.COMPLETED and task.agent_id
    }


def test_every_kind_of_transaction_occurs(company):
    kinds = {row.transaction_type for row in company.rows[RodCoinsTransaction]}
    assert kinds == set(TransactionType.values)


def test_the_lines_of_a_payslip_sum_to_its_net_and_what_was_due_was_paid(company):
    ledger = {row.pk: row for row in company.rows[RodCoinsTransaction]}
    accounts = {account.pk: account for account in company.rows[LedgerAccount]}
    explained = defaultdict(int)
    for line in company.rows[PayslipLine]:
        explained[line.payslip_id] += line.amount
    for payslip in company.rows[Payslip]:
        paid = ledger[natural_id("transaction", "payslip", str(payslip.pk))]
        assert explained[payslip.pk] == payslip.net
        assert paid.amount == payslip.due > 0 == payslip.recovered
        assert (paid.transaction_type, paid.agent_id) == (TransactionType.SALARY, payslip.agent_id)
        assert accounts[paid.source_id].kind == AccountKind.PAYROLL
        assert (paid.source_kind, paid.source_key) == ("payslip", str(payslip.pk))


def test_the_payslips_explain_every_row_of_the_first_cycle_but_transfers(company):
    ledger = [row for row in company.rows[RodCoinsTransaction] if row.cycle == 1]
    explained = Counter(line.transaction_id for line in company.rows[PayslipLine])
    paid = {TransactionType.SALARY, TransactionType.TRANSFER}
    assert {row.pk: 1 for row in ledger if row.transaction_type not in paid} == {
        row: count for row, count in explained.items() if row
    }
    assert {line.kind for line in company.rows[PayslipLine]} == set(LineKind.values) - {
        LineKind.ROUNDING,
        LineKind.RECOVERY,
    }


def test_everybody_has_one_payslip_with_a_salary_of_their_own_or_of_their_level(company):
    everybody = sorted(agent.pk for agent in company.rows[Agent])
    assert sorted(payslip.agent_id for payslip in company.rows[Payslip]) == everybody
    agreed = {master.agent_id for master in company.rows[PayrollMaster]}
    assert 0 < len(agreed) < len(everybody)
    bases = {line.basis for line in company.rows[PayslipLine] if line.kind == LineKind.BASE}
    assert {"agreed", "scale of junior", "scale of mid"} <= bases


def test_the_first_cycle_went_through_every_state_and_is_sealed(company):
    [first] = [cycle for cycle in company.rows[PayCycle] if cycle.number == 1]
    steps = [step for step in company.rows[PayCycleStep] if step.cycle_id == first.pk]
    steps.sort(key=lambda step: step.happened_at)
    assert [step.state for step in steps] == PayCycleState.values
    ledger = [row for row in company.rows[RodCoinsTransaction] if row.cycle == 1]
    assert sum(seal.row_count for seal in company.rows[LedgerSeal]) == len(ledger)


def test_the_first_cycle_is_closed_and_the_second_is_current(company):
    states = {cycle.number: cycle.state for cycle in company.rows[PayCycle]}
    assert states == {1: "closed", 2: "draft"}
    assert {agent.current_pay_cycle for agent in company.rows[Agent]} == {2}


def test_transactions_are_booked_in_the_cycle_of_their_moment(company):
    [second] = [cycle for cycle in company.rows[PayCycle] if cycle.number == 2]
    closed = second.starts_at + timedelta(hours=10, minutes=30)
    for row in company.rows[RodCoinsTransaction]:
        assert row.cycle == (2 if row.created_at >= closed else 1)


def test_ratings_follow_from_evaluations_by_others_and_from_what_was_observed(company):
    evaluations = company.rows[Evaluation]
    judged = [(row.agent_id, row.evaluated_at, row.score) for row in evaluations]
    judged += [(row.agent_id, row.observed_at, row.score) for row in company.rows[Observation]]

    def rating(agent, until):
        return formula([score for who, at, score in judged if who == agent and at <= until])

    for evaluation in evaluations:
        assert evaluation.rating_after == rating(evaluation.agent_id, evaluation.evaluated_at)
        assert evaluation.evaluator_id != evaluation.agent_id
    for agent in company.rows[Agent]:
        assert agent.performance_rating == rating(agent.pk, THE_END)


def test_every_kind_of_observation_was_made(company):
    kinds = {row.kind for row in company.rows[Observation]}
    assert kinds == {"quality", "punctuality", "review"}
    reviews = [row for row in company.rows[Observation] if row.kind == "review"]
    assert len(reviews) == len(company.rows[Review])


def test_agents_fell_silent_at_different_moments_and_that_was_noted(company):
    agents = company.rows[Agent]
    assert len({agent.last_seen for agent in agents}) > 5
    assert {agent.noted_liveness for agent in agents} == {Liveness.DOWN}


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_database_that_held_something_is_never_again_one_never_used():
    before = is_never_used()
    load_sample_data(actor=LOADER)
    loaded = is_never_used()
    remove_sample_data(actor=LOADER)
    assert (before, loaded, is_never_used()) == (True, False, False)


@pytest.mark.django_db
def test_loading_again_after_a_removal_makes_the_same_rows_whoever_loads():
    load_sample_data(actor=LOADER)
    first = everything()
    remove_sample_data(actor=LOADER)
    load_sample_data(actor=Actor.command("somebody_else"))
    assert everything() == first


@pytest.mark.django_db
def test_a_second_load_does_nothing():
    load_sample_data(actor=LOADER)
    first = everything()
    assert load_sample_data(actor=LOADER) == SampleSummary(loaded=False)
    assert everything() == first


@pytest.mark.django_db
def test_the_first_sweep_has_nothing_to_note_of_sample_agents():
    load_sample_data(actor=LOADER)
    assert sweep_liveness(actor=LOADER) == 0


@pytest.mark.django_db
def test_other_rewards_on_a_host_make_no_other_sample(settings, company):
    settings.RODCORP_REWARDS = {"low": 0, "normal": 0, "high": 0, "urgent": 0}
    load_sample_data(actor=LOADER)
    found = RodCoinsTransaction.objects.values_list("pk", "amount")
    assert set(found) == {(row.pk, row.amount) for row in company.rows[RodCoinsTransaction]}


@pytest.mark.django_db
def test_it_is_not_loaded_over_an_agent_of_the_same_name(make_agent):
    make_agent("ada", project="Atlas")
    with pytest.raises(Conflict, match="agent 'ada' in a project 'Atlas'"):
        load_sample_data(actor=LOADER)
    assert Agent.objects.count() == 1


@pytest.mark.django_db
def test_it_is_not_loaded_over_pay_cycles():
    cycle = PayCycle(id=new_id(), number=7, starts_at=ANCHOR, ends_at=THE_END)
    run_in_unit(lambda unit: rows.insert(cycle), actor=LOADER, operation="test")
    with pytest.raises(Conflict, match="pay cycles of its own"):
        load_sample_data(actor=LOADER)
    assert not Agent.objects.exists()


@pytest.mark.django_db
def test_an_agent_may_neither_load_nor_remove_it(make_agent):
    agent = make_agent("Eve").as_actor()
    for service in (load_sample_data, remove_sample_data):
        with pytest.raises(PermissionRefused, match="import_data"):
            service(actor=agent)


# --- the command ----------------------------------------------------------------------------------


def run(*arguments):
    out = StringIO()
    call_command("load_sample_data", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_loads_once_and_says_so():
    assert run().startswith("Loaded the sample company: 12 agents, 62 messages, 47 tasks,")
    assert "already loaded" in run()
    assert Agent.objects.count() == 12


@pytest.mark.django_db
def test_a_dry_run_of_the_command_writes_nothing():
    assert run("--dry-run").startswith("Would load the sample company: 12 agents")
    assert is_never_used()


@pytest.mark.django_db
def test_the_command_removes_and_says_when_there_is_nothing_to_remove():
    run()
    assert run("--remove", "--dry-run").startswith("Would remove the sample company: 12 agents")
    assert Agent.objects.count() == 12
    assert run("--remove").startswith("Removed the sample company: 12 agents")
    assert run("--remove") == "There is no sample data to remove.\n"
    assert not Agent.objects.exists()


@pytest.mark.django_db
def test_a_refusal_is_exit_code_1(make_agent):
    make_agent("Ada", project="atlas")
    with pytest.raises(CommandError, match="load it into another database") as refusal:
        run()
    assert refusal.value.returncode == 1


def test_the_command_explains_itself(capsys):
    with pytest.raises(SystemExit) as left:
        run("--help")
    assert left.value.code == 0
    assert "--remove" in capsys.readouterr().out
