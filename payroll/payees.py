"""Who is paid in a cycle, and from what: what is in force at its end, read in a few queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from agents.models import Agent, AgentStatus
from payroll.models import (
    AccountKind,
    BonusKind,
    BonusRule,
    LedgerAccount,
    PayCycle,
    PayrollMaster,
    PayScale,
    PerformanceBand,
    RatingPart,
    RodCoinsTransaction,
)
from payroll.pay import NOT_PAY, ONE, Bonus, Factor, Movement, Terms
from rodcorp.databases.fields import fold

# Agents whose rows are read and written together; a statement of SQL Server takes 2,100 parameters.
CHUNK = 500

_AS_IT_IS = Factor(ONE, "")


@dataclass(slots=True)
class Payee:
    """An agent, and what its payslip is made from. Without `terms` it gets no salary."""

    id: UUID
    rating: Decimal
    terms: Terms | None
    bonuses: Sequence[Bonus] = ()
    debt: int = 0
    tasks: int = 0
    movements: list[Movement] = field(default_factory=list)


class Company:
    """What is in force at the end of a cycle."""

    def __init__(self, cycle: PayCycle) -> None:
        self._cycle = cycle
        self._agents = list(
            Agent.objects.in_registry().values_list(
                "pk", "seniority", "performance_rating", "first_registered"
            )
        )
        self._salaries = {
            row.agent_id: row
            for row in _in_force(PayrollMaster, cycle).order_by("effective_from", "base_salary")
        }
        self._scales = {fold(scale.level): scale for scale in PayScale.objects.all()}
        self._bands = list(
            PerformanceBand.objects.order_by("-minimum").values_list("minimum", "multiplier")
        )
        self._bonuses = _bonuses(cycle)
        self._counts_tasks = any(
            bonus.kind == BonusKind.PER_TASK
            for bonuses in self._bonuses.values()
            for bonus in bonuses
        )
        self._debts = {
            agent: -(balance or 0)
            for agent, balance in LedgerAccount.objects.filter(
                kind=AccountKind.DEBT, balance__lt=0
            ).values_list("agent", "balance")
        }
        self._judged = set[UUID]()
        if self._bands:
            no_rating = Q(agent__performance_rating=0) | Q(agent__performance_rating__isnull=True)
            judged = RatingPart.objects.filter(no_rating, count__gt=0)
            self._judged.update(judged.values_list("agent", flat=True))
        self._left = _left_before(cycle)

    def in_chunks(self) -> Iterator[list[Payee]]:
        """All agents, those in service with their terms, with what was moved in the cycle."""
        for start in range(0, len(self._agents), CHUNK):
            payees = {
                payee.id: payee for payee in map(self._payee, self._agents[start : start + CHUNK])
            }
            self._read_movements(payees)
            yield list(payees.values())

    def _payee(self, row: tuple[Any, ...]) -> Payee:
        agent, seniority, rating, registered = row
        rating = rating or Decimal(0)
        serves = agent not in self._left and (
            registered is None or registered < self._cycle.ends_at
        )
        terms = self._terms(agent, seniority, rating) if serves else None
        if terms is None:
            return Payee(agent, rating, None)
        bonuses = [*self._bonuses.get(None, ()), *self._bonuses.get(agent, ())]
        return Payee(agent, rating, terms, bonuses, self._debts.get(agent, 0))

    def _terms(self, agent: UUID, seniority: str | None, rating: Decimal) -> Terms | None:
        own, scale = self._salaries.get(agent), self._scales.get(fold(seniority or ""))
        by_level = _AS_IT_IS
        if scale is not None:
            by_level = Factor(scale.seniority_multiplier, scale.level)
        if own is None:
            if scale is None:
                return None
            basis = f"scale of {scale.level}"
            return Terms(scale.base_salary, basis, by_level, self._by_rating(agent, rating))
        return Terms(
            own.base_salary,
            "agreed",
            _agreed(own.seniority_multiplier) or by_level,
            _agreed(own.performance_multiplier) or self._by_rating(agent, rating),
            own.bonus,
        )

    def _by_rating(self, agent: UUID, rating: Decimal) -> Factor:
        """Nobody is paid less for not having been judged yet."""
        if not rating and agent not in self._judged:
            return _AS_IT_IS
        for minimum, multiplier in self._bands:
            if rating >= minimum:
                return Factor(multiplier, f"rated {rating:.2f}:")
        return _AS_IT_IS

    def _read_movements(self, payees: dict[UUID, Payee]) -> None:
        names = ["pk", "transaction_type", "amount", "description", "source_kind", "source_key"]
        ledger = RodCoinsTransaction.objects.filter(
            cycle=self._cycle.number, agent__in=list(payees)
        ).exclude(transaction_type__in=NOT_PAY)
        if self._counts_tasks:
            undone = RodCoinsTransaction.objects.filter(reverses=OuterRef("pk"))
            ledger = ledger.annotate(is_reversed=Exists(undone))
            names.append("is_reversed")
        ledger = ledger.order_by("created_at", "source_kind", "source_key")
        found = ledger.values_list("agent", "reverses__transaction_type", *names)
        for agent, reversed_type, *values in found:
            payee = payees[agent]
            movement = Movement._make([*values[:6], reversed_type])
            payee.movements.append(movement)
            if self._counts_tasks and movement.source_kind == "task" and not values[6]:
                payee.tasks += 1


def _agreed(multiplier: Decimal | None) -> Factor | None:
    return None if multiplier is None else Factor(multiplier, "agreed")


def _in_force(model: Any, cycle: PayCycle) -> Any:
    """A row that begins when the cycle ends is the next cycle's."""
    return model._base_manager.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gte=cycle.ends_at),
        effective_from__lt=cycle.ends_at,
    )


def _bonuses(cycle: PayCycle) -> dict[UUID | None, list[Bonus]]:
    """By agent; those of everybody under None."""
    found: dict[UUID | None, list[Bonus]] = defaultdict(list)
    rules: Iterable[BonusRule] = _in_force(BonusRule, cycle).order_by(
        "effective_from", "label", "amount"
    )
    for rule in rules:
        bonus = Bonus(rule.kind, rule.label, rule.amount, rule.threshold)
        found[rule.agent_id].append(bonus)
    return found


def _left_before(cycle: PayCycle) -> set[UUID]:
    """The agents that were retired before the cycle started and have been since."""
    retired = set(Agent.objects.filter(status=AgentStatus.RETIRED).values_list("pk", flat=True))
    if not retired:
        return retired
    images = Agent.history.filter(history_date__gte=cycle.starts_at, status=AgentStatus.RETIRED)
    lately = sorted(retired.intersection(images.values_list("id", flat=True)), key=str)
    for start in range(0, len(lately), CHUNK):
        began = _retired_since(lately[start : start + CHUNK])
        retired -= {agent for agent, since in began.items() if since >= cycle.starts_at}
    return retired


def _retired_since(agents: Sequence[UUID]) -> dict[UUID, datetime]:
    """When the present retirement of each began; the history has every change of a status."""
    images = Agent.history.filter(id__in=agents).order_by("history_date")
    began: dict[UUID, datetime] = {}
    for agent, status, moment in images.values_list("id", "status", "history_date"):
        if status == AgentStatus.RETIRED:
            began.setdefault(agent, moment)
        else:
            began.pop(agent, None)
    return began
