"""Pay cycles, what agents got in them, and the seals of those that are closed."""

from django.db import models

from agents.models import Agent
from payroll.models.ledger import RodCoinsTransaction
from payroll.querysets import LineQuerySet, PayCycleQuerySet, PayslipQuerySet, StepQuerySet
from rodcorp.databases.fields import GuidField, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.kit.rows import History, SignedRow


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
    version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, db_column="Version"
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


class PayCycleStep(SignedRow):
    """That a cycle entered a state, and by whom. The id is natural: (cycle, happened at)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="StepUUID")
    cycle = models.ForeignKey(
        PayCycle,
        on_delete=models.PROTECT,
        related_name="steps",
        db_index=False,
        db_column="CycleUUID",
    )
    state = models.CharField(max_length=20, choices=PayCycleState.choices, db_column="State")
    note = models.CharField(max_length=500, default="", db_default="", db_column="Note")
    happened_at = UtcDateTimeField(db_column="HappenedAt")

    objects = StepQuerySet.as_manager()

    class Meta:
        db_table = "PayCycleSteps"
        indexes = [models.Index(fields=["cycle", "-happened_at"], name="PayCycleSteps_Cycle")]

    def __str__(self) -> str:
        return f"{self.state} by {self.actor_name}"


class LedgerSeal(SignedRow):
    """Some of a closed cycle's rows of the ledger, in order, each with the digest of what it said,
    chained to the seal before it. The id is natural: (cycle, position)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="SealUUID")
    cycle = models.ForeignKey(
        PayCycle,
        on_delete=models.PROTECT,
        related_name="seals",
        db_index=False,
        db_column="CycleUUID",
    )
    position = models.PositiveIntegerField(db_column="Position")
    # JSON: a list of [id, digest]
    rows = models.TextField(db_column="SealedRows")
    row_count = models.PositiveIntegerField(db_column="RowsSealed")
    previous = models.CharField(max_length=64, db_column="PreviousDigest")
    digest = models.CharField(max_length=64, db_column="Digest")
    sealed_at = UtcDateTimeField(db_column="SealedAt")

    class Meta:
        db_table = "LedgerSeals"
        constraints = [
            models.UniqueConstraint(
                fields=["cycle", "position"], name="LedgerSeals_Cycle_Position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.row_count} rows of {self.cycle}"


class Payslip(SignedRow):
    """What an agent got in a cycle: `net` is the sum of its lines. The id is natural:
    (cycle, agent)."""

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
    # what the cycle still pays: the salary and the bonuses, less what is kept to recover a debt;
    # the rest of the net was booked when it was earned
    due = models.BigIntegerField(db_column="DueRodCoins")
    recovered = models.BigIntegerField(default=0, db_default=0, db_column="RecoveredRodCoins")

    objects = PayslipQuerySet.as_manager()

    class Meta:
        db_table = "Payslips"
        constraints = [
            models.UniqueConstraint(fields=["cycle", "agent"], name="Payslips_Cycle_Agent"),
        ]
        indexes = [
            models.Index(fields=["agent"], name="Payslips_Agent"),
        ]

    def __str__(self) -> str:
        return f"payslip of {self.net}"


class LineKind(models.TextChoices):
    """Why coins are on a payslip. The first ones are paid by it; from `award` on the ledger had
    moved them before."""

    BASE = "base"
    SENIORITY = "seniority"
    PERFORMANCE = "performance"
    BONUS = "bonus"
    ROUNDING = "rounding"
    RECOVERY = "recovery"
    AWARD = "award"
    DEDUCTION = "deduction"
    REVERSAL = "reversal"


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
    position = models.PositiveIntegerField(db_column="Position")
    kind = models.CharField(max_length=20, choices=LineKind.choices, db_column="Kind")
    label = models.CharField(max_length=500, db_column="Label")
    # what the amount was computed from, in words: "senior, 1.50"
    basis = models.CharField(max_length=200, default="", db_default="", db_column="Basis")
    amount = models.BigIntegerField(db_column="Amount")
    # the row of the ledger that had moved these coins already
    transaction = models.ForeignKey(
        RodCoinsTransaction,
        on_delete=models.PROTECT,
        null=True,
        related_name="payslip_lines",
        db_index=False,
        db_column="TransactionUUID",
    )

    objects = LineQuerySet.as_manager()

    class Meta:
        db_table = "PayslipLines"
        constraints = [
            models.UniqueConstraint(
                fields=["payslip", "position"], name="PayslipLines_Payslip_Position"
            ),
        ]
        indexes = [models.Index(fields=["transaction"], name="PayslipLines_Transaction")]

    def __str__(self) -> str:
        return f"{self.label}: {self.amount}"
