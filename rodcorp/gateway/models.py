"""Access tokens. Only a hash is kept; the secret is shown once, when it is made."""

from django.db import models
from django.db.models import Q

from agents.models import Agent
from rodcorp.databases.fields import GuidField, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.kit.rows import History
from rodcorp.people.models import User


class AccessToken(models.Model):
    """It belongs to an agent or to a person, never to both. An empty project list means all."""

    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="TokenUUID")
    name = models.CharField(max_length=100, db_column="Name")
    secret_hash = models.CharField(max_length=64, editable=False, db_column="SecretHash")
    agent = models.ForeignKey(
        Agent,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tokens",
        db_index=False,
        db_column="AgentUUID",
    )
    user = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tokens",
        db_index=False,
        db_column="UserUUID",
    )
    scopes = models.JSONField(default=list, db_column="Scopes")
    projects = models.JSONField(default=list, blank=True, db_column="Projects")
    created_at = UtcDateTimeField(editable=False, db_column="CreatedAt")
    expires_at = UtcDateTimeField(null=True, blank=True, db_column="ExpiresAt")
    revoked_at = UtcDateTimeField(null=True, blank=True, editable=False, db_column="RevokedAt")
    last_used_at = UtcDateTimeField(null=True, blank=True, editable=False, db_column="LastUsedAt")

    history = History(table="AccessTokensHistory", excluded_fields=["secret_hash", "last_used_at"])

    class Meta:
        db_table = "AccessTokens"
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=True, user__isnull=False)
                | Q(agent__isnull=False, user__isnull=True),
                name="AccessTokens_Owner",
            ),
        ]
        indexes = [
            models.Index(fields=["agent"], name="AccessTokens_Agent"),
            models.Index(fields=["user"], name="AccessTokens_User"),
            models.Index(fields=["-created_at"], name="AccessTokens_CreatedAt"),
        ]

    def __str__(self) -> str:
        return self.name
