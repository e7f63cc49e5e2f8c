"""Work: what is to be done, by whom, how far it is, and whether it was any good.

Design overview: a task goes pending -> in_progress -> completed; it may be blocked on the way and
cancelled at any point. Completing it pays its reward, the *claimed* state; `review_state` says
whether it is *verified*. Reopening starts the next `round` and takes the round's reward back, so a
reward is paid once a round. Every change moves `version` on and is refused if somebody else
changed the task since it was read. A task points at its discussion thread, never the other way.
"""

from datetime import datetime

from django.db import models
from django.utils import timezone

from agents.models import Agent
from rodcorp.databases.current import unit_time
from rodcorp.databases.fields import (
    CurrentTime,
    ExactKeyField,
    GuidField,
    KeyField,
    NewGuid,
    UtcDateTimeField,
)
from rodcorp.databases.ids import new_id
from rodcorp.kit.priorities import Priority
from rodcorp.kit.rows import History, SignedRow
from tasks.querysets import TaskQuerySet


class TaskStatus(models.TextChoices):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


OPEN_STATUSES = (TaskStatus.PENDING, TaskStatus.IN_PROGRESS, TaskStatus.BLOCKED)


class ReviewState(models.TextChoices):
    NONE = "none"
    WAITING = "waiting"
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"


class Task(models.Model):
    id = GuidField(
        primary_key=True,
        default=new_id,
        db_default=NewGuid(),
        editable=False,
        db_column="TaskUUID",
    )
    project = KeyField(max_length=100, db_column="ProjectID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tasks",
        db_index=False,
        db_column="AgentUUID",
    )
    title = models.CharField(max_length=200, db_column="Title")
    description = models.TextField(db_column="Description")
    status = models.CharField(
        max_length=20,
        choices=TaskStatus.choices,
        default=TaskStatus.PENDING,
        db_default=TaskStatus.PENDING.value,
        db_column="Status",
    )
    priority = models.SmallIntegerField(
        choices=Priority.choices,
        default=Priority.NORMAL,
        db_default=Priority.NORMAL.value,
        db_column="Priority",
    )
    completion_percentage = models.SmallIntegerField(
        default=0, db_default=0, db_column="CompletionPercentage"
    )
    quality_score = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, db_column="QualityScore"
    )
    due_date = UtcDateTimeField(null=True, blank=True, db_column="DueDate")
    supervisor_notes = models.TextField(null=True, blank=True, db_column="SupervisorNotes")
    # NULL: the default of the priority, decided when the task is completed
    reward = models.BigIntegerField(null=True, blank=True, db_column="RewardRodCoins")
    round_number = models.PositiveSmallIntegerField(
        default=1, db_default=1, editable=False, db_column="Round"
    )
    review_state = models.CharField(
        max_length=20,
        choices=ReviewState.choices,
        default=ReviewState.NONE,
        db_default=ReviewState.NONE.value,
        editable=False,
        db_column="ReviewState",
    )
    lease_token = models.CharField(
        max_length=64, null=True, blank=True, editable=False, db_column="LeaseToken"
    )
    lease_until = UtcDateTimeField(null=True, blank=True, editable=False, db_column="LeaseUntil")
    attempt = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, db_column="Attempt"
    )
    thread = GuidField(null=True, blank=True, editable=False, db_column="ThreadUUID")
    created_at = UtcDateTimeField(
        default=unit_time, db_default=CurrentTime(), editable=False, db_column="CreatedAt"
    )
    started_at = UtcDateTimeField(null=True, blank=True, editable=False, db_column="StartedAt")
    completed_at = UtcDateTimeField(null=True, blank=True, editable=False, db_column="CompletedAt")
    # where an imported task comes from; its id is natural in (source, key)
    external_source = models.CharField(
        max_length=50, null=True, blank=True, editable=False, db_column="ExternalSource"
    )
    external_key = ExactKeyField(
        max_length=200, null=True, blank=True, editable=False, db_column="ExternalKey"
    )
    version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, db_column="Version"
    )
    is_sample = models.BooleanField(
        default=False, db_default=False, editable=False, db_column="IsSample"
    )

    history = History(table="AgentTodoTrackingHistory", excluded_fields=["lease_token"])
    objects = TaskQuerySet.as_manager()

    class Meta:
        db_table = "AgentTodoTracking"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=TaskStatus.values), name="Todo_Status_Known"
            ),
            models.CheckConstraint(
                condition=models.Q(priority__in=Priority.values), name="Todo_Priority_Known"
            ),
            models.CheckConstraint(
                condition=models.Q(completion_percentage__range=(0, 100)), name="Todo_Completion"
            ),
            models.CheckConstraint(
                condition=models.Q(quality_score__range=(0, 5)), name="Todo_Quality"
            ),
            models.CheckConstraint(condition=models.Q(reward__gte=0), name="Todo_Reward"),
            models.CheckConstraint(
                condition=models.Q(review_state__in=ReviewState.values), name="Todo_Review_Known"
            ),
            models.UniqueConstraint(
                fields=["external_source", "external_key"],
                condition=models.Q(external_key__isnull=False),
                name="Todo_External",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "title"], name="Todo_CreatedAt"),
            models.Index(fields=["agent", "-created_at", "title"], name="Todo_Agent"),
            models.Index(fields=["agent", "status", "-created_at"], name="Todo_Agent_Status"),
            models.Index(fields=["status", "-priority", "created_at"], name="Todo_Status_Priority"),
            models.Index(fields=["status", "due_date"], name="Todo_Status_Due"),
            models.Index(fields=["project", "-created_at", "title"], name="Todo_Project"),
            models.Index(fields=["priority", "-created_at"], name="Todo_Priority"),
            models.Index(fields=["due_date"], name="Todo_Due"),
            models.Index(fields=["review_state", "completed_at"], name="Todo_Review"),
            models.Index(fields=["completed_at"], name="Todo_CompletedAt"),
            models.Index(fields=["completion_percentage"], name="Todo_Completion_Size"),
            models.Index(fields=["quality_score"], name="Todo_Quality_Size"),
            models.Index(fields=["title"], name="Todo_Title"),
            models.Index(fields=["reward"], name="Todo_Reward_Size"),
        ]

    def __str__(self) -> str:
        return self.title

    def is_overdue_at(self, now: datetime) -> bool:
        return self.status in OPEN_STATUSES and self.due_date is not None and self.due_date < now

    @property
    def is_overdue(self) -> bool:
        return self.is_overdue_at(timezone.now())


class TaskSkill(models.Model):
    """A skill a task requires, or prefers. The id is natural: (task, skill)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="TaskSkillUUID")
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="skills", db_index=False, db_column="TaskUUID"
    )
    skill = KeyField(max_length=100, db_column="Skill")
    level = models.PositiveSmallIntegerField(default=1, db_column="Level")
    required = models.BooleanField(default=True, db_column="Required")

    history = History(table="TaskSkillsHistory")

    class Meta:
        db_table = "TaskSkills"
        constraints = [
            models.UniqueConstraint(fields=["task", "skill"], name="TaskSkills_Task_Skill"),
            models.CheckConstraint(
                condition=models.Q(level__range=(1, 10)), name="TaskSkills_Level"
            ),
        ]
        indexes = [models.Index(fields=["skill"], name="TaskSkills_Skill")]

    def __str__(self) -> str:
        return f"{self.skill} {self.level}"


class TaskLabel(models.Model):
    """The id is natural: (task, label)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="TaskLabelUUID")
    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="labels", db_index=False, db_column="TaskUUID"
    )
    label = KeyField(max_length=100, db_column="Label")

    history = History(table="TaskLabelsHistory")

    class Meta:
        db_table = "TaskLabels"
        constraints = [
            models.UniqueConstraint(fields=["task", "label"], name="TaskLabels_Task_Label"),
        ]
        indexes = [models.Index(fields=["label"], name="TaskLabels_Label")]

    def __str__(self) -> str:
        return str(self.label)


class TaskDependency(models.Model):
    """That a task relates to another: `blocks` means it waits for it. What is not in this
    database is kept as text. The id is natural: (task, kind, what it depends on)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="DependencyUUID")
    task = models.ForeignKey(
        Task,
        on_delete=models.CASCADE,
        related_name="dependencies",
        db_index=False,
        db_column="TaskUUID",
    )
    depends_on = models.ForeignKey(
        Task,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="dependents",
        db_index=False,
        db_column="DependsOnUUID",
    )
    external = models.CharField(max_length=200, null=True, blank=True, db_column="ExternalKey")
    kind = models.CharField(max_length=30, default="blocks", db_column="Kind")

    history = History(table="TaskDependenciesHistory")

    class Meta:
        db_table = "TaskDependencies"
        verbose_name_plural = "task dependencies"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(depends_on__isnull=True, external__isnull=False)
                | models.Q(depends_on__isnull=False, external__isnull=True),
                name="TaskDependencies_One",
            ),
        ]
        indexes = [
            models.Index(fields=["task", "kind"], name="TaskDependencies_Task"),
            models.Index(fields=["depends_on", "kind"], name="TaskDependencies_On"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external or self.depends_on_id}"


class Verdict(models.TextChoices):
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"


class Review(SignedRow):
    """A reviewer's verdict on one version of a task."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="ReviewUUID")
    task = models.ForeignKey(
        Task, on_delete=models.PROTECT, related_name="reviews", db_index=False, db_column="TaskUUID"
    )
    round_number = models.PositiveSmallIntegerField(db_column="Round")
    version_seen = models.PositiveIntegerField(db_column="VersionSeen")
    verdict = models.CharField(max_length=20, choices=Verdict.choices, db_column="Verdict")
    correctness = models.PositiveSmallIntegerField(null=True, db_column="Correctness")
    completeness = models.PositiveSmallIntegerField(null=True, db_column="Completeness")
    clarity = models.PositiveSmallIntegerField(null=True, db_column="Clarity")
    evidence = models.PositiveSmallIntegerField(null=True, db_column="Evidence")
    note = models.TextField(null=True, blank=True, db_column="Note")
    reviewed_at = UtcDateTimeField(db_column="ReviewedAt")

    class Meta:
        db_table = "TaskReviews"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    correctness__range=(1, 5),
                    completeness__range=(1, 5),
                    clarity__range=(1, 5),
                    evidence__range=(1, 5),
                ),
                name="TaskReviews_Rubric",
            ),
        ]
        indexes = [
            models.Index(fields=["task", "-reviewed_at"], name="TaskReviews_Task"),
            models.Index(fields=["-reviewed_at"], name="TaskReviews_At"),
        ]

    def __str__(self) -> str:
        return self.verdict


class DispatchDecision(SignedRow):
    """Why a task went to this agent, and why not to the others."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="DecisionUUID")
    task = models.ForeignKey(
        Task,
        on_delete=models.CASCADE,
        related_name="decisions",
        db_index=False,
        db_column="TaskUUID",
    )
    chosen = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        related_name="decisions",
        db_index=False,
        db_column="ChosenAgentUUID",
    )
    algorithm = models.CharField(max_length=20, db_column="Algorithm")
    inputs_hash = models.CharField(max_length=64, db_column="InputsHash")
    weights = models.JSONField(db_column="Weights")
    candidates = models.JSONField(db_column="Candidates")
    rejections = models.JSONField(db_column="Rejections")
    decided_at = UtcDateTimeField(db_column="DecidedAt")

    class Meta:
        db_table = "DispatchDecisions"
        indexes = [
            models.Index(fields=["task", "-decided_at"], name="DispatchDecisions_Task"),
            models.Index(fields=["chosen", "-decided_at"], name="DispatchDecisions_Chosen"),
            models.Index(fields=["-decided_at"], name="DispatchDecisions_At"),
        ]

    def __str__(self) -> str:
        return f"decision of {self.decided_at}"
