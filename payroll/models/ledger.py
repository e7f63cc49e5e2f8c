"""Accounts, and the rows that move coins between them."""

from typing import Any

from django.db import models

from agents.models import Agent
from payroll.errors import LedgerIsFinal
from payroll.querysets import AccountQuerySet, TransactionQuerySet
from rodcorp.databases.fields import CurrentTime, GuidField, KeyField, NewGuid, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.kit.rows import SignedRow


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
