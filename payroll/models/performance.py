"""Judgements of agents' work, what was observed of it, and the rating that follows."""

from django.db import models

from agents.models import Agent
from payroll.querysets import EvaluationQuerySet, ObservationQuerySet, RatingPartQuerySet
from rodcorp.databases.fields import CurrentTime, GuidField, KeyField, NewGuid, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.kit.rows import SignedRow


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
    # of a continuous evaluation: what it was made from, as JSON by kind of observation
    parts = models.TextField(null=True, blank=True, db_column="Parts")
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


class ObservationKind(models.TextChoices):
    QUALITY = "quality"
    PUNCTUALITY = "punctuality"
    REVIEW = "review"


class Observation(SignedRow):
    """Something another department saw of an agent's work. The id is natural: (source kind, source
    key, kind)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="ObservationUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        related_name="observations",
        db_index=False,
        db_column="AgentUUID",
    )
    kind = models.CharField(max_length=20, choices=ObservationKind.choices, db_column="Kind")
    score = models.DecimalField(max_digits=3, decimal_places=2, db_column="Score")
    source_kind = models.CharField(max_length=20, db_column="SourceKind")
    source_key = KeyField(max_length=200, db_column="SourceKey")
    observed_at = UtcDateTimeField(db_column="ObservedAt")

    objects = ObservationQuerySet.as_manager()

    class Meta:
        db_table = "PerformanceObservations"
        constraints = [
            models.UniqueConstraint(
                fields=["source_kind", "source_key", "kind"], name="Observations_Source"
            ),
            models.CheckConstraint(
                condition=models.Q(score__range=(0, 5)), name="Observations_Score"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=ObservationKind.values), name="Observations_Kind"
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "-observed_at"], name="Observations_Agent_At"),
            models.Index(fields=["-observed_at"], name="Observations_At"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.score}"


class RatingPart(models.Model):
    """Derived: how many judgements of one kind an agent has (`manual`, or a kind of observation),
    and their sum. The id is natural: (agent, kind)."""

    is_derived = True

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="PartUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.DO_NOTHING,
        related_name="rating_parts",
        db_constraint=False,
        db_index=False,
        db_column="AgentUUID",
    )
    kind = models.CharField(max_length=20, db_column="Kind")
    count = models.BigIntegerField(db_column="Judgements")
    # in hundredths, so that a sum is exact in both databases
    points = models.BigIntegerField(db_column="ScorePoints")

    objects = RatingPartQuerySet.as_manager()

    class Meta:
        db_table = "RatingParts"
        constraints = [
            models.UniqueConstraint(fields=["agent", "kind"], name="RatingParts_Agent_Kind"),
        ]

    def __str__(self) -> str:
        return f"{self.count} × {self.kind}"
