"""The registry: its list and its forms. An agent's own page shows several departments, so it is
the console's."""

from functools import cached_property
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse, reverse_lazy

from agents.models import Agent, AgentStatus
from agents.services.registry import register_new_agent, retire_agent, update_agent
from agents.web.filters import AgentFilter
from agents.web.forms import EditAgentForm, NewAgentForm
from agents.web.tables import AgentTable
from rodcorp.actors import Actor, Permission
from rodcorp.kit.web.forms import ServiceForm
from rodcorp.kit.web.views import FormPage, ListPage


class AgentList(ListPage):
    title = "Agents"
    queryset = Agent.objects.in_registry()
    table_class = AgentTable
    filterset_class = AgentFilter
    create = (reverse_lazy("agent-new"), "Register agent", Permission.MANAGE_AGENTS)
    file_name = "agents"


class NewAgent(FormPage):
    title = "Register an agent"
    needs = Permission.MANAGE_AGENTS
    form_class = NewAgentForm
    template_name = "agents/agent_form.html"
    submit = "Register"
    done = "Registered."
    extra_context = {"cancel_url": reverse_lazy("agents")}

    def serve(self, actor: Actor, form: NewAgentForm) -> Agent:
        return register_new_agent(actor=actor, key=form.key_given, **form.given())

    def done_url(self, result: Agent) -> str:
        return reverse("agent", args=[result.pk])


class AgentFormPage(FormPage):
    """A form about one agent, which leads back to its page."""

    needs = Permission.MANAGE_AGENTS

    @cached_property
    def agent(self) -> Agent:
        return get_object_or_404(Agent, pk=self.kwargs["pk"])

    def done_url(self, result: Agent) -> str:
        return reverse("agent", args=[self.agent.pk])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            title=f"{self.title} {self.agent.name}",
            agent=self.agent,
            cancel_url=self.done_url(self.agent),
            **kwargs,
        )


class EditAgent(AgentFormPage):
    title = "Edit"
    form_class = EditAgentForm
    template_name = "agents/agent_form.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"agent": self.agent}

    def serve(self, actor: Actor, form: EditAgentForm) -> Agent:
        return update_agent(actor=actor, agent=self.agent, **form.changed())


class RetireAgent(AgentFormPage):
    title = "Retire"
    form_class = ServiceForm
    template_name = "agents/retire.html"
    submit = "Retire"
    done = "Retired."

    def serve(self, actor: Actor, form: ServiceForm) -> Agent:
        return retire_agent(actor=actor, agent=self.agent)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            is_retired=self.agent.status == AgentStatus.RETIRED, **kwargs
        )
