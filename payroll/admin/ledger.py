"""The ledger and its accounts."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from payroll.admin.importing import AwardImporter
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import AWARD_TYPES, award_rodcoins
from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm, ReadOnlyAdmin

_TYPE_COLOURS = {
    "earned": "success",
    "bonus": "success",
    "salary": "success",
    "deduction": "danger",
    "reversal": "warning",
    "adjustment": "info",
    "transfer": "info",
}


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
    """Rows are added by an award and never changed or deleted; a mistake is reversed."""

    form = AwardForm
    importer = AwardImporter
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
        "shown_by",
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

    @admin.display(description="By", ordering="actor_name")
    def shown_by(self, row: RodCoinsTransaction) -> str:
        return row.actor_name


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    """Only shown: accounts are opened, and their balances moved, by the ledger's rows alone. The
    company's own accounts keep no balance."""

    fieldsets = ((None, {"fields": ("agent", "kind", "balance")}), ("Record", {"fields": ("id",)}))

    list_display = ("shown_owner", "kind", "balance")
    list_filter = ("kind",)
    list_select_related = ("agent",)
    search_fields = ("agent__name",)
    ordering = ("kind", "agent__name", "agent__project")

    @admin.display(description="Owner", ordering="agent__name")
    def shown_owner(self, account: LedgerAccount) -> str:
        return str(account.agent) if account.agent else "the company"
