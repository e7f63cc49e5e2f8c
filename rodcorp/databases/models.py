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
    # of the rows the unit wrote: tells a second run that did the same from one that did not
    changes = models.CharField(max_length=64, default="", db_default="", db_column="ChangesDigest")
    # the rows it wrote, as JSON, unless they were very many
    touched = models.TextField(default="", db_default="", db_column="TouchedRows")
    created_at = UtcDateTimeField(db_column="CreatedAt")

    class Meta:
        db_table = "UnitMarkers"
        indexes = [models.Index(fields=["created_at"], name="UnitMarkers_CreatedAt")]

    def __str__(self) -> str:
        return f"{self.operation} {self.id}"


class Host(models.Model):
    """One machine with a copy, as the primary knows it. A unit commits on the primary only while
    its host's epoch is no newer than the one the unit began at."""

    id = GuidField(primary_key=True, db_column="HostUUID")
    name = models.CharField(max_length=100, db_column="HostName")
    epoch = models.IntegerField(db_column="Epoch")
    # what of the host's journal is here already
    replayed_sequence = models.BigIntegerField(
        default=0, db_default=0, db_column="ReplayedSequence"
    )
    # a random word the host wrote last; another one means that the primary was restored
    beacon = models.CharField(max_length=32, default="", db_default="", db_column="Beacon")
    journal_rows = models.BigIntegerField(null=True, db_column="JournalRows")
    schema_revision = models.CharField(
        max_length=64, default="", db_default="", db_column="SchemaRevision"
    )
    reported_at = UtcDateTimeField(null=True, db_column="ReportedAt")
    created_at = UtcDateTimeField(db_column="CreatedAt")

    class Meta:
        db_table = "Hosts"
        indexes = [models.Index(fields=["reported_at"], name="Hosts_ReportedAt")]

    def __str__(self) -> str:
        return self.name


class Conflict(models.Model):
    """What somebody was told was written and yet is not on the primary as it was written, and why.

    A `conflict` is one row of a unit of which the rest was brought home; a `quarantine` is a row of
    a unit of which nothing could be. The images are JSON, by column: before the unit, after it,
    and what the primary had. The id is natural: (unit, table, row).
    """

    class Kind(models.TextChoices):
        CONFLICT = "conflict"
        QUARANTINE = "quarantine"

    id = GuidField(primary_key=True, db_column="ConflictUUID")
    kind = models.CharField(max_length=10, choices=Kind.choices, db_column="Kind")
    unit = GuidField(db_column="UnitUUID")
    host = GuidField(db_column="HostUUID")
    operation = models.CharField(max_length=100, db_column="Operation")
    caller = models.CharField(max_length=150, db_column="Caller")
    table_name = models.CharField(max_length=128, db_column="TableName")
    row_key = GuidField(db_column="RowKey")
    # which rule decided, in words
    rule = models.CharField(max_length=300, db_column="Rule")
    # the columns whose value was not taken, separated by commas
    lost = models.TextField(default="", db_default="", db_column="LostColumns")
    base = models.TextField(null=True, db_column="BaseImage")
    ours = models.TextField(null=True, db_column="OurImage")
    theirs = models.TextField(null=True, db_column="TheirImage")
    happened_at = UtcDateTimeField(db_column="HappenedAt")
    recorded_at = UtcDateTimeField(db_column="RecordedAt")
    resolved_at = UtcDateTimeField(null=True, db_column="ResolvedAt")
    resolved_by = models.CharField(
        max_length=100, default="", db_default="", db_column="ResolvedBy"
    )
    resolution = models.CharField(max_length=500, default="", db_default="", db_column="Resolution")
    version = models.PositiveIntegerField(
        default=1, db_default=1, editable=False, db_column="Version"
    )

    class Meta:
        db_table = "SyncConflicts"
        indexes = [
            models.Index(fields=["resolved_at", "-recorded_at"], name="SyncConflicts_Open"),
            models.Index(fields=["unit"], name="SyncConflicts_Unit"),
            models.Index(fields=["-recorded_at"], name="SyncConflicts_RecordedAt"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} in {self.table_name}"


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
