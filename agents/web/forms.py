"""Forms over the services of the registry and the discussions."""

from typing import Any

from django import forms
from django.conf import settings

from agents.models import AI_MODELS, Agent, AgentStatus
from agents.web.choices import SENTIMENTS, AgentField, known_projects
from rodcorp.kit.priorities import Priority
from rodcorp.kit.skills import skills_from_text
from rodcorp.kit.web.forms import ServiceForm, SuggestingInput, dress


class AgentDetailsForm(ServiceForm):
    """What may be said about an agent, whether it is new or known."""

    service_names = {"agent_name": "name"}

    team = forms.CharField(required=False)
    role = forms.CharField(required=False)
    seniority = forms.CharField(required=False)
    personality = forms.CharField(required=False)
    ai_model = forms.ChoiceField(
        label="AI model",
        required=False,
        choices=[("", "not said"), *((name, name) for name in AI_MODELS)],
    )
    specialization = forms.CharField(required=False)
    skills = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        required=False,
        help_text="One a line with its level from 1 to 10: python 7",
    )
    machine_hostname = forms.CharField(label="Host", required=False)
    machine_ip = forms.CharField(label="IP address", required=False)
    communication_port = forms.CharField(
        label="Port", required=False, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )

    def clean_skills(self) -> dict[str, int]:
        return skills_from_text(self.cleaned_data["skills"])


class NewAgentForm(AgentDetailsForm):
    name = forms.CharField()
    project = forms.CharField(widget=SuggestingInput(known_projects))

    field_order = ("name", "project")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].initial = settings.RODCORP_PROJECT
        self.fields["communication_port"].initial = Agent.communication_port.field.default
        for name in ("machine_hostname", "machine_ip"):
            self.fields[name].help_text = "This machine's, if left out."

    def given(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value}
        given.pop("key", None)
        return given


class EditAgentForm(AgentDetailsForm):
    """Only what was changed in the form is written: each field remembers what it showed, so that
    what somebody else changed meanwhile stays."""

    status = forms.ChoiceField(choices=[(word, word) for word in AgentStatus.values])

    field_order = ("status",)

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        super().__init__(*args, initial=_shown(agent), **kwargs)
        # what an agent has always had, or has been given once, is changed but not taken away
        for name in ("machine_hostname", "machine_ip", "communication_port"):
            self.fields[name].required = True
        if agent.ai_model:
            self.fields["ai_model"] = forms.ChoiceField(
                choices=[(name, name) for name in AI_MODELS], label="AI model"
            )
            dress(self)
        for name, field in self.fields.items():
            field.show_hidden_initial = name != "key"

    def changed(self) -> dict[str, Any]:
        names = [name for name in self.changed_data if name != "key"]
        return {name: self.cleaned_data[name] for name in names}


class PostForm(ServiceForm):
    """Starting a thread, as oneself or on behalf of an agent."""

    service_names = {"agent_name": "agent"}

    topic = forms.CharField()
    message = forms.CharField(widget=forms.Textarea(attrs={"rows": 6, "dir": "auto"}))
    priority = forms.TypedChoiceField(
        choices=Priority.choices, coerce=int, initial=Priority.NORMAL.value
    )
    agent = AgentField(label="Speak for", required=False, empty_label="yourself")
    project = forms.CharField(required=False, widget=SuggestingInput(known_projects))
    sentiment = forms.CharField(
        required=False,
        widget=SuggestingInput(lambda: SENTIMENTS),
        help_text="Judged from the message, if left out.",
    )

    def __init__(self, *args: Any, for_agents: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        whose = "The agent's or " if for_agents else ""
        self.fields["project"].help_text = f"{whose}'{settings.RODCORP_PROJECT}', if left out."
        if not for_agents:
            del self.fields["agent"]


class ReplyForm(ServiceForm):
    # which message of the thread it answers; the first, if none is chosen
    to = forms.UUIDField(widget=forms.HiddenInput, required=False)
    message = forms.CharField(
        label="Your reply", widget=forms.Textarea(attrs={"rows": 4, "dir": "auto"})
    )


def _shown(agent: Agent) -> dict[str, Any]:
    """The agent's details as the form shows them."""
    names = [name for name in EditAgentForm.base_fields if name not in ("key", "skills")]
    shown = {name: getattr(agent, name) for name in names}
    skills = agent.skills.order_by("skill")
    shown["skills"] = "\n".join(f"{skill.skill} {skill.level}" for skill in skills)
    return {name: "" if value is None else value for name, value in shown.items()}
