"""Reads of the ledger, the pay cycles and the evaluations, named after what they show."""

from typing import TYPE_CHECKING

from django.db import models

from payroll.errors import LedgerIsFinal

if TYPE_CHECKING:
    from typing import Any, NoReturn

    from agents.models import Agent
    from payroll.models import (  # noqa: F401
        Evaluation,
        LedgerAccount,
        PayCycle,
        RodCoinsTransaction,
    )


class AccountQuerySet(models.QuerySet["LedgerAccount"]):
    def wallet_of(self, agent: "Agent") -> "LedgerAccount | None":
        """None until the first posting opens it."""
        return self.filter(agent=agent, kind="wallet").first()


class TransactionQuerySet(models.QuerySet["RodCoinsTransaction"]):
    def in_ledger(self) -> "TransactionQuerySet":
        return self.order_by("-created_at", "source_kind", "source_key")

    def of_agent(self, agent: "Agent") -> "TransactionQuerySet":
        return self.filter(agent=agent).in_ledger()

    def update(self, **values: "Any") -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never changed; reverse them instead.")

    def delete(self) -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never deleted; reverse them instead.")

    delete.queryset_only = True  # type: ignore[attr-defined]


class PayCycleQuerySet(models.QuerySet["PayCycle"]):
    def newest_first(self) -> "PayCycleQuerySet":
        return self.order_by("-number")

    def current_number(self) -> int:
        """The cycle that new rows are booked in: the first one not closed, 1 if there is none."""
        open_cycle = self.exclude(state="closed").order_by("number").first()
        if open_cycle is not None:
            return open_cycle.number
        last = self.order_by("-number").first()
        return last.number + 1 if last else 1


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def recent(self) -> "EvaluationQuerySet":
        return self.order_by("-evaluated_at", "evaluator_name")

    def of_agent(self, agent: "Agent") -> "EvaluationQuerySet":
        return self.filter(agent=agent).recent()
