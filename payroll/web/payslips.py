"""A payslip: every coin of it, and where it comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import django_filters
import django_tables2 as tables
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property

from agents.models import Agent
from payroll.models import LineKind, PayCycle, Payslip, PayslipLine, RodCoinsTransaction
from payroll.web.exports import csv_file, json_file
from rodcorp.kit.web.filters import BaseFilter, choices
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, CoinsColumn, MomentColumn, NumberColumn
from rodcorp.kit.web.views import ContentPage, ListPage

# lines of these kinds say what the ledger had moved before the cycle paid
BOOKED_BEFORE = (LineKind.AWARD, LineKind.DEDUCTION, LineKind.REVERSAL)


@dataclass(frozen=True)
class Coins:
    """A line, and what it follows from: a row of the ledger and, if there is one, a task."""

    line: PayslipLine

    @property
    def row(self) -> RodCoinsTransaction | None:
        return self.line.transaction

    @property
    def reversed(self) -> RodCoinsTransaction | None:
        return self.row.reverses if self.row else None

    @property
    def task(self) -> str:
        """The id of the task that was paid, or whose payment was taken back."""
        cause = self.reversed or self.row
        if cause is None or cause.source_kind != "task":
            return ""
        return str(cause.source_key).partition("/")[0]

    @property
    def cause(self) -> str:
        return self.row.source_kind if self.row else ""


@dataclass(frozen=True)
class Statement:
    """A payslip in full: what its page shows, its exports repeat."""

    payslip: Payslip
    paid: Sequence[Coins]
    booked: Sequence[Coins]
    posted: Sequence[RodCoinsTransaction]

    @property
    def paid_sum(self) -> int:
        return sum(coins.line.amount for coins in self.paid)

    @property
    def booked_sum(self) -> int:
        return sum(coins.line.amount for coins in self.booked)

    def csv_rows(self) -> Iterator[list[object]]:
        yield ["Part", "Kind", "Label", "Basis", "RodCoins", "Ledger row", "Task"]
        for part, all_coins in (("paid", self.paid), ("booked before", self.booked)):
            for coins in all_coins:
                line = coins.line
                booked = str(line.transaction_id or "")
                yield [part, line.kind, line.label, line.basis, line.amount, booked, coins.task]
        slip = self.payslip
        for label, amount in (("Net", slip.net), ("Due", slip.due), ("Recovered", slip.recovered)):
            yield ["total", "", label, "", amount, "", ""]
        for row in self.posted:
            yield ["posted", row.source_kind, row.description, "", row.amount, str(row.pk), ""]

    def as_json(self) -> dict[str, Any]:
        slip = self.payslip
        return {
            "id": str(slip.pk),
            "cycle": {
                "number": slip.cycle.number,
                "state": slip.cycle.state,
                "starts_at": slip.cycle.starts_at.isoformat(),
                "ends_at": slip.cycle.ends_at.isoformat(),
            },
            "agent": {
                "id": str(slip.agent_id),
                "name": slip.agent.name,
                "project": slip.agent.project,
                "team": slip.agent.team,
            },
            "net": slip.net,
            "due": slip.due,
            "recovered": slip.recovered,
            "paid": [_line(coins) for coins in self.paid],
            "booked_before": [_line(coins) for coins in self.booked],
            "posted": [
                {
                    "transaction": str(row.pk),
                    "kind": row.source_kind,
                    "type": row.transaction_type,
                    "amount": row.amount,
                    "description": row.description,
                    "created_at": row.created_at.isoformat(),
                }
                for row in self.posted
            ],
        }


def statement(payslip_id: UUID) -> Statement:
    """Raises `Http404`."""
    payslip = get_object_or_404(Payslip.objects.select_related("agent", "cycle"), pk=payslip_id)
    lines = [Coins(line) for line in PayslipLine.objects.explained(payslip)]
    return Statement(
        payslip,
        paid=[coins for coins in lines if coins.line.kind not in BOOKED_BEFORE],
        booked=[coins for coins in lines if coins.line.kind in BOOKED_BEFORE],
        posted=list(RodCoinsTransaction.objects.of_payslip(payslip)),
    )


class AgentPayslipTable(BaseTable):
    tie_break = ("-cycle__number",)

    cycle = NumberColumn(
        accessor="cycle__number",
        verbose_name="Cycle",
        linkify=("payslip", {"pk": tables.A("pk")}),
        attrs={"td": {"class": "rc-slim"}, "th": {"class": "rc-slim"}},
    )
    state = BadgeColumn(accessor="cycle__state")
    starts_at = MomentColumn(accessor="cycle__starts_at", verbose_name="From")
    ends_at = MomentColumn(accessor="cycle__ends_at", verbose_name="To")
    net = CoinsColumn()
    due = CoinsColumn(verbose_name="Paid by the cycle")
    recovered = CoinsColumn()

    class Meta(BaseTable.Meta):
        model = Payslip
        fields = ("cycle", "state", "starts_at", "ends_at", "net", "due", "recovered")
        order_by = "-cycle"
        empty_text = "No payslip yet."


class AgentPayslipFilter(BaseFilter):
    state = django_filters.ChoiceFilter(
        field_name="cycle__state",
        choices=choices(PayCycle.state.field),
        label="State",
        empty_label="any",
    )

    class Meta:
        model = Payslip
        fields = ("state",)


class AgentPayslips(ListPage):
    """What one agent got, newest first."""

    table_class = AgentPayslipTable
    filterset_class = AgentPayslipFilter
    file_name = "payslips"

    @cached_property
    def agent(self) -> Agent:
        return get_object_or_404(Agent, pk=self.kwargs["pk"])

    def get_queryset(self) -> QuerySet[Payslip]:
        return Payslip.objects.of_agent(self.agent).select_related("cycle")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"title": f"Payslips of {self.agent.name}", **kwargs})


class PayslipPage(ContentPage):
    """`?export=csv` and `?export=json` say the same as the page."""

    template_name = "payroll/payslip.html"

    @cached_property
    def statement(self) -> Statement:
        return statement(self.kwargs["pk"])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        slip, wanted = self.statement.payslip, request.GET.get("export")
        name = f"payslip-cycle-{slip.cycle.number}-{slip.pk}"
        if wanted == "json":
            return json_file(name, self.statement.as_json())
        if wanted == "csv":
            return csv_file(name, self.statement.csv_rows())
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        slip = self.statement.payslip
        return super().get_context_data(
            title=f"Payslip of {slip.agent.name}, cycle {slip.cycle.number}",
            statement=self.statement,
            payslip=slip,
            agent=slip.agent,
            cycle=slip.cycle,
            **kwargs,
        )


def _line(coins: Coins) -> dict[str, Any]:
    line = coins.line
    return {
        "kind": line.kind,
        "label": line.label,
        "basis": line.basis,
        "amount": line.amount,
        "transaction": str(line.transaction_id) if line.transaction_id else None,
        "cause": coins.cause or None,
        "task": coins.task or None,
    }
