"""Judgements of agents' work."""

from typing import Any

from django.contrib import admin

from payroll.models import Evaluation
from payroll.services.evaluations import record_performance_evaluation
from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm


class EvaluationForm(BaseForm):
    service_names = {"performance_score": "score", "evaluator_uuid": "agent"}


@admin.register(Evaluation)
class EvaluationAdmin(BaseAdmin):
    """Rows are added and never changed: a rating follows from all that was said and observed."""

    form = EvaluationForm
    needs = Permission.EVALUATE
    add_fields = ("agent", "score", "notes")
    fieldsets = (
        (None, {"fields": ("agent", "score", "notes", "rating_after", "evaluated_at")}),
        ("Evaluator", {"fields": ("evaluator_name", "evaluator_kind", "evaluator_id")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address")}),
    )

    list_display = ("agent", "score", "evaluator_name", "rating_after", "evaluated_at")
    list_filter = ("evaluator_kind",)
    list_select_related = ("agent",)
    search_fields = ("agent__name", "evaluator_name")
    autocomplete_fields = ("agent",)
    ordering = ("-evaluated_at",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> Evaluation:
        # whoever is signed in is the one who judges
        return record_performance_evaluation(actor=actor, evaluator_id=actor.id, key=key, **values)
