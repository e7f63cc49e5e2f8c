"""What could not be brought home as it was written: the list, and each with its three images."""

from contextlib import suppress
from functools import cached_property
from typing import Any

import django_filters
import django_tables2 as tables
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from agents.models import Agent, Discussion
from payroll.models import RodCoinsTransaction
from rodcorp.actors import Actor, ActorKind, Permission
from rodcorp.console.images import Images, columns_of, model_of
from rodcorp.databases.models import Conflict, Host
from rodcorp.databases.sides import has_primary, mode_file
from rodcorp.kit.templatetags.console import badge
from rodcorp.kit.web.filters import BaseFilter, choices
from rodcorp.kit.web.forms import ServiceForm
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, MomentColumn
from rodcorp.kit.web.views import FormPage, ListPage
from rodcorp.operations.conflicts import resolve_conflict
from rodcorp.people.models import User
from tasks.models import Task

# The pages of the console that show a row; others are shown in the admin.
_PAGES = {Agent: "agent", Task: "task", Discussion: "thread", RodCoinsTransaction: "transaction"}

# Who a unit's caller may be, besides commands and the system itself.
_CALLERS = {ActorKind.USER.value: User, ActorKind.AGENT.value: Agent}

# How many other rows of its unit a conflict's page names.
SIBLINGS = 20


def _tables() -> list[tuple[str, str]]:
    names = Conflict.objects.order_by("table_name").values_list("table_name", flat=True)
    return [(name, name) for name in names.distinct()]


class ConflictFilter(BaseFilter):
    state = django_filters.ChoiceFilter(
        field_name="resolved_at",
        lookup_expr="isnull",
        choices=[("open", "open"), ("resolved", "resolved")],
        label="State",
        empty_label="any",
        method="in_state",
    )
    kind = django_filters.ChoiceFilter(
        choices=choices(Conflict.kind.field), label="Kind", empty_label="any"
    )
    table = django_filters.ChoiceFilter(
        field_name="table_name", choices=_tables, label="Table", empty_label="any"
    )

    class Meta:
        model = Conflict
        fields = ("state", "kind", "table")

    def in_state(self, rows: QuerySet[Conflict], name: str, value: str) -> QuerySet[Conflict]:
        return rows.filter(resolved_at__isnull=value == "open")


class ConflictTable(BaseTable):
    # a unit may have lost many rows of one table at one moment
    tie_break = ("-recorded_at", "table_name", "rule", "pk")

    recorded_at = MomentColumn(linkify=("conflict", {"pk": tables.A("pk")}), verbose_name="Found")
    kind = BadgeColumn()
    table_name = tables.Column(verbose_name="Table", attrs={"td": {"class": "rc-topic"}})
    rule = tables.Column(attrs={"td": {"class": "rc-wide"}})
    lost = tables.Column(
        verbose_name="Not taken", empty_values=(), attrs={"td": {"class": "rc-name"}}
    )
    operation = tables.Column(attrs={"td": {"class": "rc-name"}})
    resolved_at = MomentColumn(verbose_name="State", empty_values=())

    class Meta(BaseTable.Meta):
        model = Conflict
        attrs = {"class": "rc-table rc-dense"}
        fields = (
            "recorded_at",
            "kind",
            "table_name",
            "rule",
            "lost",
            "operation",
            "resolved_at",
        )
        order_by = "-recorded_at"
        empty_text = "None. All that was written is where it belongs."

    def render_lost(self, value: str) -> str:
        return value or "the whole row"

    def render_resolved_at(self, value: object) -> str:
        return badge("resolved" if value else "open")

    def value_resolved_at(self, value: object) -> str:
        return "resolved" if value else "open"


class ConflictList(ListPage):
    title = "Conflicts"
    queryset = Conflict.objects.defer("base", "ours", "theirs")
    table_class = ConflictTable
    filterset_class = ConflictFilter
    template_name = "console/databases_conflicts.html"
    file_name = "conflicts"


class ResolveForm(ServiceForm):
    resolution = forms.CharField(
        label="What was done about it", help_text="For whoever looks at this later."
    )


class ConflictPage(FormPage):
    """One row: how it was before, what was written here, and what SQL Server had."""

    needs_to_send = Permission.RUN_SYSTEM
    template_name = "console/databases_conflict.html"
    form_class = ResolveForm
    submit = "Mark as resolved"
    done = "Marked as resolved."

    @cached_property
    def conflict(self) -> Conflict:
        return get_object_or_404(Conflict, pk=self.kwargs["pk"])

    def serve(self, actor: Actor, form: ResolveForm) -> Conflict:
        return resolve_conflict(
            actor=actor, conflict=self.conflict, resolution=form.cleaned_data["resolution"]
        )

    def done_url(self, result: Conflict) -> str:
        return reverse("conflict", args=[result.pk])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        conflict = self.conflict
        columns = columns_of(conflict)
        siblings = Conflict.objects.filter(unit=conflict.unit).exclude(pk=conflict.pk)
        return super().get_context_data(
            title=f"{conflict.get_kind_display()} in {conflict.table_name}",
            conflict=conflict,
            images=Images.of(conflict),
            differing=[column for column in columns if column.mark],
            same=[column for column in columns if not column.mark],
            row_url=_page_of_row(self.request, conflict),
            caller=_name_of(conflict.caller),
            host=_host(conflict),
            siblings=siblings.defer("base", "ours", "theirs").order_by("table_name", "pk")[
                :SIBLINGS
            ],
            may_resolve=self.may(Permission.RUN_SYSTEM),
            **kwargs,
        )


def _page_of_row(request: HttpRequest, conflict: Conflict) -> str:
    """Where the row is shown now; empty if it is not there, or shown nowhere to who asks."""
    model: Any = model_of(conflict.table_name)
    if model is None or not model._base_manager.filter(pk=conflict.row_key).exists():
        return ""
    if model in _PAGES:
        return reverse(_PAGES[model], args=[conflict.row_key])
    shown: Any = admin.site._registry.get(model)
    if shown is None or not shown.has_view_permission(request):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return reverse(name, args=[conflict.row_key])


def _name_of(caller: str) -> str:
    """`user:` and a key, by name; others as they are."""
    kind, _, key = caller.partition(":")
    model: Any = _CALLERS.get(kind)
    found = None
    with suppress(ValidationError):
        found = model and model._base_manager.filter(pk=key).first()
    return f"{kind} {found or key}".strip()


def _host(conflict: Conflict) -> str:
    """Its name, where the list of hosts is at hand."""
    if has_primary() and conflict.host == mode_file().host_id():
        return "this host"
    known = Host.objects.filter(pk=conflict.host).values_list("name", flat=True).first()
    return known or str(conflict.host)
