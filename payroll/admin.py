"""Salaries, the ledger and evaluations in the admin."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from payroll.models import Evaluation, PayrollMaster, RodCoinsTransaction
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import AWARD_TYPES, award_rodcoins
from payroll.services.salaries import set_salary
from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm

_TYPE_COLOURS = {
    "earned": "success",
    "bonus": "success",
    "salary": "success",
    "deduction": "danger",
    "reversal": "warning",
    "adjustment": "info",
    "transfer": "info",
}


class SalaryForm(BaseForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "effective_from" in self.fields:
            self.fields["effective_from"].required = False
            self.fields["effective_from"].help_text = "UTC; now, if left out."


@admin.register(PayrollMaster)
class PayrollMasterAdmin(BaseAdmin):
    form = SalaryForm
    needs = Permission.MOVE_COINS
    change_fields = ("base_salary", "seniority_multiplier", "performance_multiplier", "bonus")
    add_fields = ("agent", *change_fields, "effective_from")
    fieldsets = (
        (None, {"fields": ("agent", "effective_from", "effective_to", *change_fields)}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = (
        "agent",
        *change_fields,
        "effective_from",
        "effective_to",
    )
    list_filter = (("effective_to", admin.EmptyFieldListFilter),)
    list_select_related = ("agent",)
    search_fields = ("agent__name",)
    autocomplete_fields = ("agent",)
    ordering = ("-effective_from",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> PayrollMaster:
        return set_salary(actor=actor, key=key, **values)

    def change(self, actor: Actor, row: PayrollMaster, **values: Any) -> PayrollMaster:
        present = {name: getattr(row, name) for name in self.change_fields}
        return set_salary(
            actor=actor,
            agent=row.agent,
            effective_from=row.effective_from,
            **{**present, **values},
        )


class AwardForm(BaseForm):
    service_names = {"agent_name": "agent"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "transaction_type" in self.fields:
            self.fields["agent"].required = True
            self.fields["transaction_type"] = forms.ChoiceField(
                choices=[(kind, kind) for kind in AWARD_TYPES], widget=UnfoldAdminSelectWidget
            )


@admin.register(RodCoinsTransaction)
class RodCoinsTransactionAdmin(BaseAdmin):
    form = AwardForm
    needs = Permission.MOVE_COINS
    add_fields = ("agent", "amount", "transaction_type", "description")
    fieldsets = (
        (None, {"fields": ("amount", "transaction_type", "agent", "description")}),
        ("Accounts", {"fields": ("source", "target", "reverses", "cycle")}),
        ("Cause", {"fields": ("source_kind", "source_key", "occurred_at", "created_at")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address")}),
    )

    list_display = (
        "amount",
        "shown_type",
        "agent",
        "description",
        "cycle",
        "created_at",
        "actor_name",
    )
    list_filter = ("transaction_type", "cycle")
    list_select_related = ("agent",)
    search_fields = ("agent__name", "description", "source_key")
    autocomplete_fields = ("agent",)
    ordering = ("-created_at",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> RodCoinsTransaction:
        return award_rodcoins(actor=actor, key=key, **values)

    @display(description="Type", ordering="transaction_type", label=_TYPE_COLOURS)
    def shown_type(self, row: RodCoinsTransaction) -> str:
        return row.transaction_type


class EvaluationForm(BaseForm):
    service_names = {"performance_score": "score", "evaluator_uuid": "agent"}


@admin.register(Evaluation)
class EvaluationAdmin(BaseAdmin):
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
