"""What agents are paid a cycle: by agent, by seniority level, by rating, and the bonus rules."""

from django.db import models

from agents.models import Agent
from rodcorp.databases.fields import CurrentTime, GuidField, KeyField, NewGuid, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.kit.rows import History


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
    # empty: the pay scale of the agent's seniority level says it
    seniority_multiplier = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        db_default=1,
        db_column="SeniorityMultiplier",
    )
    # empty: the band of the agent's rating says it
    performance_multiplier = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        db_default=1,
        db_column="PerformanceMultiplier",
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


class PayScale(models.Model):
    """What a seniority level is paid where an agent's own row does not say. The id is natural:
    (level)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="ScaleUUID")
    level = KeyField(max_length=50, unique=True, db_column="SeniorityLevel")
    base_salary = models.BigIntegerField(db_column="BaseSalary")
    seniority_multiplier = models.DecimalField(
        max_digits=5, decimal_places=2, db_column="SeniorityMultiplier"
    )

    history = History(table="PayScalesHistory")

    class Meta:
        db_table = "PayScales"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(base_salary__gte=0) & models.Q(seniority_multiplier__gte=0),
                name="PayScales_NotNegative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level}: {self.base_salary} × {self.seniority_multiplier}"


class PerformanceBand(models.Model):
    """The performance multiplier of ratings from `minimum` up to the next band. The id is natural:
    (minimum)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="BandUUID")
    minimum = models.DecimalField(
        max_digits=3, decimal_places=2, unique=True, db_column="MinimumRating"
    )
    multiplier = models.DecimalField(
        max_digits=5, decimal_places=2, db_column="PerformanceMultiplier"
    )

    history = History(table="PerformanceBandsHistory")

    class Meta:
        db_table = "PerformanceBands"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(minimum__range=(0, 5)) & models.Q(multiplier__gte=0),
                name="PerformanceBands_Range",
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.minimum}: × {self.multiplier}"


class BonusKind(models.TextChoices):
    FIXED = "fixed"
    PER_TASK = "per_task"
    RATING = "rating"


class BonusRule(models.Model):
    """Coins a cycle on top of the salary, for one agent or, without one, for everybody: `fixed`
    always, `per_task` for each task completed in the cycle, `rating` if the agent is rated at
    least `threshold`."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="RuleUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="bonus_rules",
        db_index=False,
        db_column="AgentUUID",
    )
    kind = models.CharField(max_length=20, choices=BonusKind.choices, db_column="Kind")
    label = models.CharField(max_length=100, db_column="Label")
    amount = models.BigIntegerField(db_column="Amount")
    threshold = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, db_column="RatingThreshold"
    )
    effective_from = UtcDateTimeField(db_column="EffectiveFrom")
    effective_to = UtcDateTimeField(null=True, blank=True, db_column="EffectiveTo")

    history = History(table="BonusRulesHistory")

    class Meta:
        db_table = "BonusRules"
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="BonusRules_Amount"),
            models.CheckConstraint(
                condition=models.Q(kind__in=BonusKind.values), name="BonusRules_Kind"
            ),
            models.CheckConstraint(
                condition=models.Q(threshold__isnull=True) | models.Q(threshold__range=(0, 5)),
                name="BonusRules_Threshold",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-effective_from"], name="BonusRules_Agent"),
            models.Index(fields=["-effective_from"], name="BonusRules_From"),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.amount}"
