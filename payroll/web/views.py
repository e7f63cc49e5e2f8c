"""The leaderboard and the ledger, and the forms that move coins and judge work."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse, reverse_lazy
from django.utils.functional import cached_property

from agents.models import Agent
from payroll.derived.standings import ALL, KINDS
from payroll.leaderboard import GROUPS, Board, Period
from payroll.models import RodCoinsTransaction
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import award_rodcoins, balance_of, reverse_transaction, transfer
from payroll.web.filters import LeaderboardFilter, LedgerFilter
from payroll.web.forms import AwardForm, EvaluationForm, ReverseForm, TransferForm
from payroll.web.tables import GroupTable, LeaderboardTable, LedgerTable, parts_bar
from rodcorp.actors import Actor, Permission
from rodcorp.errors import InvalidInput
from rodcorp.kit.web.tables import BaseTable
from rodcorp.kit.web.views import ContentPage, FormPage, ListPage


class Leaderboard(ListPage):
    """Who earned the most in a period: agents, or teams, projects or models."""

    title = "Leaderboard"
    template_name = "payroll/leaderboard.html"
    table_class = LeaderboardTable
    filterset_class = LeaderboardFilter
    file_name = "leaderboard"

    @cached_property
    def board(self) -> Board:
        try:
            return Board.of(Period.parse(self.request.GET.get("period") or ALL))
        except InvalidInput:
            # the filter says so, and lists nobody
            return Board.of(Period(ALL))

    @property
    def by(self) -> str:
        by = self.request.GET.get("by", "")
        return by if by in GROUPS else ""

    def get_queryset(self) -> Any:
        return self.board.agents()

    def get_table_class(self) -> type[BaseTable]:
        return GroupTable if self.by else LeaderboardTable

    def get_table_data(self) -> Any:
        return self.board.groups(self.object_list, self.by) if self.by else self.object_list

    def get_table_kwargs(self) -> dict[str, Any]:
        if not self.by:
            return {"board": self.board}
        return {"by": self.by, "link": self._of_group}

    def _of_group(self, name: str) -> str:
        """The agents of a group."""
        query = self.request.GET.copy()
        for left in ("by", "page", "sort", "export"):
            query.pop(left, None)
        query[GROUPS[self.by]] = name
        return f"?{query.urlencode()}"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        together = self.board.together(self.object_list)
        parts = [(str(kind), max(0, getattr(together, kind))) for kind in KINDS]
        whole = sum(amount for _, amount in parts) or 1
        return {
            **context,
            "board": self.board,
            "together": together,
            "picture": parts_bar(together, whole),
            "parts": [(kind, amount, round(100 * amount / whole, 1)) for kind, amount in parts],
        }


class Ledger(ListPage):
    title = "Ledger"
    queryset = RodCoinsTransaction.objects.in_ledger().signed().select_related("agent")
    table_class = LedgerTable
    filterset_class = LedgerFilter
    file_name = "ledger"
    create = (reverse_lazy("transfer"), "New transfer", Permission.MOVE_COINS)


class TransactionPage(ContentPage):
    """A row of the ledger: from where to where, why, and what became of it."""

    template_name = "payroll/transaction.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = RodCoinsTransaction.objects.signed().select_related(
            "agent", "source__agent", "target__agent", "reverses"
        )
        row: Any = get_object_or_404(rows, pk=self.kwargs["pk"])
        can_be_reversed = not row.is_reversed and row.transaction_type != "reversal"
        if "form" not in kwargs and can_be_reversed and self.may(Permission.MOVE_COINS):
            kwargs["form"] = ReverseForm()
        return super().get_context_data(
            **{
                "title": f"{row.amount:,} RodCoins, {row.transaction_type}",
                "row": row,
                "reversal": row.reversals.first(),
                "task": row.source_key.partition("/")[0] if row.source_kind == "task" else "",
                **kwargs,
            }
        )


class Reverse(TransactionPage, FormPage):
    needs = Permission.MOVE_COINS
    form_class = ReverseForm
    done = "Reversed."

    def serve(self, actor: Actor, form: ReverseForm) -> RodCoinsTransaction:
        return reverse_transaction(
            actor=actor,
            transaction=get_object_or_404(RodCoinsTransaction, pk=self.kwargs["pk"]),
            reason=form.cleaned_data["reason"],
            key=form.key_given,
        )

    def done_url(self, result: RodCoinsTransaction) -> str:
        return reverse("transaction", args=[self.kwargs["pk"]])


class Transfer(FormPage):
    title = "New transfer"
    needs = Permission.MOVE_COINS
    form_class = TransferForm
    submit = "Transfer"
    done = "Transferred."

    def serve(self, actor: Actor, form: TransferForm) -> RodCoinsTransaction:
        return transfer(actor=actor, key=form.key_given, **form.answers)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("ledger"), **kwargs)

    def done_url(self, result: RodCoinsTransaction) -> str:
        return reverse("transaction", args=[result.pk])


class AgentFormPage(FormPage):
    """A form about one agent, which leads back to its page."""

    @property
    def agent(self) -> Agent:
        if not hasattr(self, "_agent"):
            self._agent = get_object_or_404(Agent, pk=self.kwargs["pk"])
        return self._agent

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            title=f"{self.title} {self.agent.name}",
            agent=self.agent,
            cancel_url=self.done_url(None),
            **kwargs,
        )

    def done_url(self, result: object) -> str:
        return reverse("agent", args=[self.kwargs["pk"]])


class Award(AgentFormPage):
    title = "Award or deduct:"
    needs = Permission.MOVE_COINS
    template_name = "payroll/award.html"
    form_class = AwardForm
    submit = "Post"
    done = "Posted to the ledger."

    def serve(self, actor: Actor, form: AwardForm) -> RodCoinsTransaction:
        return award_rodcoins(actor=actor, agent=self.agent, key=form.key_given, **form.answers)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(balance=balance_of(self.agent), **kwargs)


class Evaluate(AgentFormPage):
    title = "Evaluate"
    needs = Permission.EVALUATE
    template_name = "payroll/evaluate.html"
    form_class = EvaluationForm
    submit = "Record"
    done = "Evaluation recorded."

    def serve(self, actor: Actor, form: EvaluationForm) -> Any:
        return record_performance_evaluation(
            actor=actor,
            agent=self.agent,
            evaluator_id=actor.id,
            key=form.key_given,
            **form.answers,
        )
