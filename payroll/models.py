"""RodCoins: who earned what, and why.

Design overview: the ledger (`RodCoinsTransactions`) is the truth. Each row moves a positive whole
number of coins from one account to another and is never changed or deleted; a mistake is corrected
by one reversal. A row's id is natural, (source kind, source key), so the same cause cannot be paid
twice. An agent's wallet and debt keep a derived balance, moved in the unit that inserts the row; a
wallet never goes below zero, a debt does. The company's own accounts (treasury, payroll, suspense)
keep none: every payment would queue for the same row. `TotalRodCoinsEarned` is derived too.
"""

from typing import Any

from django.db import models

from agents.models import Agent
from payroll.errors import LedgerIsFinal
from payroll.querysets import (
    AccountQuerySet,
    EvaluationQuerySet,
    PayCycleQuerySet,
    TransactionQuerySet,
)
from rodcorp.databases.fields import CurrentTime, GuidField, KeyField, NewGuid, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.kit.rows import History, SignedRow


class AccountKind(models.TextChoices):
    WALLET = "wallet"
    DEBT = "debt"
    TREASURY = "treasury"
    PAYROLL = "payroll"
    SUSPENSE = "suspense"


class TransactionType(models.TextChoices):
    EARNED = "earned"
    BONUS = "bonus"
    SALARY = "salary"
    DEDUCTION = "deduction"
    ADJUSTMENT = "adjustment"
    REVERSAL = "reversal"
    TRANSFER = "transfer"


# What counts towards TotalRodCoinsEarned; their reversals count against it.
EARNING_TYPES = frozenset({TransactionType.EARNED, TransactionType.BONUS, TransactionType.SALARY})


class LedgerAccount(models.Model):
    """The id is natural: (owner, kind). `agent` is empty for the company's own accounts."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="AccountUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="accounts",
        db_index=False,
        db_column="AgentUUID",
    )
    kind = models.CharField(max_length=20, choices=AccountKind.choices, db_column="Kind")
    balance = models.BigIntegerField(
        null=True, default=0, db_default=0, editable=False, db_column="Balance"
    )

    objects = AccountQuerySet.as_manager()

    class Meta:
        db_table = "LedgerAccounts"
        constraints = [
            models.UniqueConstraint(fields=["agent", "kind"], name="LedgerAccounts_Agent_Kind"),
        ]

    def __str__(self) -> str:
        return f"{self.agent}'s {self.kind}" if self.agent_id else self.kind


class RodCoinsTransaction(SignedRow):
    id = GuidField(
        primary_key=True,
        default=new_id,
        db_default=NewGuid(),
        editable=False,
        db_column="TransactionUUID",
    )
    # whose earnings the row is part of; empty for transfers between the company's own accounts
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        related_name="transactions",
        db_index=False,
        db_column="AgentUUID",
    )
    source = models.ForeignKey(
        LedgerAccount,
        on_delete=models.PROTECT,
        related_name="payments",
        db_index=False,
        db_column="FromAccountUUID",
    )
    target = models.ForeignKey(
        LedgerAccount,
        on_delete=models.PROTECT,
        related_name="receipts",
        db_index=False,
        db_column="ToAccountUUID",
    )
    amount = models.BigIntegerField(db_column="Amount")
    transaction_type = models.CharField(
        max_length=20, choices=TransactionType.choices, db_column="TransactionType"
    )
    description = models.CharField(max_length=500, db_column="Description")
    source_kind = models.CharField(max_length=20, db_column="SourceKind")
    source_key = KeyField(max_length=200, db_column="SourceKey")
    reverses = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reversals",
        db_index=False,
        db_column="ReversesUUID",
    )
    cycle = models.IntegerField(default=1, db_default=1, db_column="PayCycle")
    # when what it pays for happened; `created_at` is when it was booked
    occurred_at = UtcDateTimeField(db_default=CurrentTime(), db_column="OccurredAt")
    created_at = UtcDateTimeField(db_default=CurrentTime(), db_column="CreatedAt")

    objects = TransactionQuerySet.as_manager()

    class Meta:
        db_table = "RodCoinsTransactions"
        verbose_name = "RodCoins transaction"
        constraints = [
            models.UniqueConstraint(fields=["source_kind", "source_key"], name="RodCoins_Source"),
            models.UniqueConstraint(
                fields=["reverses"],
                condition=models.Q(reverses__isnull=False),
                name="RodCoins_Reverses",
                violation_error_message="This transaction was already reversed.",
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="RodCoins_Amount"),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("target")), name="RodCoins_Accounts"
            ),
            models.CheckConstraint(
                condition=models.Q(transaction_type__in=TransactionType.values),
                name="RodCoins_Type",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="RodCoins_CreatedAt"),
            models.Index(fields=["agent", "-created_at"], name="RodCoins_Agent_CreatedAt"),
            models.Index(fields=["source"], name="RodCoins_From"),
            models.Index(fields=["target"], name="RodCoins_To"),
            models.Index(fields=["transaction_type", "-created_at"], name="RodCoins_Type_At"),
            models.Index(fields=["cycle", "agent"], name="RodCoins_Cycle_Agent"),
            models.Index(fields=["amount"], name="RodCoins_Amount_Size"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.transaction_type}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise LedgerIsFinal("A row of the ledger is never changed; reverse it instead.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        raise LedgerIsFinal("A row of the ledger is never deleted; reverse it instead.")


class PayrollMaster(models.Model):
    """What an agent is paid a cycle, from a date on. The id is natural: (agent, effective from)."""

    id = GuidField(
        primary_key=True,
        default=new_id,
        db_default=NewGuid(),
        editable=False,
        db_column="PayrollUUID",
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="payroll",
        db_index=False,
        db_column="AgentUUID",
    )
    base_salary = models.BigIntegerField(default=0, db_default=0, db_column="BaseSalary")
    seniority_multiplier = models.DecimalField(
        max_digits=5, decimal_places=2, default=1, db_default=1, db_column="SeniorityMultiplier"
    )
    performance_multiplier = models.DecimalField(
        max_digits=5, decimal_places=2, default=1, db_default=1, db_column="PerformanceMultiplier"
    )
    bonus = models.BigIntegerField(default=0, db_default=0, db_column="BonusRodCoins")
    effective_from = UtcDateTimeField(db_default=CurrentTime(), db_column="EffectiveFrom")
    effective_to = UtcDateTimeField(null=True, blank=True, db_column="EffectiveTo")

    history = History(table="PayrollMasterHistory")

    class Meta:
        db_table = "PayrollMaster"
        verbose_name_plural = "payroll master"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(base_salary__gte=0)
                & models.Q(bonus__gte=0)
                & models.Q(seniority_multiplier__gte=0)
                & models.Q(performance_multiplier__gte=0),
                name="PayrollMaster_NotNegative",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-effective_from"], name="PayrollMaster_Agent"),
            models.Index(fields=["-effective_from"], name="PayrollMaster_From"),
        ]

    def __str__(self) -> str:
        return f"{self.base_salary} a cycle"


class PayCycleState(models.TextChoices):
    DRAFT = "draft"
    COMPUTED = "computed"
    APPROVED = "approved"
    POSTED = "posted"
    CLOSED = "closed"


class PayCycle(models.Model):
    """The id is natural: (number)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="CycleUUID")
    number = models.PositiveIntegerField(unique=True, db_column="CycleNumber")
    starts_at = UtcDateTimeField(db_column="StartsAt")
    ends_at = UtcDateTimeField(db_column="EndsAt")
    state = models.CharField(
        max_length=20,
        choices=PayCycleState.choices,
        default=PayCycleState.DRAFT,
        db_column="State",
    )
    is_sample = models.BooleanField(
        default=False, db_default=False, editable=False, db_column="IsSample"
    )

    history = History(table="PayCyclesHistory")
    objects = PayCycleQuerySet.as_manager()

    class Meta:
        db_table = "PayCycles"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="PayCycles_Period"
            ),
        ]
        indexes = [models.Index(fields=["state", "-number"], name="PayCycles_State")]

    def __str__(self) -> str:
        return f"cycle {self.number}"


class Payslip(SignedRow):
    """What an agent got in a cycle. The id is natural: (cycle, agent)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="PayslipUUID")
    cycle = models.ForeignKey(
        PayCycle,
        on_delete=models.PROTECT,
        related_name="payslips",
        db_index=False,
        db_column="CycleUUID",
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="payslips",
        db_index=False,
        db_column="AgentUUID",
    )
    net = models.BigIntegerField(db_column="NetRodCoins")
    transaction = models.ForeignKey(
        RodCoinsTransaction,
        on_delete=models.PROTECT,
        null=True,
        related_name="payslips",
        db_index=False,
        db_column="TransactionUUID",
    )

    class Meta:
        db_table = "Payslips"
        constraints = [
            models.UniqueConstraint(fields=["cycle", "agent"], name="Payslips_Cycle_Agent"),
        ]
        indexes = [
            models.Index(fields=["agent"], name="Payslips_Agent"),
            models.Index(fields=["transaction"], name="Payslips_Transaction"),
        ]

    def __str__(self) -> str:
        return f"payslip of {self.net}"


class PayslipLine(SignedRow):
    """One reason for coins. The id is natural: (payslip, position)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="LineUUID")
    payslip = models.ForeignKey(
        Payslip,
        on_delete=models.PROTECT,
        related_name="lines",
        db_index=False,
        db_column="PayslipUUID",
    )
    position = models.PositiveSmallIntegerField(db_column="Position")
    label = models.CharField(max_length=200, db_column="Label")
    amount = models.BigIntegerField(db_column="Amount")

    class Meta:
        db_table = "PayslipLines"
        constraints = [
            models.UniqueConstraint(
                fields=["payslip", "position"], name="PayslipLines_Payslip_Position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.amount}"


class Evaluation(SignedRow):
    """A judgement of an agent's work by a user or another agent."""

    id = GuidField(
        primary_key=True,
        default=new_id,
        db_default=NewGuid(),
        editable=False,
        db_column="PerformanceUUID",
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="evaluations",
        db_index=False,
        db_column="AgentUUID",
    )
    score = models.DecimalField(max_digits=3, decimal_places=2, db_column="PerformanceScore")
    evaluator_kind = models.CharField(max_length=10, db_column="EvaluatorKind")
    evaluator_id = GuidField(db_column="EvaluatorUUID")
    evaluator_name = models.CharField(max_length=100, db_column="EvaluatorName")
    notes = models.TextField(null=True, blank=True, db_column="Notes")
    rating_after = models.DecimalField(max_digits=3, decimal_places=2, db_column="RatingAfter")
    evaluated_at = UtcDateTimeField(db_default=CurrentTime(), db_column="EvaluatedAt")

    objects = EvaluationQuerySet.as_manager()

    class Meta:
        db_table = "AgentPerformanceHistory"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(score__range=(0, 5)), name="Performance_Score"
            ),
            models.CheckConstraint(
                condition=~models.Q(evaluator_id=models.F("agent")), name="Performance_NotSelf"
            ),
        ]
        indexes = [
            models.Index(fields=["-evaluated_at"], name="Performance_At"),
            models.Index(fields=["agent", "-evaluated_at"], name="Performance_Agent_At"),
            models.Index(fields=["evaluator_id", "-evaluated_at"], name="Performance_Evaluator"),
            models.Index(fields=["score"], name="Performance_Score_Size"),
        ]

    def __str__(self) -> str:
        return f"{self.score} by {self.evaluator_name}"
