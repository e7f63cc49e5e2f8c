"""Reads of the ledger, the pay cycles and the evaluations, named after what they show."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce

from payroll.errors import LedgerIsFinal, PayCycleNotFound
from rodcorp.databases.ids import natural_id
from rodcorp.kit import validation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from typing import Any, NoReturn
    from uuid import UUID

    from agents.models import Agent
    from payroll.models import (  # noqa: F401
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

# how many of a task's rounds are looked up: one is usual, and a statement takes 2,100 parameters
MAX_ROUNDS = 50

# a cycle's states before its salaries are in the ledger
UNPAID_STATES = ("draft", "computed", "approved")


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

    def of_payslip(self, payslip: "Payslip") -> "TransactionQuerySet":
        """What posting it moved: the salary and, if a debt was recovered, the recovery."""
        causes = [natural_id("transaction", kind, payslip.pk) for kind in ("payslip", "recovery")]
        return self.filter(pk__in=causes).order_by("source_kind")

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

    def salaries_paid_in(self, cycle: "PayCycle") -> int:
        """The coins the cycle's payslips have brought into wallets so far."""
        paid = self.filter(cycle=cycle.number, source_kind="payslip")
        return self._coins(paid) - self._coins(
            self.filter(cycle=cycle.number, source_kind="recovery")
        )

    @staticmethod
    def _coins(found: "TransactionQuerySet") -> int:
        return int(found.aggregate(sum=Coalesce(Sum("amount"), 0))["sum"])

    def update(self, **values: "Any") -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never changed; reverse them instead.")

    def delete(self) -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never deleted; reverse them instead.")

    delete.queryset_only = True  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never deleted; reverse them instead.")

    def bulk_update(self, *args: "Any", **kwargs: "Any") -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never changed; reverse them instead.")

    def update_or_create(self, *args: "Any", **kwargs: "Any") -> "NoReturn":
        raise LedgerIsFinal("Rows of the ledger are never changed; reverse them instead.")

    def bulk_create(
        self,
        objs: "Iterable[RodCoinsTransaction]",
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: "Collection[str] | None" = None,
        unique_fields: "Collection[str] | None" = None,
    ) -> "list[RodCoinsTransaction]":
        if ignore_conflicts or update_conflicts:
            raise LedgerIsFinal("Rows of the ledger are inserted as new, or not at all.")
        return super().bulk_create(objs, batch_size=batch_size)


class PayCycleQuerySet(models.QuerySet["PayCycle"]):
    def newest_first(self) -> "PayCycleQuerySet":
        return self.order_by("-number")

    def current_number(self) -> int:
        """The cycle that new rows are booked in: the first draft, else the one after the last, 1 if
        there is none."""
        drafts = self.filter(state="draft").order_by("number").values_list("number", flat=True)
        draft = drafts.first()
        if draft is not None:
            return draft
        last = self.last_opened()
        return last.number + 1 if last else 1

    def in_list(self) -> "PayCycleQuerySet":
        """With `payslip_count`, `net`, the sum of their nets, and who made the last step when:
        `moved_by`, `moved_at`."""
        from payroll.models import PayCycleStep, Payslip

        own = Payslip.objects.filter(cycle=OuterRef("pk")).order_by().values("cycle")
        latest = PayCycleStep.objects.filter(cycle=OuterRef("pk")).order_by("-happened_at")
        return self.newest_first().annotate(
            payslip_count=Coalesce(Subquery(own.annotate(number=Count("pk")).values("number")), 0),
            net=Coalesce(Subquery(own.annotate(sum=Sum("net")).values("sum")), 0),
            moved_by=Subquery(latest.values("actor_name")[:1]),
            moved_at=Subquery(latest.values("happened_at")[:1]),
        )

    def last_opened(self) -> "PayCycle | None":
        return self.order_by("-number").first()

    def numbered(self, number: object) -> "PayCycle":
        """Raises `PayCycleNotFound`."""
        wanted = validation.integer(number, "cycle", minimum=1, maximum=2**31 - 1)
        found = self.filter(number=wanted).first()
        if found is None:
            raise PayCycleNotFound(f"There is no pay cycle {wanted}.", field="cycle")
        return found

    def first_in(self, *states: str) -> "PayCycle | None":
        """The lowest number in one of these states."""
        return self.filter(state__in=states).order_by("number").first()

    def before(self, cycle: "PayCycle") -> "PayCycleQuerySet":
        return self.filter(number__lt=cycle.number).order_by("number")

    def due(self, now: "datetime") -> "PayCycleQuerySet":
        """Those that have ended and were not paid yet."""
        return self.filter(ends_at__lte=now, state__in=UNPAID_STATES).order_by("number")


class StepQuerySet(models.QuerySet["PayCycleStep"]):
    def of_cycle(self, cycle: "PayCycle") -> "StepQuerySet":
        """Who moved it, latest first."""
        return self.filter(cycle=cycle).order_by("-happened_at")


class PayslipQuerySet(models.QuerySet["Payslip"]):
    def of_cycle(self, cycle: "PayCycle") -> "PayslipQuerySet":
        return self.filter(cycle=cycle).order_by("agent__name", "agent__project")

    def of_agent(self, agent: "Agent") -> "PayslipQuerySet":
        """Newest first."""
        return self.filter(agent=agent).order_by("-cycle__number")

    def totals(self) -> "dict[str, int]":
        """How many payslips these are, and the sums of what they say."""
        return self.aggregate(
            payslips=Count("pk"),
            net=Coalesce(Sum("net"), 0),
            due=Coalesce(Sum("due"), 0),
            recovered=Coalesce(Sum("recovered"), 0),
        )


class LineQuerySet(models.QuerySet["PayslipLine"]):
    def of_payslip(self, payslip: "Payslip") -> "LineQuerySet":
        return self.filter(payslip=payslip).order_by("position")

    def by_kind(self, cycle: "PayCycle") -> "Any":
        """How many lines of each kind a cycle has, and their sum: (kind, lines, coins)."""
        lines = self.filter(payslip__cycle=cycle).order_by().values_list("kind")
        return lines.annotate(lines=Count("pk"), coins=Sum("amount"))

    def explained(self, payslip: "Payslip") -> "LineQuerySet":
        """A payslip's lines with the rows of the ledger they explain, and what those reverse."""
        return self.of_payslip(payslip).select_related("transaction__reverses")


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def recent(self) -> "EvaluationQuerySet":
        return self.order_by("-evaluated_at", "evaluator_name")

    def of_agent(self, agent: "Agent") -> "EvaluationQuerySet":
        return self.filter(agent=agent).recent()

    def manual_since(self, agent: "Agent", moment: "datetime") -> "EvaluationQuerySet":
        """Those by people and other agents, which count in the rating."""
        return self.of_agent(agent).filter(evaluated_at__gt=moment).exclude(evaluator_kind="system")

    def continuous(self) -> "EvaluationQuerySet":
        """The record made of observations, which counts in no rating."""
        return self.filter(evaluator_kind="system").recent()


class ObservationQuerySet(models.QuerySet["Observation"]):
    def of_agent(self, agent: "Agent") -> "ObservationQuerySet":
        return self.filter(agent=agent).order_by("-observed_at", "source_kind", "source_key")

    def since(self, agent: "Agent", moment: "datetime") -> "ObservationQuerySet":
        return self.of_agent(agent).filter(observed_at__gt=moment)


class RatingPartQuerySet(models.QuerySet["RatingPart"]):
    def of_agent(self, agent: "Agent") -> "RatingPartQuerySet":
        return self.filter(agent=agent).order_by("kind")
