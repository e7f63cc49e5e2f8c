"""Refusals of this department."""

from collections.abc import Sequence

from rodcorp.errors import Conflict, NotFound


class AgentNotFound(NotFound):
    code = "agent_not_found"

    def __init__(self, name: object, project: str | None = None) -> None:
        where = f" in the project '{project}'" if project else ""
        super().__init__(
            f"There is no agent {name!r}{where}; register it first.", field="agent_name"
        )


class AmbiguousAgentName(Conflict):
    code = "ambiguous_agent_name"

    def __init__(self, name: str, projects: Sequence[str]) -> None:
        super().__init__(
            f"Several projects have an agent '{name}' ({', '.join(projects)}, ...); name the "
            "project too.",
            field="agent_name",
        )


class MessageNotFound(NotFound):
    code = "message_not_found"
