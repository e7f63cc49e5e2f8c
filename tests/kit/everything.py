"""Rows in every table that the admin shows."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django_q.models import Failure, OrmQ, Schedule

from agents.models import Agent, AgentSkill, Discussion, LivenessChange
from agents.services.discussions import acknowledge
from agents.services.registry import register_agent, update_agent
from payroll.models import (
    BonusRule,
    Evaluation,
    LedgerAccount,
    LedgerSeal,
    Observation,
    PayCycle,
    PayCycleStep,
    PayrollMaster,
    PayScale,
    Payslip,
    PayslipLine,
    PerformanceBand,
    RodCoinsTransaction,
)
from payroll.services.ledger import award_rodcoins
from payroll.services.salaries import (
    add_bonus_rule,
    set_pay_scale,
    set_performance_band,
    set_salary,
)
from rodcorp.databases.models import Conflict, Host, OutboxMessage, UnitMarker
from rodcorp.databases.units import run_in_unit
from rodcorp.gateway.models import AccessToken
from rodcorp.kit import rows
from rodcorp.kit.models import JobLease
from rodcorp.people.models import User
from rodcorp.people.services import create_user, update_user
from tasks.models import DispatchDecision, Review, Task, TaskDependency, TaskLabel, TaskSkill
from tasks.services.creation import NewDependency, add_dependencies, create_task
from tasks.services.work import update_task

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "5ec7e7" * 10

# who may see a table, and who may add to it; nobody deletes
EVERYBODY = {"viewer", "supervisor", "payroll", "operator", "admin"}
OPERATORS = {"operator", "admin"}
SUPERVISORS = {"supervisor", "admin"}
PAYROLL = {"payroll", "admin"}
ADMINS = {"admin"}
NOBODY: set[str] = set()

SEES = {
    Agent: EVERYBODY,
    AgentSkill: EVERYBODY,
    LivenessChange: EVERYBODY,
    Discussion: EVERYBODY,
    RodCoinsTransaction: EVERYBODY,
    LedgerAccount: EVERYBODY,
    PayrollMaster: EVERYBODY,
    PayScale: EVERYBODY,
    PerformanceBand: EVERYBODY,
    BonusRule: EVERYBODY,
    PayCycle: EVERYBODY,
    PayCycleStep: EVERYBODY,
    Payslip: EVERYBODY,
    LedgerSeal: EVERYBODY,
    Evaluation: EVERYBODY,
    Observation: EVERYBODY,
    Task: EVERYBODY,
    TaskSkill: EVERYBODY,
    TaskLabel: EVERYBODY,
    TaskDependency: EVERYBODY,
    Review: EVERYBODY,
    DispatchDecision: EVERYBODY,
    User: EVERYBODY,
    AccessToken: OPERATORS,
    UnitMarker: OPERATORS,
    OutboxMessage: OPERATORS,
    Host: OPERATORS,
    Conflict: OPERATORS,
    JobLease: OPERATORS,
    Schedule: OPERATORS,
    OrmQ: OPERATORS,
    Failure: OPERATORS,
    AccessAttempt: ADMINS,
    AccessFailureLog: ADMINS,
    AccessLog: ADMINS,
}
ADDS = {
    Agent: SUPERVISORS,
    AgentSkill: SUPERVISORS,
    Discussion: SUPERVISORS | PAYROLL,
    RodCoinsTransaction: PAYROLL,
    PayrollMaster: PAYROLL,
    PayScale: PAYROLL,
    PerformanceBand: PAYROLL,
    BonusRule: PAYROLL,
    Evaluation: SUPERVISORS,
    Task: SUPERVISORS,
    TaskDependency: SUPERVISORS,
    User: ADMINS,
}
CHANGES = {
    Agent: SUPERVISORS,
    AgentSkill: SUPERVISORS,
    PayrollMaster: PAYROLL,
    PayScale: PAYROLL,
    PerformanceBand: PAYROLL,
    BonusRule: PAYROLL,
    Task: SUPERVISORS,
    User: ADMINS,
}
IMPORTS = {
    Agent: SUPERVISORS,
    Discussion: SUPERVISORS | PAYROLL,
    RodCoinsTransaction: PAYROLL,
    Task: SUPERVISORS,
}
# their rows are never changed, so there is no history of them
WITHOUT_HISTORY = {
    LivenessChange,
    RodCoinsTransaction,
    LedgerAccount,
    PayCycleStep,
    Payslip,
    LedgerSeal,
    Evaluation,
    Observation,
    Review,
    DispatchDecision,
    UnitMarker,
    OutboxMessage,
    Host,
    Conflict,
    JobLease,
    Schedule,
    OrmQ,
    Failure,
    AccessAttempt,
    AccessFailureLog,
    AccessLog,
}


def url(model, page=""):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{page}"


def fill(actor, first=0, count=1):
    """That many rows in every table, each beside others of its own."""
    for number in range(first, first + count):
        _company(actor, number)
        _records(actor, number)
        _host(number)


def _company(actor, number):
    agent = register_agent(
        actor=actor,
        name=f"Agent {number:02}",
        project=f"project {number}",
        machine_hostname="host",
        machine_ip="127.0.0.1",
        skills={"python": 1 + number % 10},
    )
    update_agent(actor=actor, agent=agent, team="Core")
    message = Discussion.objects.create(
        participant="Ada",
        project=f"project {number}",
        topic=f"Topic {number}",
        message="text",
        agent=agent,
        thread_id=(key := uuid4()),
        id=key,
        **_signed(),
    )
    acknowledge(actor=actor, message=message)
    award_rodcoins(actor=actor, agent=agent, amount=number + 1, description=f"work {number}")
    set_salary(actor=actor, agent=agent, base_salary=100)
    set_salary(actor=actor, agent=agent, base_salary=100 + number)
    set_pay_scale(actor=actor, level=f"level {number}", base_salary=100, seniority_multiplier="1.5")
    set_performance_band(actor=actor, minimum=f"0.{number:02}", multiplier="1.1")
    add_bonus_rule(actor=actor, kind="fixed", label=f"bonus {number}", amount=5, agent=agent)
    task = create_task(
        actor=actor,
        agent=agent,
        description=f"Do {number}",
        labels=[f"label {number}"],
        skills={"sql": 3},
    )
    update_task(actor=actor, task=task, title=f"Task {number}")
    other = create_task(actor=actor, description=f"Before {number}")
    add_dependencies(actor=actor, dependencies=[NewDependency(task.pk, other.pk)])
    user = create_user(actor=actor, username=f"user {number}", password="correct-horse-9")
    update_user(actor=actor, user=user, display_name=f"User {number}")


def _signed():
    return {"actor_kind": "system", "actor_id": "test", "actor_name": "test"}


def _records(actor, number):
    """Rows no service writes yet."""
    at = START + timedelta(hours=number)
    agent = Agent.objects.get(name=f"Agent {number:02}")
    task = Task.objects.get(title=f"Task {number}")
    user = User.objects.get(username=f"user {number}")
    LivenessChange.objects.create(
        agent=agent, before="up", after="late", noticed_at=at, **_signed()
    )
    cycle = PayCycle(number=number + 1, starts_at=at, ends_at=at + timedelta(1))
    token = AccessToken(
        name=f"token {number}", agent=agent, secret_hash=SECRET, scopes=["read"], created_at=at
    )
    for row in (cycle, token):
        run_in_unit(lambda unit, row=row: rows.insert(row), actor=actor, operation="test")
    slip = Payslip.objects.create(cycle=cycle, agent=agent, net=number, due=number, **_signed())
    PayslipLine.objects.create(
        payslip=slip, position=1, kind="base", label=f"Base {number}", amount=number, **_signed()
    )
    PayCycleStep.objects.create(cycle=cycle, state="draft", happened_at=at, **_signed())
    LedgerSeal.objects.create(
        cycle=cycle,
        position=1,
        rows="[]",
        row_count=0,
        previous="",
        digest=f"{number:064}",
        sealed_at=at,
        **_signed(),
    )
    Observation.objects.create(
        agent=agent,
        kind="quality",
        score=4,
        source_kind="task",
        source_key=f"{task.pk}/1",
        observed_at=at,
        **_signed(),
    )
    Evaluation.objects.create(
        agent=agent,
        score=4,
        evaluator_kind="user",
        evaluator_id=user.pk,
        evaluator_name="Judge",
        rating_after=4,
        evaluated_at=at,
        **_signed(),
    )
    Review.objects.create(
        task=task, round_number=1, version_seen=1, verdict="approved", reviewed_at=at, **_signed()
    )
    DispatchDecision.objects.create(
        task=task,
        chosen=agent,
        algorithm="greedy",
        inputs_hash="0",
        weights={},
        candidates=[],
        rejections=[],
        decided_at=at,
        **_signed(),
    )
    UnitMarker.objects.create(
        id=uuid4(), operation="x", caller="y", body_hash=SECRET, result=SECRET, created_at=at
    )
    OutboxMessage.objects.create(
        id=uuid4(), unit=uuid4(), host="h", job=f"job {number}", arguments=SECRET, created_at=at
    )
    Host.objects.create(
        id=uuid4(), name=f"host {number}", epoch=1, beacon=SECRET[:32], created_at=at
    )
    Conflict.objects.create(
        id=uuid4(),
        kind="conflict",
        unit=uuid4(),
        host=uuid4(),
        operation="x",
        caller="y",
        table_name=f"Table {number}",
        row_key=uuid4(),
        rule="r",
        ours=SECRET,
        happened_at=at,
        recorded_at=at,
    )


def _host(number):
    at = START + timedelta(hours=number)
    JobLease.objects.create(name=f"job {number}", token=SECRET[:40], until=at)
    Schedule.objects.create(name=f"job {number}", func="f", schedule_type="I", minutes=1)
    OrmQ.objects.create(key="rodcorp", payload=SECRET)
    Failure.objects.create(
        id=uuid4().hex,
        name=f"job {number}",
        func="f",
        started=at,
        stopped=at,
        success=False,
        result="Traceback\nValueError: bad",
    )
    seen = {"username": f"user {number}", "ip_address": "192.0.2.1", "user_agent": "x"}
    AccessAttempt.objects.create(
        **seen, failures_since_start=5, get_data="", post_data=f"password={SECRET}"
    )
    AccessFailureLog.objects.create(**seen)
    AccessLog.objects.create(**seen, session_hash=SECRET)
