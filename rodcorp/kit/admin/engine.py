"""The engine's own tables. It stands below the kit, so its admin is here."""

from django.contrib import admin

from rodcorp.actors import Permission
from rodcorp.databases.models import Conflict, Host, OutboxMessage, UnitMarker
from rodcorp.kit.admin.base import ReadOnlyAdmin


@admin.register(UnitMarker)
class UnitMarkerAdmin(ReadOnlyAdmin):
    """Only shown: markers guard units from taking effect twice. The stored result is not shown; a
    lease's token may be in it."""

    sees = Permission.RUN_SYSTEM
    fieldsets = ((None, {"fields": ("id", "operation", "caller", "created_at")}),)
    list_display = ("operation", "caller", "created_at")
    search_fields = ("operation", "caller")
    ordering = ("-created_at", "operation", "caller")


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """Only shown: what is still here is sent by the sweep of the host that wrote it. The arguments
    are the job's business."""

    sees = Permission.RUN_SYSTEM
    fieldsets = ((None, {"fields": ("job", "host", "created_at", "unit", "id")}),)
    list_display = ("job", "host", "created_at")
    search_fields = ("job", "host")
    ordering = ("created_at", "job")


@admin.register(Host)
class HostAdmin(ReadOnlyAdmin):
    """Only shown: each host writes its own row, on SQL Server alone; a copy has none. The beacon is
    the host's secret."""

    sees = Permission.RUN_SYSTEM
    fieldsets = (
        (None, {"fields": ("name", "epoch", "journal_rows", "reported_at")}),
        ("Record", {"fields": ("id", "replayed_sequence", "schema_revision", "created_at")}),
    )
    list_display = ("name", "epoch", "journal_rows", "reported_at", "created_at")
    search_fields = ("name",)
    ordering = ("name", "created_at")


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyAdmin):
    """Only shown: the console has the page on which one is looked at and resolved. The images are
    not shown; secrets may be in them."""

    sees = Permission.RUN_SYSTEM
    fieldsets = (
        (None, {"fields": ("kind", "table_name", "row_key", "rule", "lost")}),
        ("Unit", {"fields": ("operation", "caller", "unit", "host", "happened_at")}),
        ("Resolved", {"fields": ("resolved_at", "resolved_by", "resolution")}),
        ("Record", {"fields": ("id", "recorded_at")}),
    )
    list_display = (
        "table_name",
        "kind",
        "rule",
        "operation",
        "happened_at",
        "recorded_at",
        "resolved_at",
    )
    list_filter = ("kind", ("resolved_at", admin.EmptyFieldListFilter))
    search_fields = ("table_name", "operation", "caller")
    ordering = ("-recorded_at", "table_name", "operation")
