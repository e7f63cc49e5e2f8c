"""The registry and the discussions in the admin."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from agents.models import Agent, Discussion
from agents.services.discussions import acknowledge, post_message
from agents.services.registry import register_agent, retire_agent, update_agent
from rodcorp.actors import Actor, Permission
from rodcorp.errors import Conflict
from rodcorp.kit.admin import BaseAdmin, BaseForm, skills_from_text

_LIVENESS_COLOURS = {"up": "success", "late": "warning", "down": "danger"}
_STATUS_COLOURS = {"active": "success", "inactive": "warning", "retired": "info"}
_SENTIMENT_COLOURS = {"positive": "success", "negative": "danger", "neutral": "info"}
_PRIORITY_COLOURS = {"high": "warning", "urgent": "danger", "low": "info"}


class AgentForm(BaseForm):
    service_names = {"agent_name": "name"}

    skills = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        required=False,
        help_text="One a line with its level from 1 to 10: python 7",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self._offer_defaults()
        elif "skills" in self.fields:
            self.initial["skills"] = "\n".join(
                f"{skill.skill} {skill.level}" for skill in self.instance.skills.order_by("skill")
            )

    def _offer_defaults(self) -> None:
        self.fields["project"].initial = settings.RODCORP_PROJECT
        for name in ("machine_hostname", "machine_ip"):
            self.fields[name].required = False
            self.fields[name].help_text = "This machine's, if left out."

    def clean_skills(self) -> dict[str, int]:
        return skills_from_text(self.cleaned_data["skills"])


@admin.register(Agent)
class AgentAdmin(BaseAdmin):
    form = AgentForm
    needs = Permission.MANAGE_AGENTS
    add_fields = (
        "name",
        "project",
        "team",
        "role",
        "ai_model",
        "personality",
        "specialization",
        "seniority",
        "skills",
        "machine_hostname",
        "machine_ip",
        "communication_port",
    )
    change_fields = (*add_fields[2:], "status")
    fieldsets = (
        (None, {"fields": ("name", "project", "status", "shown_liveness", "last_seen")}),
        ("Work", {"fields": ("team", "role", "specialization", "seniority", "skills")}),
        ("Character", {"fields": ("ai_model", "personality")}),
        ("Machine", {"fields": ("machine_hostname", "machine_ip", "communication_port")}),
        (
            "Earnings",
            {"fields": ("total_rodcoins_earned", "performance_rating", "current_pay_cycle")},
        ),
        ("Record", {"fields": ("id", "first_registered", "is_sample")}),
    )

    list_display = (
        "name",
        "project",
        "team",
        "ai_model",
        "seniority",
        "shown_status",
        "shown_liveness",
        "last_seen",
        "performance_rating",
        "total_rodcoins_earned",
    )
    list_filter = ("status", "ai_model", "team", "project", "seniority")
    search_fields = ("name", "project", "team", "machine_hostname", "specialization")
    ordering = ("name", "project")
    actions = ("retire",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> Agent:
        # the service would update a known agent; whoever fills in an add form does not mean that
        if Agent.objects.filter(project=values["project"], name=values["name"]).exists():
            raise Conflict(
                "This project already has an agent of that name; change that one instead.",
                field="name",
            )
        given = {name: value for name, value in values.items() if value not in (None, "")}
        return register_agent(actor=actor, key=key, **given)

    def change(self, actor: Actor, row: Agent, **values: Any) -> Agent:
        # the service takes None for "as it is"; a field left empty is to be emptied
        given: dict[str, Any] = {
            name: "" if value is None else value for name, value in values.items()
        }
        return update_agent(actor=actor, agent=row, **given)

    def label_of(self, row: Agent) -> str:
        return f"{row.name} · {row.project}"

    @admin.action(description="Retire the selected agents", permissions=["act"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.for_each(request, queryset, retire_agent, "agent")

    @display(description="Status", ordering="status", label=_STATUS_COLOURS)
    def shown_status(self, agent: Agent) -> str:
        return str(agent.status)

    @display(description="Alive", ordering="last_seen", label=_LIVENESS_COLOURS)
    def shown_liveness(self, agent: Agent) -> str:
        return agent.liveness.value

    @admin.display(description="Skills")
    def skills(self, agent: Agent) -> str:
        return ", ".join(f"{skill.skill} {skill.level}" for skill in agent.skills.order_by("skill"))


class MessageForm(BaseForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "project" in self.fields:
            self.fields["project"].initial = settings.RODCORP_PROJECT
            self.fields["sentiment"].widget = UnfoldAdminTextInputWidget()
            self.fields["sentiment"].help_text = "Judged from the message, if left out."


@admin.register(Discussion)
class DiscussionAdmin(BaseAdmin):
    form = MessageForm
    needs = Permission.POST_MESSAGES
    add_fields = ("project", "topic", "message", "priority", "sentiment")
    fieldsets = (
        (None, {"fields": ("topic", "message", "participant", "agent", "project", "posted_at")}),
        ("Tone", {"fields": ("priority", "sentiment", "sentiment_score")}),
        ("Thread", {"fields": ("thread", "reply_to")}),
        ("Acknowledged", {"fields": ("acknowledged_at", "acknowledged_by")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind", "actor_address", "is_sample")}),
    )

    list_display = (
        "topic",
        "participant",
        "project",
        "excerpt",
        "shown_priority",
        "shown_sentiment",
        "posted_at",
        "acknowledged_by",
    )
    list_filter = (
        "priority",
        "sentiment",
        "project",
        ("acknowledged_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("topic", "participant", "message")
    ordering = ("-posted_at",)
    actions = ("acknowledge",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> Discussion:
        return post_message(actor=actor, key=key, **values)

    @admin.action(description="Acknowledge the selected messages", permissions=["act"])
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Discussion]) -> None:
        self.for_each(request, queryset, acknowledge, "message")

    @admin.display(description="Message")
    def excerpt(self, message: Discussion) -> str:
        return message.message[:80]

    @display(description="Priority", ordering="priority", label=_PRIORITY_COLOURS)
    def shown_priority(self, message: Discussion) -> str:
        return message.get_priority_display()

    @display(description="Sentiment", ordering="sentiment", label=_SENTIMENT_COLOURS)
    def shown_sentiment(self, message: Discussion) -> str:
        return message.sentiment or ""
