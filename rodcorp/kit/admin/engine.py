"""The engine's own tables. It stands below the kit, so its admin is here."""

from django.contrib import admin

from rodcorp.actors import Permission
from rodcorp.databases.models import OutboxMessage, UnitMarker
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
