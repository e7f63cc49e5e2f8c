"""Pay cycles, what agents got in them, and the seals of those that are closed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from payroll.models import LedgerSeal, PayCycle, PayCycleStep, Payslip, PayslipLine
from rodcorp.kit.admin import ReadOnlyAdmin, ReadOnlyInline

_STATE_COLOURS = {
    "computed": "info",
    "approved": "info",
    "posted": "success",
    "closed": "success",
}


class PayCycleSteps(ReadOnlyInline):
    model = PayCycleStep
    fields = ("state", "happened_at", "actor_name", "note")
    readonly_fields = fields
    ordering = ("happened_at",)
    verbose_name_plural = "Steps"


@admin.register(PayCycle)
class PayCycleAdmin(ReadOnlyAdmin):
    """Only shown: a cycle's state is moved by its run, never by hand."""

    fieldsets = (
        (None, {"fields": ("number", "state", "starts_at", "ends_at")}),
        ("Record", {"fields": ("id", "is_sample")}),
    )
    inlines = (PayCycleSteps,)

    list_display = ("number", "shown_state", "starts_at", "ends_at")
    list_filter = ("state",)
    ordering = ("-number",)

    @display(description="State", ordering="state", label=_STATE_COLOURS)
    def shown_state(self, cycle: PayCycle) -> str:
        return cycle.state


@admin.register(PayCycleStep)
class PayCycleStepAdmin(ReadOnlyAdmin):
    """Only shown: a step is noted when a cycle enters a state, and stays as it was."""

    fieldsets = (
        (None, {"fields": ("cycle", "state", "note", "happened_at")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address")}),
    )

    list_display = ("shown_cycle", "shown_state", "happened_at", "actor_name", "note")
    list_filter = ("state", "cycle__number")
    list_select_related = ("cycle",)
    search_fields = ("actor_name", "note")
    ordering = ("-happened_at",)

    @admin.display(description="Cycle", ordering="cycle__number")
    def shown_cycle(self, step: PayCycleStep) -> int:
        return step.cycle.number

    @display(description="State", ordering="state", label=_STATE_COLOURS)
    def shown_state(self, step: PayCycleStep) -> str:
        return step.state


@admin.register(LedgerSeal)
class LedgerSealAdmin(ReadOnlyAdmin):
    """Only shown: a seal is set when a cycle is closed; a changed one would say so."""

    fieldsets = (
        (None, {"fields": ("cycle", "position", "row_count", "sealed_at")}),
        ("Chain", {"fields": ("previous", "digest")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address")}),
    )

    list_display = ("shown_cycle", "position", "row_count", "digest", "sealed_at", "actor_name")
    list_filter = ("cycle__number",)
    list_select_related = ("cycle",)
    search_fields = ("digest", "previous")
    ordering = ("-cycle__number", "position")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the list of rows, which is long and for `verify_ledger` to read."""
        seals: QuerySet[Any] = super().get_queryset(request)
        return seals.defer("rows")

    @admin.display(description="Cycle", ordering="cycle__number")
    def shown_cycle(self, seal: LedgerSeal) -> int:
        return seal.cycle.number


class PayslipLines(ReadOnlyInline):
    model = PayslipLine
    fields = ("position", "kind", "label", "basis", "amount")
    readonly_fields = fields
    ordering = ("position",)
    verbose_name_plural = "Lines"


@admin.register(Payslip)
class PayslipAdmin(ReadOnlyAdmin):
    """Only shown: a payslip says what was posted."""

    fieldsets = (
        (None, {"fields": ("cycle", "agent", "net", "due", "recovered")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind")}),
    )
    inlines = (PayslipLines,)

    list_display = ("agent", "shown_cycle", "shown_net", "due", "recovered")
    list_filter = ("cycle__number",)
    list_select_related = ("agent", "cycle")
    search_fields = ("agent__name",)
    ordering = ("-cycle__number", "agent__name", "agent__project")

    @admin.display(description="Cycle", ordering="cycle__number")
    def shown_cycle(self, payslip: Payslip) -> int:
        return payslip.cycle.number

    @admin.display(description="Net RodCoins", ordering="net")
    def shown_net(self, payslip: Payslip) -> int:
        return payslip.net
