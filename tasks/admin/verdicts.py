"""Reviews of tasks, and why a task went to an agent."""

from django.contrib import admin
from unfold.decorators import display

from rodcorp.kit.admin import ReadOnlyAdmin
from tasks.models import DispatchDecision, Review

_VERDICT_COLOURS = {"approved": "success", "changes requested": "warning", "rejected": "danger"}
_RUBRIC = ("correctness", "completeness", "clarity", "evidence")


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """Only shown: a verdict moves coins and its task; it is given where the work is seen, once."""

    fieldsets = (
        (None, {"fields": ("task", "verdict", "note", "reviewed_at")}),
        ("Rubric", {"fields": _RUBRIC}),
        ("What was seen", {"fields": ("round_number", "version_seen")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address")}),
    )

    list_display = (
        "task",
        "shown_verdict",
        *_RUBRIC,
        "shown_by",
        "reviewed_at",
    )
    list_filter = ("verdict",)
    list_select_related = ("task",)
    search_fields = ("task__title", "actor_name")
    ordering = ("-reviewed_at", "task__title")

    @display(description="Verdict", ordering="verdict", label=_VERDICT_COLOURS)
    def shown_verdict(self, review: Review) -> str:
        return review.verdict.replace("_", " ")

    @admin.display(description="By", ordering="actor_name")
    def shown_by(self, review: Review) -> str:
        return review.actor_name


@admin.register(DispatchDecision)
class DispatchDecisionAdmin(ReadOnlyAdmin):
    """Only shown: it is the record of what the dispatcher weighed."""

    fieldsets = (
        (None, {"fields": ("task", "chosen", "algorithm", "decided_at")}),
        ("Weighed", {"fields": ("weights", "candidates", "rejections", "inputs_hash")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind")}),
    )

    list_display = ("task", "chosen", "algorithm", "decided_at")
    list_filter = ("algorithm",)
    list_select_related = ("task", "chosen")
    search_fields = ("task__title", "chosen__name")
    ordering = ("-decided_at", "task__title")
