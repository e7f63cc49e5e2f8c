"""Removing the sample company, and what others did to it, without a trace in what is theirs.

What a person wrote about their own work stays: a task that was given to a sample agent loses the
agent, coins a sample agent gave stay in the wallet they went to, and a pay cycle in which others
were booked becomes an ordinary one. What stands in a sample thread, or judges or is judged by a
sample agent, goes.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet

from agents.models import Agent, AgentSkill, Discussion, LivenessChange
from payroll.models import (
    AccountKind,
    BonusRule,
    EarningsDay,
    Evaluation,
    LedgerAccount,
    LedgerSeal,
    Observation,
    PayCycle,
    PayCycleStep,
    PayrollMaster,
    Payslip,
    PayslipLine,
    RatingPart,
    RodCoinsTransaction,
    Standing,
    StandingsDay,
    TransactionType,
)
from payroll.services.ledger import Posting, company_account, post
from payroll.services.rebuilding import keep_payments_out, rebuild_derived
from payroll.services.sealing import break_seals, seal_anew
from rodcorp.actors import Actor, Permission
from rodcorp.databases.refusals import rewriting
from rodcorp.databases.units import open_unit, run_in_unit
from rodcorp.gateway.models import AccessToken
from rodcorp.kit import rows
from rodcorp.kit.services import service
from rodcorp.operations.sample.paying import remove_scales
from tasks.models import (
    DispatchDecision,
    Review,
    ReviewState,
    Task,
    TaskDependency,
    TaskLabel,
    TaskSkill,
    TaskStatus,
)

logger = logging.getLogger(__name__)

# The models whose rows go because they belong to a sample row. A test fails when a new model
# points at one of these and is not named here.
REMOVED = (
    TaskSkill,
    TaskLabel,
    TaskDependency,
    Review,
    DispatchDecision,
    Task,
    Evaluation,
    Observation,
    RatingPart,
    PayslipLine,
    Payslip,
    PayrollMaster,
    BonusRule,
    EarningsDay,
    Standing,
    RodCoinsTransaction,
    LedgerAccount,
    PayCycleStep,
    LedgerSeal,
    PayCycle,
    Discussion,
    AccessToken,
    LivenessChange,
    AgentSkill,
    Agent,
)


@dataclass
class RemovalSummary:
    """What was removed, and how many tasks of others lost their sample agent."""

    agents: int = 0
    messages: int = 0
    tasks: int = 0
    transactions: int = 0
    evaluations: int = 0
    tasks_left_unassigned: int = 0


@service("sample.remove", needs=Permission.IMPORT_DATA)
def remove_sample_data(*, actor: Actor, dry_run: bool = False) -> RemovalSummary:
    """Remove all sample rows and what touched them; all of it or nothing."""
    summary = run_in_unit(
        lambda unit: _remove(), actor=actor, operation="sample.remove", dry_run=dry_run
    )
    if not dry_run:
        logger.info("%s removed the sample data.", actor.name)
    return summary


def _remove() -> RemovalSummary:
    summary = RemovalSummary()
    keep_payments_out(open_unit().alias)
    summary.tasks_left_unassigned = _unassign_tasks_of_others()
    summary.tasks = _remove_tasks()
    summary.evaluations = _remove_evaluations()
    summary.transactions = _remove_coins()
    summary.messages = _remove_messages()
    summary.agents = _remove_agents()
    if summary != RemovalSummary():
        _rebuild_derived(open_unit().alias)
    return summary


def _rebuild_derived(alias: str) -> None:
    rebuild_derived(alias)
    if not RodCoinsTransaction.objects.exists():
        # as it was before anybody earned anything
        StandingsDay.objects.all()._raw_delete(alias)


def _delete(doomed: QuerySet[Any]) -> int:
    found = list(doomed)
    rows.delete_many(found)
    return len(found)


def _unassign_tasks_of_others() -> int:
    """A task a person wrote goes back to the pool; if it is done, it stays done by nobody."""
    theirs = list(Task.objects.filter(is_sample=False, agent__is_sample=True))
    for task in theirs:
        values: dict[str, Any] = {"agent": None, "lease_token": None, "lease_until": None}
        if task.status == TaskStatus.IN_PROGRESS:
            values["status"] = TaskStatus.PENDING
        if task.review_state == ReviewState.WAITING:
            # whoever approved it would have nobody to thank
            values["review_state"] = ReviewState.NONE
        rows.change(task, **values)
    return len(theirs)


def _remove_tasks() -> int:
    of_sample = Q(task__is_sample=True)
    _delete(TaskSkill.objects.filter(of_sample))
    _delete(TaskLabel.objects.filter(of_sample))
    _delete(TaskDependency.objects.filter(of_sample | Q(depends_on__is_sample=True)))
    _delete(Review.objects.filter(of_sample))
    _delete(DispatchDecision.objects.filter(of_sample | Q(chosen__is_sample=True)))
    return _delete(Task.objects.filter(is_sample=True))


def _remove_evaluations() -> int:
    judges = Agent.objects.filter(is_sample=True).values("pk")
    doomed = Evaluation.objects.filter(Q(agent__is_sample=True) | Q(evaluator_id__in=judges))
    _delete(Observation.objects.filter(agent__is_sample=True))
    return _delete(doomed)


def _remove_coins() -> int:
    _delete(PayslipLine.objects.filter(payslip__agent__is_sample=True))
    _delete(Payslip.objects.filter(agent__is_sample=True))
    _delete(PayrollMaster.objects.filter(agent__is_sample=True))
    _delete(BonusRule.objects.filter(agent__is_sample=True))
    remove_scales()
    doomed = list(
        RodCoinsTransaction.objects.filter(
            Q(agent__is_sample=True)
            | Q(source__agent__is_sample=True)
            | Q(target__agent__is_sample=True)
        ).select_related("source__agent", "target__agent")
    )
    sample_cycles = PayCycle.objects.filter(is_sample=True).values_list("number", flat=True)
    first_touched = min({*sample_cycles, *(row.cycle for row in doomed)}, default=None)
    if first_touched is not None:
        break_seals(first_touched)
    _delete_ledger_rows_of_sample_agents(doomed)
    _delete(LedgerAccount.objects.filter(agent__is_sample=True))
    _remove_pay_cycles()
    if first_touched is not None:
        seal_anew(first_touched)
    _settle(_moved_by(doomed))
    return len(doomed)


def _delete_ledger_rows_of_sample_agents(doomed: Iterable[RodCoinsTransaction]) -> None:
    """The one place where rows of the ledger are deleted, past the triggers that refuse it.

    Everywhere else a mistake is reversed, because coins that somebody had must stay explained.
    These coins were never anybody's: their agents, wallets and payslips go with them, and what
    they moved in the wallets of others is settled.
    """
    reversals_first = sorted(doomed, key=lambda row: row.reverses_id is None)
    with rewriting(open_unit().alias):
        rows.delete_many(reversals_first, refer_to_each_other=True)


def _moved_by(transactions: Iterable[RodCoinsTransaction]) -> dict[LedgerAccount, int]:
    """What transactions changed in the balances of agents that are not sample."""
    moved: dict[LedgerAccount, int] = defaultdict(int)
    for row in transactions:
        for account, amount in ((row.source, -row.amount), (row.target, row.amount)):
            if account.agent is not None and not account.agent.is_sample:
                moved[account] += amount
    return {account: amount for account, amount in moved.items() if amount}


def _settle(moved: dict[LedgerAccount, int]) -> None:
    """Explain anew, against the treasury, what was moved by rows that are gone: the balances stay
    as their owners know them."""
    if not moved:
        return
    treasury = company_account(AccountKind.TREASURY)
    for account, amount in moved.items():
        LedgerAccount.objects.filter(pk=account.pk).update(balance=F("balance") - amount)
        gained = amount > 0
        post(
            [
                Posting(
                    agent=account.agent,
                    source=treasury if gained else account,
                    target=account if gained else treasury,
                    amount=abs(amount),
                    transaction_type=(
                        TransactionType.ADJUSTMENT if gained else TransactionType.DEDUCTION
                    ),
                    description="Transfers with sample agents, settled when those were removed",
                )
            ]
        )


def _remove_pay_cycles() -> None:
    for cycle in PayCycle.objects.filter(is_sample=True):
        used = (
            cycle.payslips.exists()
            or RodCoinsTransaction.objects.filter(cycle=cycle.number).exists()
        )
        if used:
            rows.change(cycle, is_sample=False)
        else:
            _delete(PayCycleStep.objects.filter(cycle=cycle))
            rows.delete_many([cycle])


def _remove_messages() -> int:
    doomed = Discussion.objects.filter(
        Q(agent__is_sample=True) | Q(thread__is_sample=True) | Q(thread__agent__is_sample=True)
    )
    found = list(doomed.order_by("-posted_at"))
    gone = {message.pk for message in found}
    for answer in Discussion.objects.filter(reply_to__in=doomed.values("pk")):
        if answer.pk not in gone:
            rows.change(answer, reply_to=None)
    for task in Task.objects.filter(thread__in=doomed.values("pk")):
        rows.change(task, thread=None)
    found.sort(key=lambda message: message.thread_id == message.pk)
    rows.delete_many(found, refer_to_each_other=True)
    return len(found)


def _remove_agents() -> int:
    of_sample = Q(agent__is_sample=True)
    _delete(AccessToken.objects.filter(of_sample))
    _delete(LivenessChange.objects.filter(of_sample))
    _delete(AgentSkill.objects.filter(of_sample))
    return _delete(Agent.objects.filter(is_sample=True))
