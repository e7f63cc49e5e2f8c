"""All about one agent: who it is, what it does, says and earns, and how it is judged."""

from typing import Any

from django.shortcuts import get_object_or_404

from agents.models import Agent, AgentStatus, Discussion, LivenessChange
from payroll.models import Evaluation, LedgerAccount, RodCoinsTransaction
from rodcorp.actors import Permission
from rodcorp.kit.web.views import ContentPage
from tasks.models import Task

LATEST = 8


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
        "evaluations": Evaluation.objects.of_agent(agent)[:LATEST],
        "liveness_changes": LivenessChange.objects.of_agent(agent)[:LATEST],
    }
