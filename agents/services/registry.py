"""Registering, changing and retiring agents."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.db.models import Q

from agents.models import AI_MODELS, Agent, AgentSkill, AgentStatus
from rodcorp.actors import Actor, Permission
from rodcorp.databases.fields import fold
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service


class AgentDetails(TypedDict, total=False):
    """What may be said about an agent. None, or leaving it out, leaves it as it is."""

    team: str | None
    role: str | None
    ai_model: str | None
    personality: str | None
    specialization: str | None
    seniority: str | None
    status: str | None
    communication_port: int | None
    machine_hostname: str | None
    machine_ip: str | None
    skills: Mapping[str, int] | None


@dataclass
class NewAgent:
    """One agent of a bulk registration. `field` is what the input calls the name."""

    name: str
    project: str | None = None
    details: AgentDetails = field(default_factory=lambda: AgentDetails())


@service("agents.register", needs=Permission.MANAGE_AGENTS)
def register_agent(
    *,
    actor: Actor,
    name: str,
    project: str | None = None,
    key: str | None = None,
    **details: Unpack[AgentDetails],
) -> Agent:
    """Register an agent, or update the one of that name in that project and bring it back into
    service. Its project, host and address default to the setting and this machine's."""
    details["machine_hostname"] = details.get("machine_hostname") or this_hostname()
    details["machine_ip"] = details.get("machine_ip") or this_address()
    return _register([NewAgent(name, project, details)])[0]


@service("agents.register_new", needs=Permission.MANAGE_AGENTS)
def register_new_agent(
    *,
    actor: Actor,
    name: str,
    project: str | None = None,
    key: str | None = None,
    **details: Unpack[AgentDetails],
) -> Agent:
    """Register an agent nobody has registered yet; for forms, where who adds an agent does not
    mean to change one. With a `key` the same form sent again returns the same agent."""
    wanted = _named(NewAgent(name, project))
    if Agent.objects.filter(project=wanted.project, name=wanted.name).exists():
        raise Conflict(
            "This project already has an agent of that name; change that one instead.",
            field="agent_name",
        )
    return register_agent(actor=actor, name=name, project=project, **details)


@service("agents.register_many", needs=Permission.MANAGE_AGENTS)
def register_agents(
    *, actor: Actor, agents: Sequence[NewAgent], is_sample: bool = False
) -> list[Agent]:
    """Register many at once by the same rules, in the order given; all of them or none.

    An agent whose host is not given gets `unknown` and `0.0.0.0`: a bulk registration speaks for
    agents that live elsewhere.
    """
    return _register(agents, is_sample=is_sample)


@service("agents.update", needs=Permission.MANAGE_AGENTS)
def update_agent(*, actor: Actor, agent: Agent, **details: Unpack[AgentDetails]) -> Agent:
    """Change what is given; an empty text clears a column that may be empty."""
    values = _checked(details)
    skills = values.pop("skills", None)
    rows.change(agent, **values)
    if skills is not None:
        _set_skills({agent: skills})
    return agent


@service("agents.retire", needs=Permission.MANAGE_AGENTS)
def retire_agent(*, actor: Actor, agent: Agent) -> Agent:
    """Take an agent out of service. Its rows stay; registering it again brings it back."""
    return rows.change(agent, status=AgentStatus.RETIRED)


def this_hostname() -> str:
    return validation.clip(socket.gethostname() or "unknown", 100)


def this_address() -> str:
    """The address this machine's name stands for, or loopback. No packet leaves the machine."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _register(agents: Sequence[NewAgent], *, is_sample: bool = False) -> list[Agent]:
    now = open_unit().now
    wanted = [(_named(new), _checked(new.details)) for new in agents]
    known = _existing([agent for agent, _ in wanted])
    created: list[Agent] = []
    registered: list[Agent] = []
    skills: dict[Agent, dict[str, int]] = {}
    for candidate, values in wanted:
        identity = (fold(candidate.project), fold(candidate.name))
        agent_skills = values.pop("skills", None)
        agent = known.get(identity)
        if agent is None:
            agent = known[identity] = candidate
            for name, value in {**_UNKNOWN_HOST, **values}.items():
                setattr(agent, name, value)
            agent.first_registered = agent.last_seen = now
            agent.is_sample = is_sample
            created.append(agent)
        elif agent._state.adding:
            # named twice in one call: the later entry completes the earlier
            for name, value in values.items():
                setattr(agent, name, value)
        else:
            rows.change(agent, **{"status": AgentStatus.ACTIVE, **values})
        if agent_skills is not None:
            skills[agent] = agent_skills
        registered.append(agent)
    rows.insert_many(created)
    new_ids = {agent.pk for agent in created}
    _seen_now([agent for agent in registered if agent.pk not in new_ids])
    _set_skills(skills)
    return registered


_UNKNOWN_HOST = {"machine_hostname": "unknown", "machine_ip": "0.0.0.0"}  # noqa: S104  no address, not one to listen on


def _named(new: NewAgent) -> Agent:
    name = validation.text(new.name, "agent_name", max_length=100)
    project = validation.text(new.project or settings.RODCORP_PROJECT, "project", max_length=100)
    return Agent(id=natural_id("agent", project, name), name=name, project=project)


def _existing(wanted: Sequence[Agent]) -> dict[tuple[str, str], Agent]:
    """The registered agents among those, by (project, name) folded."""
    found: dict[tuple[str, str], Agent] = {}
    for start in range(0, len(wanted), 200):
        part = wanted[start : start + 200]
        either = Q(pk__in=[agent.pk for agent in part])
        # one registered by another program has an id of its own
        either |= Q(name__in={agent.name for agent in part})
        for agent in Agent.objects.filter(either):
            found[fold(agent.project), fold(agent.name)] = agent
    return found


def _seen_now(agents: Sequence[Agent]) -> None:
    now = open_unit().now
    for agent in agents:
        agent.last_seen = now
    Agent.objects.filter(pk__in=[agent.pk for agent in agents]).update(last_seen=now)


def _set_skills(skills: Mapping[Agent, Mapping[str, int]]) -> None:
    """Make the agents' skills exactly these."""
    present: dict[tuple[Any, str], AgentSkill] = {
        (skill.agent_id, fold(skill.skill)): skill
        for skill in AgentSkill.objects.filter(agent__in=list(skills))
    }
    new: list[AgentSkill] = []
    for agent, levels in skills.items():
        for name, level in levels.items():
            skill = present.pop((agent.pk, fold(name)), None)
            if skill is None:
                row_id = natural_id("skill", agent.pk, name)
                new.append(AgentSkill(id=row_id, agent=agent, skill=name, level=level))
            else:
                rows.change(skill, level=level)
    rows.delete_many(present.values())
    rows.insert_many(new)


_TEXTS = {
    "team": 100,
    "role": 200,
    "personality": 50,
    "specialization": 300,
    "seniority": 50,
}


def _checked(details: AgentDetails) -> dict[str, Any]:
    """The given details in their proper types; raises `InvalidInput` for the first that is not."""
    given = {name: value for name, value in details.items() if value is not None}
    if unknown := set(given) - set(AgentDetails.__annotations__):
        raise InvalidInput(f"An agent has no '{sorted(unknown)[0]}'.", field=sorted(unknown)[0])
    values: dict[str, Any] = {
        name: validation.text(given[name], name, max_length=limit, required=False) or None
        for name, limit in _TEXTS.items()
        if name in given
    }
    if "ai_model" in given:
        values["ai_model"] = validation.choice(given["ai_model"], "ai_model", AI_MODELS)
    if "status" in given:
        values["status"] = validation.choice(given["status"], "status", AgentStatus.values)
    if "communication_port" in given:
        values["communication_port"] = validation.integer(
            given["communication_port"], "communication_port", minimum=1, maximum=65535
        )
    if "machine_hostname" in given:
        values["machine_hostname"] = validation.text(
            given["machine_hostname"], "machine_hostname", max_length=100
        )
    if "machine_ip" in given:
        values["machine_ip"] = validation.ip_address(given["machine_ip"], "machine_ip")
    if "skills" in given:
        values["skills"] = _checked_skills(given["skills"])
    return values


def _checked_skills(skills: object) -> dict[str, int]:
    if not isinstance(skills, Mapping):
        raise InvalidInput("skills must map each skill to its level, 1 to 10.", field="skills")
    return {
        validation.text(name, "skills", max_length=100): validation.integer(
            level, f"skills[{name}]", minimum=1, maximum=10
        )
        for name, level in skills.items()
    }
