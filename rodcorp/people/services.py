"""What can be done to users."""

from typing import Any, TypedDict, Unpack

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q

from rodcorp.actors import Actor, ActorKind, Permission, Role
from rodcorp.databases import clock
from rodcorp.databases.failover import require_primary
from rodcorp.databases.ids import natural_id
from rodcorp.databases.repeatable import write_presence
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service
from rodcorp.people.errors import UserNotFound
from rodcorp.people.models import User


class UserChanges(TypedDict, total=False):
    display_name: str
    email: str
    role: str
    is_active: bool


@service("people.create_user", needs=Permission.MANAGE_USERS)
def create_user(
    *,
    actor: Actor,
    username: str,
    password: str | None,
    email: str = "",
    display_name: str = "",
    role: str = Role.VIEWER,
) -> User:
    """A new user. Without a password nobody can sign in as them until one is set."""
    username = validation.text(username, "username", max_length=100)
    user_id = natural_id("user", username)
    # the database's own comparison ignores the case of ASCII only, the id the case of all letters
    if User.objects.filter(Q(pk=user_id) | Q(username=username)).exists():
        raise Conflict(f"The username '{username}' is taken; choose another.", field="username")
    user = User(
        id=user_id,
        username=username,
        date_joined=open_unit().now,
        **_checked(UserChanges(email=email, display_name=display_name, role=role)),
    )
    user.password = _hash(password, user)
    return rows.insert(user)


@service("people.update_user", needs=Permission.MANAGE_USERS)
def update_user(*, actor: Actor, user: User, **changes: Unpack[UserChanges]) -> User:
    """Change what is given. The last active admin keeps the role. A role is changed on the
    primary only."""
    values = _checked(changes)
    if values.get("role", user.role) != user.role:
        require_primary("Changing a role")
    stays_admin = values.get("role", user.role) == Role.ADMIN and values.get(
        "is_active", user.is_active
    )
    if user.role == Role.ADMIN and user.is_active and not stays_admin:
        # locked, so that two admins cannot demote each other at the same moment
        admins = User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True)
        if not any(admin.pk != user.pk for admin in admins):
            raise Conflict(
                "This is the last active admin; make another user admin first.",
                field="is_active" if values.get("role", user.role) == Role.ADMIN else "role",
            )
    return rows.change(user, **values)


@service("people.set_password", needs=Permission.MANAGE_USERS)
def set_password(*, actor: Actor, user: User, password: str) -> User:
    return rows.change(user, password=_hash(password, user))


@service("people.change_own_password", needs=Permission.VIEW)
def change_own_password(*, actor: Actor, user: User, old_password: str, new_password: str) -> User:
    """Whatever the role, everybody may do this for themselves."""
    if actor.kind is not ActorKind.USER or actor.id != str(user.pk):
        raise PermissionRefused("This changes only one's own password.")
    if not user.check_password(old_password):
        raise InvalidInput("This is not your present password.", field="old_password")
    return rows.change(user, password=_hash(new_password, user, field="new_password"))


def find_user(username: object) -> User:
    """The user of that name; `UserNotFound` if there is none."""
    found = User.objects.filter(username=username).first() if isinstance(username, str) else None
    if found is None:
        raise UserNotFound(f"There is no user {username!r}.", field="username")
    return found


def note_login(sender: object, user: User, **kwargs: Any) -> None:
    """Presence, not a unit: when somebody last signed in."""
    now = clock.now()
    write_presence(lambda: User.objects.filter(pk=user.pk).update(last_login=now))


def _checked(changes: UserChanges) -> dict[str, Any]:
    """The given values in their proper types; raises `InvalidInput` for the first that is not."""
    values: dict[str, Any] = dict(changes)
    if unknown := set(values) - set(UserChanges.__annotations__):
        name = sorted(unknown)[0]
        raise InvalidInput(f"A user has no '{name}' that could be changed.", field=name)
    for name, limit in (("display_name", 100), ("email", 254)):
        if name in values:
            values[name] = validation.text(values[name], name, max_length=limit, required=False)
    if values.get("email"):
        try:
            validate_email(values["email"])
        except ValidationError:
            raise InvalidInput(
                "email must be an address like a@example.org.", field="email"
            ) from None
    if "role" in values:
        values["role"] = validation.choice(values["role"], "role", [role.value for role in Role])
    if "is_active" in values and not isinstance(values["is_active"], bool):
        raise InvalidInput("is_active must be true or false.", field="is_active")
    return values


def _hash(password: str | None, user: User, *, field: str = "password") -> str:
    if password is None:
        return make_password(None)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), field=field) from None
    return make_password(password)
