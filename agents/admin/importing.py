"""Agents and messages from CSV."""

from typing import Any

from django.conf import settings

from agents.models import Agent, Discussion
from agents.services.discussions import NewMessage, post_messages
from agents.services.registry import NewAgent, register_agents, update_agent
from rodcorp.actors import Actor
from rodcorp.databases.ids import natural_id
from rodcorp.errors import InvalidInput, NotFound
from rodcorp.kit import validation
from rodcorp.kit.admin.imports import Cells, Importer


class AgentImporter(Importer):
    columns = (
        "name",
        "project",
        "team",
        "role",
        "ai_model",
        "personality",
        "specialization",
        "seniority",
        "status",
        "skills",
        "machine_hostname",
        "machine_ip",
        "communication_port",
    )
    required = ("name",)
    identity = ("name", "project")
    keys = ()
    service_names = {"agent_name": "name"}
    prefetches = ("skills",)
    help = (
        "An agent is known by its name and project; without a project it is the default one. "
        "Skills are written like: python 7; sql 4."
    )

    def find(self, cells: Cells) -> Agent | None:
        project = cells.get("project", settings.RODCORP_PROJECT)
        return Agent.objects.filter(name=cells.get("name", ""), project=project).first()

    def create(self, actor: Actor, cells: Cells) -> Agent:
        details: Any = _details(cells)
        new = NewAgent(details.pop("name"), details.pop("project", None), details)
        return register_agents(actor=actor, agents=[new])[0]

    def change(self, actor: Actor, row: Agent, changed: Cells) -> Agent:
        return update_agent(actor=actor, agent=row, **_details(changed))

    def value_of(self, row: Agent, column: str) -> object:
        if column == "skills":
            found = sorted((skill.skill, skill.level) for skill in row.skills.all())
            return "; ".join(f"{name} {level}" for name, level in found)
        return getattr(row, column)

    def label_of(self, row: Agent) -> str:
        return f"{row.name} · {row.project}"


class DiscussionImporter(Importer):
    columns = (
        "id",
        "key",
        "topic",
        "message",
        "agent",
        "project",
        "priority",
        "sentiment",
        "posted_at",
    )
    required = ("topic", "message")
    prefetches = ("agent",)
    help = (
        "Messages are added, never changed. Without an agent you are the author. With a key of "
        "your own choosing a message is posted once, however often the file is imported."
    )

    def find(self, cells: Cells) -> Discussion | None:
        if "id" in cells:
            wanted = validation.guid(cells["id"], "id")
            found = Discussion.objects.filter(pk=wanted).select_related("agent").first()
            if found is None:
                raise NotFound(f"There is no message {wanted}.", field="id")
            return found
        if "key" in cells:
            return Discussion.objects.filter(pk=_message_id(cells["key"])).first()
        return None

    def create(self, actor: Actor, cells: Cells) -> Discussion:
        agent, project = cells.get("agent"), cells.get("project")
        new = NewMessage(
            topic=cells.get("topic", ""),
            message=cells.get("message", ""),
            agent=Agent.objects.named(agent, project=project) if agent else None,
            project=project,
            sentiment=cells.get("sentiment"),
            id=_message_id(cells["key"]) if "key" in cells else None,
        )
        if "priority" in cells:
            new.priority = cells["priority"]
        if "posted_at" in cells:
            new.posted_at = validation.moment(cells["posted_at"], "posted_at")
        return post_messages(actor=actor, messages=[new])[0]

    def value_of(self, row: Discussion, column: str) -> object:
        if column == "key":
            return None
        return row.get_priority_display() if column == "priority" else getattr(row, column)


def _message_id(key: str) -> Any:
    return natural_id("imported message", validation.text(key, "key", max_length=200))


def _details(cells: Cells) -> dict[str, Any]:
    details: dict[str, Any] = dict(cells)
    if "skills" in cells:
        details["skills"] = skills_from_cell(cells["skills"])
    return details


def skills_from_cell(cell: str) -> dict[str, str]:
    """`python 7; sql 4`; the service judges the levels."""
    skills = {}
    for part in filter(None, map(str.strip, cell.split(";"))):
        name, _, level = part.rpartition(" ")
        if not name:
            raise InvalidInput(
                f"skills are written like python 7; sql 4, not {part:.60}.", field="skills"
            )
        skills[name.rstrip(" :")] = level
    return skills
