"""The first page: what the company is, and what waits for a person."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils import timezone

from agents.models import Agent, Discussion, Liveness
from rodcorp.kit.web.views import ContentPage
from rodcorp.statistics import system_statistics
from tasks.models import Task

LATEST = 6


@dataclass(frozen=True)
class Figure:
    """A number that opens its list."""

    label: str
    value: int
    url: str


class Home(ContentPage):
    title = "Home"
    template_name = "console/home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            figures=_figures(),
            waiting=_waiting(),
            at_work=Task.objects.at_work()[:LATEST],
            leaders=Agent.objects.leaderboard()[:LATEST],
            messages_latest=Discussion.objects.recent()[:LATEST],
            **kwargs,
        )


def _figures() -> list[Figure]:
    numbers = system_statistics()
    return [
        Figure("Agents in service", numbers["active_agents"], _to("agents", status="active")),
        Figure("Messages", numbers["total_discussions"], _to("discussions")),
        Figure("Tasks", numbers["total_tasks"], _to("tasks")),
        Figure("Tasks completed", numbers["completed_tasks"], _to("tasks", status="completed")),
        Figure("RodCoins earned", numbers["total_rodcoins_awarded"], _to("leaderboard")),
    ]


def _waiting() -> list[Figure]:
    """What needs a person."""
    tasks = Task.objects
    return [
        Figure(
            "Waiting for review",
            tasks.waiting_for_review().count(),
            _to("tasks", review_state="waiting"),
        ),
        Figure("Blocked", tasks.filter(status="blocked").count(), _to("tasks", status="blocked")),
        Figure("Overdue", tasks.overdue(timezone.now()).count(), _to("tasks", overdue="true")),
        Figure(
            "Agents down",
            Agent.objects.active().filter(noted_liveness=Liveness.DOWN).count(),
            _to("agents", liveness="down"),
        ),
    ]


def _to(name: str, **query: str) -> str:
    return reverse(name, query=query)
