"""Pay cycles and what agents got in them."""

from django.contrib import admin
from unfold.decorators import display

from payroll.models import PayCycle, Payslip, PayslipLine
from rodcorp.kit.admin import ReadOnlyAdmin, ReadOnlyInline

_STATE_COLOURS = {
    "computed": "info",
    "approved": "info",
    "posted": "success",
    "closed": "success",
}


@admin.register(PayCycle)
class PayCycleAdmin(ReadOnlyAdmin):
    """Only shown: a cycle's state is moved by its run, never by hand."""

    fieldsets = (
        (None, {"fields": ("number", "state", "starts_at", "ends_at")}),
        ("Record", {"fields": ("id", "is_sample")}),
    )

    list_display = ("number", "shown_state", "starts_at", "ends_at")
    list_filter = ("state",)
    ordering = ("-number",)

    @display(description="State", ordering="state", label=_STATE_COLOURS)
    def shown_state(self, cycle: PayCycle) -> str:
        return cycle.state


class PayslipLines(ReadOnlyInline):
    model = PayslipLine
    fields = ("position", "label", "amount")
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

    list_display = ("agent", "shown_cycle", "shown_net")
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
