"""All about one agent: who it is, what it does, says and earns, and how it is judged."""

from decimal import Decimal
from math import ceil, floor
from typing import Any, NamedTuple

from django.shortcuts import get_object_or_404

from agents.models import Agent, AgentStatus, Discussion, LivenessChange
from payroll.models import Evaluation, LedgerAccount, RodCoinsTransaction
from payroll.ratings import Rating, observed_in, rating_of
from rodcorp.actors import Permission
from rodcorp.kit.web.views import ContentPage
from tasks.models import Task

LATEST = 8

# of the picture of a rating's course, in its own units
WIDTH, HEIGHT = 300, 60


class AgentPage(ContentPage):
    template_name = "console/agent.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        agent = get_object_or_404(Agent, pk=self.kwargs["pk"])
        return super().get_context_data(
            agent=agent,
            title=agent.name,
            is_retired=agent.status == AgentStatus.RETIRED,
            may_manage=self.may(Permission.MANAGE_AGENTS),
            may_award=self.may(Permission.MOVE_COINS),
            may_assign=self.may(Permission.MANAGE_TASKS),
            may_evaluate=self.may(Permission.EVALUATE),
            rating=(rating := rating_of(agent)),
            course=_course(rating),
            **_latest_of(agent),
            **kwargs,
        )


def _latest_of(agent: Agent) -> dict[str, Any]:
    """A fixed number of queries, however much the agent has done."""
    wallet = LedgerAccount.objects.wallet_of(agent)
    transactions = RodCoinsTransaction.objects.of_wallet(agent, wallet)
    return {
        "balance": wallet.balance if wallet else 0,
        "skills": agent.skills.order_by("-level", "skill"),
        "tasks": Task.objects.of_agent(agent).defer("description", "supervisor_notes")[:LATEST],
        "said": Discussion.objects.of_agent(agent)[:LATEST],
        "transactions": transactions[:LATEST],
        "evaluations": [
            (evaluation, observed_in(evaluation))
            for evaluation in Evaluation.objects.of_agent(agent)[:LATEST]
        ],
        "liveness_changes": LivenessChange.objects.of_agent(agent)[:LATEST],
    }


class Course(NamedTuple):
    """A rating's course as a line in a box of `WIDTH` by `HEIGHT`, from `low` at its bottom to
    `high` at its top."""

    evaluations: int
    line: str
    last: str
    low: int
    high: int


def _course(rating: Rating) -> Course | None:
    """None if there is no line: a course of one point goes nowhere."""
    values = [value for _, value in rating.course]
    if len(values) < 3:
        return None
    low = min(floor(min(values)), 4)
    high = max(ceil(max(values)), low + 1)
    step = Decimal(WIDTH) / (len(values) - 1)
    points = [
        f"{step * place:.1f},{HEIGHT * (high - value) / (high - low):.1f}"
        for place, value in enumerate(values)
    ]
    return Course(len(values) - 1, " ".join(points), points[-1], low, high)
