"""What agents are paid a cycle."""

from typing import Any

from django.contrib import admin

from payroll.models import PayrollMaster
from payroll.services.salaries import set_salary
from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm


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
        "base_salary",
        "shown_seniority",
        "shown_performance",
        "bonus",
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

    @admin.display(description="× seniority", ordering="seniority_multiplier")
    def shown_seniority(self, salary: PayrollMaster) -> str:
        return str(salary.seniority_multiplier)

    @admin.display(description="× performance", ordering="performance_multiplier")
    def shown_performance(self, salary: PayrollMaster) -> str:
        return str(salary.performance_multiplier)
