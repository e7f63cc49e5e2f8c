"""Who acts, and what they may do.

A service takes an `Actor`; the audit trail stores it. Permissions come from the role, here in
code, and nowhere else: there are no groups and no per-user permissions.
"""

import getpass
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from rodcorp.errors import PermissionRefused


class ActorKind(StrEnum):
    USER = "user"
    AGENT = "agent"
    COMMAND = "command"
    SYSTEM = "system"


class Role(StrEnum):
    VIEWER = "viewer"
    SUPERVISOR = "supervisor"
    PAYROLL = "payroll"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    VIEW = "view"
    POST_MESSAGES = "post_messages"
    BE_PRESENT = "be_present"
    WORK_ON_TASKS = "work_on_tasks"
    MANAGE_AGENTS = "manage_agents"
    MANAGE_TASKS = "manage_tasks"
    EVALUATE = "evaluate"
    MOVE_COINS = "move_coins"
    RUN_PAYROLL = "run_payroll"
    IMPORT_DATA = "import_data"
    MANAGE_USERS = "manage_users"
    RUN_SYSTEM = "run_system"


_SUPERVISE = frozenset(
    {
        Permission.VIEW,
        Permission.POST_MESSAGES,
        Permission.BE_PRESENT,
        Permission.WORK_ON_TASKS,
        Permission.MANAGE_AGENTS,
        Permission.MANAGE_TASKS,
        Permission.EVALUATE,
    }
)

ALL_PERMISSIONS = frozenset(Permission)

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.SUPERVISOR: _SUPERVISE,
    Role.PAYROLL: frozenset(
        {
            Permission.VIEW,
            Permission.POST_MESSAGES,
            Permission.MOVE_COINS,
            Permission.RUN_PAYROLL,
        }
    ),
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.IMPORT_DATA, Permission.RUN_SYSTEM}),
    Role.ADMIN: ALL_PERMISSIONS,
}

# No agent can create coins, change the registry of others or judge work.
AGENT_PERMISSIONS = frozenset(
    {
        Permission.VIEW,
        Permission.POST_MESSAGES,
        Permission.BE_PRESENT,
        Permission.WORK_ON_TASKS,
    }
)


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is the row's UUID for users and agents, a stable word for commands and the system."""

    kind: ActorKind
    id: str
    name: str
    role: Role | None = None
    token: str = ""
    address: str = ""

    @classmethod
    def system(cls, name: str = "system") -> "Actor":
        return cls(ActorKind.SYSTEM, name, name)

    @classmethod
    def command(cls, name: str) -> "Actor":
        """A management command or a script, acting for whoever runs it on this machine."""
        return cls(ActorKind.COMMAND, name, f"{name} ({_login_name()})"[:100])

    @property
    def permissions(self) -> frozenset[Permission]:
        if self.kind is ActorKind.USER:
            return ROLE_PERMISSIONS[self.role] if self.role else frozenset()
        if self.kind is ActorKind.AGENT:
            return AGENT_PERMISSIONS
        return ALL_PERMISSIONS

    def require(self, permission: Permission) -> None:
        if permission not in self.permissions:
            who = f"role '{self.role}'" if self.role else f"{self.kind} '{self.name}'"
            raise PermissionRefused(
                f"The {who} may not do this; it needs the permission '{permission}'.",
                details={"permission": str(permission)},
            )

    def require_own(self, agent_id: UUID) -> None:
        """An agent acts for itself only; everybody else acts with a supervisor's authority."""
        if self.kind is ActorKind.AGENT and self.id != str(agent_id):
            raise PermissionRefused("An agent may do this only for itself.")


def actor_of(request: Any) -> Actor:
    """Who sends this request; they must be signed in."""
    actor: Actor = request.user.as_actor(address=request.META.get("REMOTE_ADDR", "")[:45])
    return actor


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
