"""What agents are paid a cycle."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from payroll.models import BonusRule, PayrollMaster, PayScale, PerformanceBand
from payroll.services.salaries import (
    add_bonus_rule,
    end_bonus_rule,
    remove_pay_scale,
    remove_performance_band,
    set_pay_scale,
    set_performance_band,
    set_salary,
)
from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm


class _OptionalForm(BaseForm):
    """What the service has a default for may be left out; the help says what it is then."""

    optional: dict[str, str] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, help_text in self.optional.items():
            if name in self.fields:
                self.fields[name].required = False
                self.fields[name].help_text = help_text


class SalaryForm(_OptionalForm):
    optional = {
        "base_salary": "Whole RodCoins; that of the agent's pay scale, if left out.",
        "seniority_multiplier": "That of the agent's pay scale in each cycle, if left out.",
        "performance_multiplier": "That of the agent's rating in each cycle, if left out.",
        "effective_from": "UTC; now, if left out.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding and "base_salary" in self.fields:
            self.fields["base_salary"].initial = None


@admin.register(PayrollMaster)
class PayrollMasterAdmin(BaseAdmin):
    form = SalaryForm
    needs = Permission.RUN_PAYROLL
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
        return _own_or(salary.seniority_multiplier, "by pay scale")

    @admin.display(description="× performance", ordering="performance_multiplier")
    def shown_performance(self, salary: PayrollMaster) -> str:
        return _own_or(salary.performance_multiplier, "by rating")


@admin.register(PayScale)
class PayScaleAdmin(BaseAdmin):
    """A level that has a scale gets the new one; what was paid by the old one stays paid."""

    needs = Permission.RUN_PAYROLL
    change_fields = ("base_salary", "seniority_multiplier")
    add_fields = ("level", *change_fields)
    fieldsets = (
        (None, {"fields": ("level", *change_fields)}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = ("level", "base_salary", "shown_multiplier")
    list_filter = ("seniority_multiplier",)
    search_fields = ("level",)
    ordering = ("level",)
    actions = ("remove",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> PayScale:
        return set_pay_scale(actor=actor, **values)

    def change(self, actor: Actor, row: PayScale, **values: Any) -> PayScale:
        present = {name: getattr(row, name) for name in self.change_fields}
        return set_pay_scale(actor=actor, level=row.level, **{**present, **values})

    @admin.action(description="Remove the selected pay scales", permissions=["act"])
    def remove(self, request: HttpRequest, queryset: QuerySet[PayScale]) -> None:
        self.for_each(request, queryset, _remove_scale, "scale")

    @admin.display(description="× seniority", ordering="seniority_multiplier")
    def shown_multiplier(self, scale: PayScale) -> str:
        return str(scale.seniority_multiplier)


@admin.register(PerformanceBand)
class PerformanceBandAdmin(BaseAdmin):
    """The band of a rating is the one with the largest minimum that is not above it."""

    needs = Permission.RUN_PAYROLL
    change_fields = ("multiplier",)
    add_fields = ("minimum", *change_fields)
    fieldsets = (
        (None, {"fields": ("minimum", *change_fields)}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = ("minimum", "shown_multiplier")
    list_filter = ("multiplier",)
    search_fields = ("minimum",)
    ordering = ("minimum",)
    actions = ("remove",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> PerformanceBand:
        return set_performance_band(actor=actor, **values)

    def change(self, actor: Actor, row: PerformanceBand, **values: Any) -> PerformanceBand:
        return set_performance_band(
            actor=actor, minimum=row.minimum, **{"multiplier": row.multiplier, **values}
        )

    @admin.action(description="Remove the selected bands", permissions=["act"])
    def remove(self, request: HttpRequest, queryset: QuerySet[PerformanceBand]) -> None:
        self.for_each(request, queryset, _remove_band, "band")

    @admin.display(description="× performance", ordering="multiplier")
    def shown_multiplier(self, band: PerformanceBand) -> str:
        return str(band.multiplier)


class BonusForm(_OptionalForm):
    optional = {
        "agent": "Everybody, if left out.",
        "threshold": "For rules of kind rating: from which rating on, 0.00 to 5.00.",
        "effective_from": "UTC; now, if left out.",
        "effective_to": "UTC; until further notice, if left out.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and "effective_to" in self.fields:
            self.fields["effective_to"].required = True
            self.fields["effective_to"].help_text = "UTC. An end can be set, and made earlier."


_KIND_COLOURS = {"fixed": "info", "per_task": "success", "rating": "warning"}


@admin.register(BonusRule)
class BonusRuleAdmin(BaseAdmin):
    """Rules are added and ended. One that pays something else is a new rule."""

    form = BonusForm
    needs = Permission.RUN_PAYROLL
    change_fields = ("effective_to",)
    add_fields = (
        "kind",
        "label",
        "amount",
        "agent",
        "threshold",
        "effective_from",
        "effective_to",
    )
    fieldsets = (
        (None, {"fields": add_fields}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = (
        "label",
        "shown_kind",
        "amount",
        "shown_agent",
        "threshold",
        "effective_from",
        "effective_to",
    )
    list_filter = ("kind", ("effective_to", admin.EmptyFieldListFilter))
    list_select_related = ("agent",)
    search_fields = ("label", "agent__name")
    autocomplete_fields = ("agent",)
    ordering = ("-effective_from", "label")
    actions = ("end",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> BonusRule:
        return add_bonus_rule(actor=actor, key=key, **values)

    def change(self, actor: Actor, row: BonusRule, **values: Any) -> BonusRule:
        return end_bonus_rule(actor=actor, rule=row, **values) if values else row

    @admin.action(description="End the selected rules now", permissions=["act"])
    def end(self, request: HttpRequest, queryset: QuerySet[BonusRule]) -> None:
        self.for_each(request, queryset, end_bonus_rule, "rule")

    @display(description="Kind", ordering="kind", label=_KIND_COLOURS)
    def shown_kind(self, rule: BonusRule) -> str:
        return rule.kind

    @admin.display(description="Agent", ordering="agent__name")
    def shown_agent(self, rule: BonusRule) -> str:
        return str(rule.agent) if rule.agent else "everybody"


def _remove_scale(*, actor: Actor, scale: PayScale) -> None:
    remove_pay_scale(actor=actor, level=scale.level)


def _remove_band(*, actor: Actor, band: PerformanceBand) -> None:
    remove_performance_band(actor=actor, minimum=band.minimum)


def _own_or(multiplier: object, otherwise: str) -> str:
    return otherwise if multiplier is None else str(multiplier)
