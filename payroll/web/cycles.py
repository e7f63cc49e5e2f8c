"""Pay cycles: what state each is in, who moved it there, and the one thing to do next."""

from dataclasses import dataclass
from typing import Any

import django_filters
import django_tables2 as tables
from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse, reverse_lazy
from django.utils import timezone

from agents.web.filters import PresentValueFilter
from payroll.models import LineKind, PayCycle, PayCycleState, PayCycleStep, Payslip, PayslipLine
from payroll.services.cycles import (
    approve_cycle,
    close_cycle,
    compute_cycle,
    open_cycle,
    post_cycle,
    reopen_cycle,
)
from rodcorp.actors import Actor, Permission, actor_of
from rodcorp.databases.sides import current
from rodcorp.kit.web.filters import BaseFilter, choices
from rodcorp.kit.web.forms import ServiceForm
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, CoinsColumn, MomentColumn, NumberColumn
from rodcorp.kit.web.views import FormPage, ListPage


class CycleTable(BaseTable):
    tie_break = ("-number",)

    number = NumberColumn(
        verbose_name="Cycle",
        linkify=("pay-cycle", {"pk": tables.A("pk")}),
        attrs={"td": {"class": "rc-slim"}, "th": {"class": "rc-slim"}},
    )
    state = BadgeColumn()
    starts_at = MomentColumn(verbose_name="From")
    ends_at = MomentColumn(verbose_name="To")
    payslip_count = CoinsColumn(verbose_name="Payslips")
    net = CoinsColumn(verbose_name="Net RodCoins")
    moved_by = tables.Column(verbose_name="Last step by", empty_values=(None, ""))
    moved_at = MomentColumn(verbose_name="Last step")

    class Meta(BaseTable.Meta):
        model = PayCycle
        fields = (
            "number",
            "state",
            "starts_at",
            "ends_at",
            "payslip_count",
            "net",
            "moved_by",
            "moved_at",
        )
        order_by = "-number"
        empty_text = "There is no pay cycle yet. Open the first one."


class CycleFilter(BaseFilter):
    state = django_filters.ChoiceFilter(
        choices=choices(PayCycle.state.field), label="State", empty_label="any"
    )

    class Meta:
        model = PayCycle
        fields = ("state",)


class CycleList(ListPage):
    title = "Payroll"
    queryset = PayCycle.objects.in_list()
    table_class = CycleTable
    filterset_class = CycleFilter
    template_name = "payroll/cycles.html"
    file_name = "pay-cycles"
    create = (reverse_lazy("pay-cycle-new"), "New cycle", Permission.RUN_PAYROLL)


_MOMENT = forms.TextInput(attrs={"placeholder": "2026-11-23", "autocomplete": "off"})


class CycleForm(ServiceForm):
    ends_at = forms.CharField(
        label="To", widget=_MOMENT, help_text="A day or a time, UTC; no longer part of the cycle."
    )
    starts_at = forms.CharField(
        label="From",
        widget=_MOMENT,
        required=False,
        help_text="Where the cycle before it ended, if left out.",
    )


class NewCycle(FormPage):
    title = "New cycle"
    needs = Permission.RUN_PAYROLL
    form_class = CycleForm
    submit = "Open"
    done = "Opened."

    def serve(self, actor: Actor, form: CycleForm) -> PayCycle:
        answers = form.answers
        return open_cycle(
            actor=actor,
            ends_at=answers["ends_at"],
            starts_at=answers["starts_at"] or None,
            key=form.key_given,
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("pay-cycles"), **kwargs)

    def done_url(self, result: PayCycle) -> str:
        return reverse("pay-cycle", args=[result.pk])


# --- one cycle -----------------------------------------------------------------------------------


class StepForm(ServiceForm):
    """`version` is that of the cycle on the page: what nobody saw is not moved on."""

    version = forms.CharField(widget=forms.HiddenInput, required=False)


class ApproveForm(StepForm):
    note = forms.CharField(required=False, help_text="What you checked. It stays with the step.")


class ReopenForm(StepForm):
    reason = forms.CharField(help_text="Why it is computed again. It stays with the step.")


@dataclass(frozen=True)
class Step:
    """What moves a cycle from one state to the next."""

    name: str
    label: str
    # what it does, said beside the button
    effect: str
    form_class: type[StepForm]
    service: Any
    done: str


STEPS = {
    PayCycleState.DRAFT: Step(
        "compute",
        "Compute",
        "Writes a payslip for everybody who is paid, and freezes what they explain: what is booked "
        "from then on belongs to the next cycle. Nothing is paid yet.",
        StepForm,
        compute_cycle,
        "Computed. Another person approves it now.",
    ),
    PayCycleState.COMPUTED: Step(
        "approve",
        "Approve",
        "Says that the payslips are right. Nothing is paid yet.",
        ApproveForm,
        approve_cycle,
        "Approved. It can be posted now.",
    ),
    PayCycleState.APPROVED: Step(
        "post",
        "Post",
        "Pays what the payslips say into the wallets, once. It cannot be undone as a whole.",
        StepForm,
        post_cycle,
        "Posted.",
    ),
    PayCycleState.POSTED: Step(
        "close",
        "Close",
        "Seals the cycle's rows of the ledger. Nothing can be booked in it any more.",
        StepForm,
        close_cycle,
        "Closed.",
    ),
}
REOPEN = Step(
    "reopen",
    "Re-open",
    "Deletes the payslips and makes the cycle a draft again, so that it can be computed anew.",
    ReopenForm,
    reopen_cycle,
    "Re-opened. It is a draft again.",
)
_BY_NAME = {step.name: step for step in (*STEPS.values(), REOPEN)}
_CAN_BE_REOPENED = (PayCycleState.COMPUTED, PayCycleState.APPROVED)


class PayslipTable(BaseTable):
    tie_break = ("agent__name", "agent__project")

    agent = tables.Column(
        linkify=("payslip", {"pk": tables.A("pk")}), order_by=("agent__name", "agent__project")
    )
    project = tables.Column(accessor="agent__project")
    team = tables.Column(accessor="agent__team")
    net = CoinsColumn()
    due = CoinsColumn(verbose_name="Paid by the cycle")
    recovered = CoinsColumn()

    class Meta(BaseTable.Meta):
        model = Payslip
        fields = ("agent", "project", "team", "net", "due", "recovered")
        order_by = "agent"
        empty_text = "No payslip."


class _OfAgent(PresentValueFilter):
    """One of the values agents have in a column, of the row's agent."""

    def __init__(self, column: str, **kwargs: Any) -> None:
        super().__init__(column, **kwargs)
        self.field_name = f"agent__{column}"


class PayslipFilter(BaseFilter):
    name = django_filters.CharFilter(
        field_name="agent__name", lookup_expr="icontains", label="Agent contains"
    )
    project = _OfAgent("project", label="Project")
    team = _OfAgent("team", label="Team")

    class Meta:
        model = Payslip
        fields = ("name", "project", "team")


@dataclass(frozen=True)
class Group:
    """All lines of one kind in a cycle."""

    kind: str
    lines: int
    amount: int


class CyclePage(ListPage):
    """A cycle and its payslips. Its steps are taken here too, and refused here."""

    table_class = PayslipTable
    filterset_class = PayslipFilter
    template_name = "payroll/cycle.html"

    cycle: PayCycle
    # of a step that was refused: its name and what was typed
    refused: tuple[str, StepForm] | None = None

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.cycle = get_object_or_404(PayCycle, pk=self.kwargs["pk"])
        self.file_name = f"payslips-cycle-{self.cycle.number}"

    def get_queryset(self) -> QuerySet[Payslip]:
        return Payslip.objects.of_cycle(self.cycle).select_related("agent")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        steps = list(PayCycleStep.objects.of_cycle(self.cycle))
        step, why_not = self._next(steps)
        may_reopen = self._may_move() and self.cycle.state in _CAN_BE_REOPENED
        return super().get_context_data(
            **{
                "title": f"Cycle {self.cycle.number}",
                "cycle": self.cycle,
                "steps": steps[::-1],
                "step": step,
                "why_not": why_not,
                "is_early": bool(step) and self._is_early(),
                "step_form": self._form_of(step) if step else None,
                "reopen": REOPEN if may_reopen else None,
                "reopen_form": self._form_of(REOPEN) if may_reopen else None,
                "reopen_was_refused": bool(self.refused and self.refused[0] == REOPEN.name),
                "refusal": self._refusal_elsewhere(step, may_reopen),
                "totals": Payslip.objects.of_cycle(self.cycle).totals(),
                "groups": _groups(self.cycle),
                **kwargs,
            }
        )

    def _next(self, steps: list[PayCycleStep]) -> tuple[Step | None, str]:
        """What comes next, or why whoever looks at it cannot do it."""
        state = PayCycleState(self.cycle.state)
        step = STEPS.get(state)
        if step is None:
            return None, "It is closed: nothing is booked in it any more."
        if not self.may(Permission.RUN_PAYROLL):
            return None, f"Next: {step.label.lower()}. Only the roles payroll and admin do that."
        if current().is_copy:
            return None, (
                f"Next: {step.label.lower()}. SQL Server is away, and this is done there only; "
                "wait until it is back."
            )
        if state is PayCycleState.COMPUTED and self._computed_by_me(steps):
            return None, (
                "Next: approve. You computed it, so another person with the role payroll or admin "
                "approves it."
            )
        if state in (PayCycleState.DRAFT, PayCycleState.POSTED):
            done = [PayCycleState.CLOSED]
            if state is PayCycleState.DRAFT:
                done.append(PayCycleState.POSTED)
            behind = PayCycle.objects.before(self.cycle).exclude(state__in=done).first()
            if behind is not None:
                return None, f"Next: {step.label.lower()}, once {behind} is {done[-1]}."
        return step, ""

    def _is_early(self) -> bool:
        """Computed now, it would end before it was meant to."""
        return self.cycle.state == PayCycleState.DRAFT and self.cycle.ends_at > timezone.now()

    def _may_move(self) -> bool:
        return self.may(Permission.RUN_PAYROLL) and not current().is_copy

    def _computed_by_me(self, steps: list[PayCycleStep]) -> bool:
        me = actor_of(self.request)
        computed = next((step for step in steps if step.state == PayCycleState.COMPUTED), None)
        return bool(computed and (computed.actor_kind, computed.actor_id) == (me.kind, me.id))

    def _form_of(self, step: Step) -> StepForm:
        if self.refused and self.refused[0] == step.name:
            return self.refused[1]
        # one page has two forms
        return step.form_class(
            initial={"version": self.cycle.version}, auto_id=f"id_{step.name}_%s"
        )

    def _refusal_elsewhere(self, step: Step | None, may_reopen: bool) -> list[str]:
        """Why a step was refused whose form the page does not have any more."""
        if self.refused is None:
            return []
        name, form = self.refused
        if name == (step.name if step else "") or (may_reopen and name == REOPEN.name):
            return []
        return [str(error) for errors in form.errors.values() for error in errors]


class TakeStep(CyclePage):
    """Asks the service of one step. What it refuses is said on the cycle's page."""

    needs_to_send = Permission.RUN_PAYROLL

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Where a refused step's filters and pages lead."""
        return redirect(reverse("pay-cycle", args=[self.cycle.pk], query=request.GET))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        step = _BY_NAME.get(self.kwargs["step"])
        if step is None:
            raise Http404
        sent = request.POST.copy()
        form = step.form_class(sent, auto_id=f"id_{step.name}_%s")
        form.ask(lambda: self.serve(actor_of(request), step, form))
        if not form.errors:
            messages.success(request, step.done)
            return redirect("pay-cycle", pk=self.cycle.pk)
        # as it is now: somebody else may have moved it
        self.cycle = get_object_or_404(PayCycle, pk=self.cycle.pk)
        sent["version"] = str(self.cycle.version)
        self.refused = (step.name, form)
        response: HttpResponse = super().get(request, *args, **kwargs)  # type: ignore[assignment]
        return response

    def serve(self, actor: Actor, step: Step, form: StepForm) -> PayCycle:
        cycle = self.cycle
        if form.cleaned_data["version"].isdecimal():
            cycle.version = int(form.cleaned_data["version"])
        moved: PayCycle = step.service(actor=actor, cycle=cycle, key=form.key_given, **form.answers)
        return moved


def _groups(cycle: PayCycle) -> list[Group]:
    """The totals by kind, in the order in which a payslip has them."""
    found = {kind: (count, amount) for kind, count, amount in PayslipLine.objects.by_kind(cycle)}
    return [Group(kind, *found[kind]) for kind in LineKind.values if kind in found]
