"""Every named queryset is answered from an index: no table is read through, nothing is sorted."""

import inspect
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from agents.models import Agent, Discussion, LivenessChange
from payroll.models import (
    Evaluation,
    LedgerAccount,
    Observation,
    PayCycle,
    PayCycleStep,
    Payslip,
    PayslipLine,
    RatingPart,
    RodCoinsTransaction,
)
from tasks.models import Task

MODELS = (Agent, Discussion, LivenessChange, Evaluation, LedgerAccount, PayCycle)
MODELS += (PayCycleStep, Payslip, PayslipLine)
MODELS += (Observation, RatingPart, RodCoinsTransaction, Task)

NOW = timezone.now() - timedelta(days=1)
SOMEBODY = Agent(id=uuid4())

# queryset method -> the queryset it gives, or, for one that gives a row, the one it asks
PLANS = {
    "AgentQuerySet.active": lambda: Agent.objects.active(),
    "AgentQuerySet.active_by_name": lambda: Agent.objects.active_by_name(),
    "AgentQuerySet.in_registry": lambda: Agent.objects.in_registry(),
    "AgentQuerySet.named": lambda: Agent.objects.filter(name="Ada").order_by("project"),
    "AgentQuerySet.leaderboard": lambda: Agent.objects.leaderboard(),
    "AgentQuerySet.noted_too_lively": lambda: Agent.objects.noted_too_lively(NOW),
    "AgentQuerySet.noted_too_still": lambda: Agent.objects.noted_too_still(NOW),
    "AgentQuerySet.with_liveness": lambda: Agent.objects.with_liveness("down", NOW),
    "DiscussionQuerySet.recent": lambda: Discussion.objects.recent(),
    "DiscussionQuerySet.on_topic": lambda: Discussion.objects.on_topic("builds"),
    "DiscussionQuerySet.in_project": lambda: Discussion.objects.in_project("apollo"),
    "DiscussionQuerySet.of_agent": lambda: Discussion.objects.of_agent(SOMEBODY),
    "DiscussionQuerySet.in_thread": lambda: Discussion.objects.in_thread(uuid4()),
    "DiscussionQuerySet.threads": lambda: Discussion.objects.threads(),
    "DiscussionQuerySet.unacknowledged": lambda: Discussion.objects.unacknowledged(),
    "LivenessChangeQuerySet.of_agent": lambda: LivenessChange.objects.of_agent(SOMEBODY),
    "EvaluationQuerySet.recent": lambda: Evaluation.objects.recent(),
    "EvaluationQuerySet.of_agent": lambda: Evaluation.objects.of_agent(SOMEBODY),
    "EvaluationQuerySet.manual_since": lambda: Evaluation.objects.manual_since(SOMEBODY, NOW),
    "EvaluationQuerySet.continuous": lambda: Evaluation.objects.continuous(),
    "ObservationQuerySet.of_agent": lambda: Observation.objects.of_agent(SOMEBODY),
    "ObservationQuerySet.since": lambda: Observation.objects.since(SOMEBODY, NOW),
    "RatingPartQuerySet.of_agent": lambda: RatingPart.objects.of_agent(SOMEBODY),
    "AccountQuerySet.wallet_of": lambda: LedgerAccount.objects.filter(
        agent=SOMEBODY, kind="wallet"
    ),
    "PayCycleQuerySet.newest_first": lambda: PayCycle.objects.newest_first(),
    "PayCycleQuerySet.in_list": lambda: PayCycle.objects.in_list(),
    "PayCycleQuerySet.current_number": lambda: PayCycle.objects.filter(state="draft").order_by(
        "number"
    ),
    "PayCycleQuerySet.last_opened": lambda: PayCycle.objects.order_by("-number"),
    "PayCycleQuerySet.numbered": lambda: PayCycle.objects.filter(number=3),
    "PayCycleQuerySet.first_in": lambda: PayCycle.objects.filter(
        state__in=["draft", "computed"]
    ).order_by("number"),
    "PayCycleQuerySet.before": lambda: PayCycle.objects.before(PayCycle(number=3)),
    "PayCycleQuerySet.due": lambda: PayCycle.objects.due(NOW),
    "StepQuerySet.of_cycle": lambda: PayCycleStep.objects.of_cycle(PayCycle(id=uuid4())),
    "PayslipQuerySet.of_cycle": lambda: Payslip.objects.of_cycle(PayCycle(id=uuid4())),
    "PayslipQuerySet.of_agent": lambda: Payslip.objects.of_agent(SOMEBODY),
    "PayslipQuerySet.totals": lambda: Payslip.objects.filter(cycle=PayCycle(id=uuid4())),
    "LineQuerySet.of_payslip": lambda: PayslipLine.objects.of_payslip(Payslip(id=uuid4())),
    "LineQuerySet.by_kind": lambda: PayslipLine.objects.by_kind(PayCycle(id=uuid4())),
    "LineQuerySet.explained": lambda: PayslipLine.objects.explained(Payslip(id=uuid4())),
    "TransactionQuerySet.in_ledger": lambda: RodCoinsTransaction.objects.in_ledger(),
    "TransactionQuerySet.of_agent": lambda: RodCoinsTransaction.objects.of_agent(SOMEBODY),
    "TransactionQuerySet.of_wallet": lambda: RodCoinsTransaction.objects.of_wallet(
        SOMEBODY, LedgerAccount(id=uuid4())
    ),
    "TransactionQuerySet.of_task": lambda: RodCoinsTransaction.objects.of_task(uuid4(), 3),
    "TransactionQuerySet.of_payslip": lambda: RodCoinsTransaction.objects.of_payslip(
        Payslip(id=uuid4())
    ),
    "TransactionQuerySet.salaries_paid_in": lambda: RodCoinsTransaction.objects.filter(
        cycle=3, source_kind="payslip"
    ),
    "TransactionQuerySet.signed": lambda: RodCoinsTransaction.objects.in_ledger().signed(),
    "TaskQuerySet.in_list": lambda: Task.objects.in_list(),
    "TaskQuerySet.of_agent": lambda: Task.objects.of_agent(SOMEBODY, "pending"),
    "TaskQuerySet.in_project": lambda: Task.objects.in_project("apollo"),
    "TaskQuerySet.waiting": lambda: Task.objects.waiting(),
    "TaskQuerySet.at_work": lambda: Task.objects.at_work(),
    "TaskQuerySet.overdue": lambda: Task.objects.overdue(NOW),
    "TaskQuerySet.waiting_for_review": lambda: Task.objects.waiting_for_review(),
    "TaskQuerySet.with_id": lambda: Task.objects.filter(pk=uuid4()),
}

# Those that sort what they found, and why that is no more than the answer itself.
SORTS = {
    "AgentQuerySet.active_by_name": "it answers with nearly the whole table",
    "TransactionQuerySet.of_wallet": "one agent's rows, found by three indexes",
    "TransactionQuerySet.of_task": "what a task's few rounds paid",
    "TransactionQuerySet.of_payslip": "at most two rows",
    "PayCycleQuerySet.first_in": "the few cycles that are under way",
    "PayCycleQuerySet.due": "the few cycles that are under way",
    "PayslipQuerySet.of_cycle": "one cycle's payslips, by the names of other rows",
    "PayslipQuerySet.of_agent": "one agent's payslips, by the numbers of other rows",
    "TaskQuerySet.overdue": "only what is overdue; by date alone it would read all that was",
}

NOT_READS = {
    f"TransactionQuerySet.{name}"
    for name in ("update", "delete", "bulk_create", "bulk_update", "update_or_create")
}


def plan_of(queryset):
    """SQLite's plan, a line a step."""
    sql, params = queryset.query.get_compiler("sqlite").as_sql()
    with connections["sqlite"].cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return [row[3] for row in cursor.fetchall()]


def test_every_queryset_method_has_its_plan_looked_at():
    named = {
        f"{type(model.objects.all()).__name__}.{name}"
        for model in MODELS
        for name, _ in inspect.getmembers(
            type(model.objects.all()),
            lambda member: (
                inspect.isfunction(member)
                and not member.__name__.startswith("_")
                and member.__module__.endswith(".querysets")
            ),
        )
    }
    assert named - NOT_READS == set(PLANS)


@pytest.mark.django_db
@pytest.mark.sqlite_only("plans as SQLite tells them")
@pytest.mark.parametrize("name", PLANS)
def test_a_named_queryset_is_answered_from_an_index(name):
    plan = plan_of(PLANS[name]())
    full = [step for step in plan if re.match(r"SCAN (?!.*USING)", step)]
    # a tie-break after the indexed column sorts only rows that are equal in it
    sorts = [step for step in plan if step == "USE TEMP B-TREE FOR ORDER BY"]
    assert not full, plan
    assert bool(sorts) == (name in SORTS), plan
