"""The registry of agents and what they say to each other.

Design overview: `GlobalAgentRegistry` and `AgentDiscussions` are documented tables that other
programs write too, so every column we add is nullable or has a default in the database. How alive
an agent is follows from LastSeen when it is read; the table keeps only the last transition, so
that each is noticed once. Messages are never edited: a message names its author and can only be
acknowledged.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils import timezone

from agents.querysets import AgentQuerySet, DiscussionQuerySet, LivenessChangeQuerySet
from rodcorp.actors import Actor, ActorKind
from rodcorp.databases.current import unit_time
from rodcorp.databases.fields import (
    CurrentTime,
    DefaultBigIntegerField,
    DefaultCharField,
    DefaultDecimalField,
    DefaultIntegerField,
    GuidField,
    KeyField,
    NewGuid,
    UtcDateTimeField,
)
from rodcorp.databases.ids import new_id
from rodcorp.kit.priorities import Priority
from rodcorp.kit.rows import History, SignedRow

AI_MODELS = ("claude", "codex", "qwen", "gemini")


class AgentStatus(models.TextChoices):
    ACTIVE = "active"
    INACTIVE = "inactive"
    RETIRED = "retired"


class Liveness(models.TextChoices):
    UP = "up"
    LATE = "late"
    DOWN = "down"


class Agent(models.Model):
    id = GuidField(
        primary_key=True,
        default=new_id,
        db_default=NewGuid(),
        editable=False,
        db_column="AgentUUID",
    )
    name = KeyField(max_length=100, db_column="AgentName")
    project = KeyField(max_length=100, db_column="ProjectID")
    machine_hostname = models.CharField(max_length=100, db_column="MachineHostname")
    machine_ip = models.CharField("machine IP", max_length=45, db_column="MachineIP")
    team = models.CharField(max_length=100, null=True, blank=True, db_column="Team")
    role = models.CharField(max_length=200, null=True, blank=True, db_column="Role")
    ai_model = models.CharField(
        "AI model",
        max_length=50,
        null=True,
        blank=True,
        choices=[(name, name) for name in AI_MODELS],
        db_column="AIModel",
    )
    personality = models.CharField(
        max_length=50, null=True, blank=True, db_column="Personality17Disc"
    )
    specialization = models.CharField(
        max_length=300, null=True, blank=True, db_column="Specialization"
    )
    seniority = models.CharField(max_length=50, null=True, blank=True, db_column="SeniorityLevel")
    status = DefaultCharField(
        max_length=50,
        null=True,
        default=AgentStatus.ACTIVE,
        db_default=AgentStatus.ACTIVE.value,
        choices=AgentStatus.choices,
        db_column="Status",
    )
    first_registered = UtcDateTimeField(
        null=True,
        default=unit_time,
        db_default=CurrentTime(),
        editable=False,
        db_column="FirstRegistered",
    )
    last_seen = UtcDateTimeField(
        null=True,
        default=unit_time,
        db_default=CurrentTime(),
        editable=False,
        db_column="LastSeen",
    )
    communication_port = DefaultIntegerField(
        null=True, default=8888, db_default=8888, db_column="CommunicationPort"
    )
    performance_rating = DefaultDecimalField(
        max_digits=3,
        decimal_places=2,
        null=True,
        default=Decimal("0.00"),
        db_default=Decimal("0.00"),
        editable=False,
        db_column="PerformanceRating",
    )
    total_rodcoins_earned = DefaultBigIntegerField(
        null=True, default=0, db_default=0, editable=False, db_column="TotalRodCoinsEarned"
    )
    current_pay_cycle = DefaultIntegerField(
        null=True, default=1, db_default=1, editable=False, db_column="CurrentPayCycle"
    )
    # what the sweep last saw; the present state is `liveness_at`
    noted_liveness = models.CharField(
        max_length=10,
        choices=Liveness.choices,
        default=Liveness.UP,
        db_default=Liveness.UP.value,
        editable=False,
        db_column="NotedLiveness",
    )
    is_sample = models.BooleanField(
        default=False, db_default=False, editable=False, db_column="IsSample"
    )

    history = History(
        table="GlobalAgentRegistryHistory",
        # presence and derived columns change without anybody deciding anything
        excluded_fields=[
            "current_pay_cycle",
            "last_seen",
            "noted_liveness",
            "performance_rating",
            "total_rodcoins_earned",
        ],
    )
    objects = AgentQuerySet.as_manager()

    class Meta:
        db_table = "GlobalAgentRegistry"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                name="GlobalAgentRegistry_Project_Name",
                violation_error_message="This project already has an agent of that name.",
            ),
            models.CheckConstraint(
                condition=models.Q(ai_model__in=AI_MODELS),
                name="GlobalAgentRegistry_AIModel",
                violation_error_message=f"AI model must be one of: {', '.join(AI_MODELS)}.",
            ),
        ]
        indexes = [
            models.Index(fields=["name", "project"], name="Agents_Name"),
            models.Index(fields=["status", "name"], name="Agents_Status_Name"),
            models.Index(fields=["team", "name"], name="Agents_Team_Name"),
            models.Index(fields=["machine_hostname", "name"], name="Agents_Host_Name"),
            models.Index(fields=["ai_model", "name"], name="Agents_Model_Name"),
            models.Index(fields=["seniority", "name"], name="Agents_Seniority_Name"),
            models.Index(fields=["last_seen"], name="Agents_LastSeen"),
            models.Index(fields=["first_registered"], name="Agents_FirstRegistered"),
            models.Index(fields=["noted_liveness", "last_seen"], name="Agents_Liveness_LastSeen"),
            models.Index(
                fields=["-total_rodcoins_earned", "project", "name"], name="Agents_Leaderboard"
            ),
            models.Index(fields=["-performance_rating", "name"], name="Agents_Rating"),
        ]

    def __str__(self) -> str:
        return str(self.name)

    def as_actor(self, *, token: str = "", address: str = "") -> Actor:
        return Actor(ActorKind.AGENT, str(self.pk), self.name, token=token, address=address)

    def liveness_at(self, now: datetime) -> Liveness:
        """How alive the agent is: `up`, `late` or `down`, from when it was last seen."""
        if self.last_seen is None:
            return Liveness.DOWN
        silent = now - self.last_seen
        if silent <= timedelta(seconds=settings.RODCORP_LATE_AFTER_SECONDS):
            return Liveness.UP
        if silent <= timedelta(seconds=settings.RODCORP_DOWN_AFTER_SECONDS):
            return Liveness.LATE
        return Liveness.DOWN

    @property
    def liveness(self) -> Liveness:
        return self.liveness_at(timezone.now())


class AgentSkill(models.Model):
    """Level 1 (has tried it) to 10 (teaches it). The id is natural: (agent, skill)."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="SkillUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.CASCADE,
        related_name="skills",
        db_index=False,
        db_column="AgentUUID",
    )
    skill = KeyField(max_length=100, db_column="Skill")
    level = models.PositiveSmallIntegerField(db_column="Level")

    history = History(table="AgentSkillsHistory")

    class Meta:
        db_table = "AgentSkills"
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "skill"],
                name="AgentSkills_Agent_Skill",
                violation_error_message="The agent already has this skill.",
            ),
            models.CheckConstraint(
                condition=models.Q(level__range=(1, 10)),
                name="AgentSkills_Level",
                violation_error_message="A skill level is 1 to 10.",
            ),
        ]
        indexes = [models.Index(fields=["skill", "level"], name="AgentSkills_Skill_Level")]

    def __str__(self) -> str:
        return f"{self.skill} {self.level}"


class LivenessChange(SignedRow):
    """One noticed transition. The id is natural: (agent, last seen, state), so two sweeps that
    notice the same silence write one row."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="ChangeUUID")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.CASCADE,
        related_name="liveness_changes",
        db_index=False,
        db_column="AgentUUID",
    )
    before = models.CharField(max_length=10, choices=Liveness.choices, db_column="Before")
    after = models.CharField(max_length=10, choices=Liveness.choices, db_column="After")
    last_seen = UtcDateTimeField(null=True, db_column="LastSeen")
    noticed_at = UtcDateTimeField(db_column="NoticedAt")

    objects = LivenessChangeQuerySet.as_manager()

    class Meta:
        db_table = "AgentLivenessChanges"
        indexes = [
            models.Index(fields=["agent", "-noticed_at"], name="Liveness_Agent_NoticedAt"),
            models.Index(fields=["-noticed_at"], name="Liveness_NoticedAt"),
        ]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


class Discussion(SignedRow):
    """One message. `participant` is the author's name as it was; `agent` is set when the author
    is one. A message that answers none starts a thread and is its own `thread`."""

    id = GuidField(
        primary_key=True,
        default=new_id,
        db_default=NewGuid(),
        editable=False,
        db_column="DiscussionUUID",
    )
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="messages",
        db_index=False,
        db_column="AgentUUID",
    )
    participant = models.CharField(max_length=100, db_column="Participant")
    project = KeyField(max_length=100, db_column="ProjectID")
    topic = KeyField(max_length=200, db_column="Topic")
    message = models.TextField(db_column="Message")
    sentiment = models.CharField(max_length=50, null=True, blank=True, db_column="Sentiment")
    # VADER's compound score in ten-thousandths, -10000 to 10000; NULL if the author gave a word
    sentiment_score = models.SmallIntegerField(null=True, blank=True, db_column="SentimentScore")
    priority = models.SmallIntegerField(
        choices=Priority.choices,
        default=Priority.NORMAL,
        db_default=Priority.NORMAL.value,
        db_column="Priority",
    )
    thread = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        related_name="thread_messages",
        db_index=False,
        db_column="ThreadUUID",
    )
    reply_to = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="replies",
        db_index=False,
        db_column="ReplyToUUID",
    )
    posted_at = UtcDateTimeField(
        default=unit_time, db_default=CurrentTime(), editable=False, db_column="PostedAt"
    )
    acknowledged_at = UtcDateTimeField(
        null=True, blank=True, editable=False, db_column="AcknowledgedAt"
    )
    acknowledged_by = models.CharField(
        max_length=100, null=True, blank=True, editable=False, db_column="AcknowledgedBy"
    )
    is_sample = models.BooleanField(
        default=False, db_default=False, editable=False, db_column="IsSample"
    )

    # its rows are signed, so the history has only what happened later: acknowledgements
    history = History(table="AgentDiscussionsHistory")
    objects = DiscussionQuerySet.as_manager()

    class Meta:
        db_table = "AgentDiscussions"
        indexes = [
            models.Index(fields=["-posted_at"], name="Discussions_PostedAt"),
            models.Index(fields=["thread", "posted_at"], name="Discussions_Thread_PostedAt"),
            models.Index(fields=["topic", "-posted_at"], name="Discussions_Topic_PostedAt"),
            models.Index(fields=["project", "-posted_at"], name="Discussions_Project"),
            models.Index(fields=["agent", "-posted_at"], name="Discussions_Agent"),
            models.Index(fields=["participant", "-posted_at"], name="Discussions_Participant"),
            models.Index(fields=["sentiment", "-posted_at"], name="Discussions_Sentiment"),
            models.Index(fields=["priority", "-posted_at"], name="Discussions_Priority"),
            models.Index(fields=["acknowledged_at", "-posted_at"], name="Discussions_Acknowledged"),
            models.Index(fields=["reply_to"], name="Discussions_ReplyTo"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(priority__in=Priority.values), name="Discussions_Priority_Known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.topic)
