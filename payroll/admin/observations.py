"""What other departments saw of agents' work."""

from django.contrib import admin
from unfold.decorators import display

from payroll.models import Observation
from rodcorp.kit.admin import ReadOnlyAdmin

_KIND_COLOURS = {"quality": "info", "punctuality": "warning", "review": "success"}


@admin.register(Observation)
class ObservationAdmin(ReadOnlyAdmin):
    """Only shown: an observation is handed over by who saw the work, never entered by hand."""

    fieldsets = (
        (None, {"fields": ("agent", "kind", "score", "observed_at")}),
        ("Cause", {"fields": ("source_kind", "source_key")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address")}),
    )

    list_display = ("agent", "shown_kind", "score", "source_kind", "observed_at", "actor_name")
    list_filter = ("kind", "source_kind")
    list_select_related = ("agent",)
    search_fields = ("agent__name", "source_key")
    ordering = ("-observed_at",)

    @display(description="Kind", ordering="kind", label=_KIND_COLOURS)
    def shown_kind(self, observation: Observation) -> str:
        return observation.kind
