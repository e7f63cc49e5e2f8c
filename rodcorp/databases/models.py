"""Rows the engine itself needs, in the same database as the data they guard."""

from django.db import models

from rodcorp.databases.fields import GuidField, UtcDateTimeField


class UnitMarker(models.Model):
    """That the unit of work with this id was committed, and what it answered.

    It is found by inserting it again, never by looking for it: a look-up can miss a marker that is
    about to be committed, a second insert cannot.
    """

    id = GuidField(primary_key=True, db_column="UnitUUID")
    operation = models.CharField(max_length=100, db_column="Operation")
    caller = models.CharField(max_length=150, db_column="Caller")
    body_hash = models.CharField(max_length=64, db_column="BodyHash")
    result = models.TextField(null=True, db_column="Result")
    created_at = UtcDateTimeField(db_column="CreatedAt")

    class Meta:
        db_table = "UnitMarkers"
        indexes = [models.Index(fields=["created_at"], name="UnitMarkers_CreatedAt")]

    def __str__(self) -> str:
        return f"{self.operation} {self.id}"


class OutboxMessage(models.Model):
    """Something to be done after the unit that wrote it is committed, by the host that wrote it."""

    id = GuidField(primary_key=True, db_column="MessageUUID")
    unit = GuidField(db_column="UnitUUID")
    host = models.CharField(max_length=100, db_column="Host")
    job = models.CharField(max_length=100, db_column="Job")
    arguments = models.TextField(db_column="Arguments")
    created_at = UtcDateTimeField(db_column="CreatedAt")

    class Meta:
        db_table = "OutboxMessages"
        indexes = [models.Index(fields=["host", "created_at"], name="Outbox_Host_CreatedAt")]

    def __str__(self) -> str:
        return f"{self.job} {self.id}"
