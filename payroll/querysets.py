"""Reads of the ledger, the pay cycles and the evaluations, named after what they show."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, When

from payroll.errors import LedgerIsFinal
from rodcorp.databases.ids import natural_id

if TYPE_CHECKING:
    from typing import Any, NoReturn
    from uuid import UUID

    from agents.models import Agent
    from payroll.models import (  # noqa: F401
        Evaluation,
        LedgerAccount,
        PayCycle,
        RodCoinsTransaction,
    )

# how many of a task's rounds are looked up: one is usual, and a statement takes 2,100 parameters
MAX_ROUNDS = 50


class AccountQuerySet(models.QuerySet["LedgerAccount"]):
    def wallet_of(self, agent: "Agent") -> "LedgerAccount | None":
        """None until the first posting opens it."""
        return self.filter(agent=agent, kind="wallet").first()


class TransactionQuerySet(models.QuerySet["RodCoinsTransaction"]):
    def in_ledger(self) -> "TransactionQuerySet":
        return self.order_by("-created_at", "source_kind", "source_key")

    def of_agent(self, agent: "Agent") -> "TransactionQuerySet":
        return self.filter(agent=agent).in_ledger()

    def of_wallet(self, agent: "Agent", wallet: "LedgerAccount | None") -> "TransactionQuerySet":
        """An agent's rows, and those of others that moved its coins, from its wallet's view."""
        if wallet is None:
            return self.of_agent(agent).signed()
        touching = Q(agent=agent) | Q(source=wallet) | Q(target=wallet)
        return self.filter(touching).in_ledger().signed(wallet)

    def of_task(self, task_id: "UUID", rounds: int) -> "TransactionQuerySet":
        """What the latest rounds of a task paid, newest first."""
        first = max(1, rounds - MAX_ROUNDS + 1)
        causes = [f"{task_id}/{number}" for number in range(first, rounds + 1)]
        paid = [natural_id("transaction", "task", cause) for cause in causes]
        return self.filter(pk__in=paid).in_ledger().signed()

    def signed(self, wallet: "LedgerAccount | None" = None) -> "TransactionQuerySet":
        """With `signed`, what each row did to that wallet or to its own agent's, and with
        `is_reversed`."""
        takes = Q(source=wallet) if wallet else Q(source__kind="wallet", source__agent=F("agent"))
        undone = self.model._base_manager.filter(reverses=OuterRef("pk"))
        return self.annotate(
            signed=Case(
                When(takes, then=-F("amount")),
                default=F("amount"),
                output_field=models.BigIntegerField(),
            ),
            is_reversed=Exists(undone),
        )

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
