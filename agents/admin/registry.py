"""Agents, their skills and how alive they were."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from agents.admin.importing import AgentImporter
from agents.models import Agent, AgentSkill, LivenessChange
from agents.services.registry import register_new_agent, retire_agent, update_agent
from rodcorp.actors import Actor, Permission
from rodcorp.databases.fields import fold
from rodcorp.errors import Conflict
from rodcorp.kit.admin import BaseAdmin, BaseForm, ReadOnlyAdmin
from rodcorp.kit.skills import skills_from_text

_LIVENESS_COLOURS = {"up": "success", "late": "warning", "down": "danger"}
_STATUS_COLOURS = {"active": "success", "inactive": "warning", "retired": "info"}


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
    importer = AgentImporter
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
        "shown_status",
        "shown_liveness",
        "last_seen",
        "shown_earned",
    )
    list_filter = ("status", "ai_model", "team", "project", "seniority")
    search_fields = ("name", "project", "team", "machine_hostname", "specialization")
    ordering = ("name", "project")
    actions = ("retire",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> Agent:
        given = {name: value for name, value in values.items() if value not in (None, "")}
        return register_new_agent(actor=actor, key=key, **given)

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

    @admin.display(description="Earned", ordering="total_rodcoins_earned")
    def shown_earned(self, agent: Agent) -> int:
        return agent.total_rodcoins_earned or 0

    @admin.display(description="Skills")
    def skills(self, agent: Agent) -> str:
        return ", ".join(f"{skill.skill} {skill.level}" for skill in agent.skills.order_by("skill"))


class SkillForm(BaseForm):
    service_names = {"skills": "level"}


@admin.register(AgentSkill)
class AgentSkillAdmin(BaseAdmin):
    """Each change goes through `update_agent`, which takes all skills of an agent. One is taken
    away on the agent's own page."""

    form = SkillForm
    needs = Permission.MANAGE_AGENTS
    add_fields = ("agent", "skill", "level")
    change_fields = ("level",)
    fieldsets = ((None, {"fields": ("agent", "skill", "level")}), ("Record", {"fields": ("id",)}))

    list_display = ("skill", "agent", "level")
    list_display_links = ("skill",)
    list_filter = ("level",)
    list_select_related = ("agent",)
    search_fields = ("skill", "agent__name")
    autocomplete_fields = ("agent",)
    ordering = ("skill", "-level", "agent__name", "agent__project")

    def create(self, actor: Actor, key: str | None, **values: Any) -> AgentSkill:
        # no key: an agent has a skill once
        agent, name = values["agent"], values["skill"]
        if fold(name) in {fold(known) for known in self._levels_of(agent)}:
            raise Conflict(f"{agent} already has the skill {name}; change it.", field="skill")
        return self._set(actor, agent, name, values["level"])

    def change(self, actor: Actor, row: AgentSkill, **values: Any) -> AgentSkill:
        return self._set(actor, row.agent, row.skill, values.get("level", row.level))

    def _set(self, actor: Actor, agent: Agent, name: str, level: int) -> AgentSkill:
        update_agent(actor=actor, agent=agent, skills={**self._levels_of(agent), name: level})
        return agent.skills.get(skill=name)

    def _levels_of(self, agent: Agent) -> dict[str, int]:
        return dict(agent.skills.values_list("skill", "level"))


@admin.register(LivenessChange)
class LivenessChangeAdmin(ReadOnlyAdmin):
    """Only shown: the sweep notes what it noticed, and what was noticed stays."""

    fieldsets = (
        (None, {"fields": ("agent", "before", "after", "last_seen", "noticed_at")}),
        ("Record", {"fields": ("id", "actor_name", "actor_kind")}),
    )

    list_display = ("agent", "shown_before", "shown_after", "last_seen", "noticed_at")
    list_filter = ("before", "after")
    list_select_related = ("agent",)
    search_fields = ("agent__name",)
    ordering = ("-noticed_at", "agent__name")

    @display(description="Before", ordering="before", label=_LIVENESS_COLOURS)
    def shown_before(self, change: LivenessChange) -> str:
        return change.before

    @display(description="After", ordering="after", label=_LIVENESS_COLOURS)
    def shown_after(self, change: LivenessChange) -> str:
        return change.after
