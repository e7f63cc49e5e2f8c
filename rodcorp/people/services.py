"""What can be done to users."""

from typing import Any, TypedDict, Unpack

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from rodcorp.actors import Actor, Permission, Role
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service
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
    if User.objects.filter(username=username).exists():
        raise Conflict(f"The username '{username}' is taken; choose another.", field="username")
    user = User(
        id=natural_id("user", username),
        username=username,
        date_joined=open_unit().now,
        **_checked(UserChanges(email=email, display_name=display_name, role=role)),
    )
    user.password = _hash(password, user)
    return rows.insert(user)


@service("people.update_user", needs=Permission.MANAGE_USERS)
def update_user(*, actor: Actor, user: User, **changes: Unpack[UserChanges]) -> User:
    """Change what is given. The last active admin keeps the role."""
    values = _checked(changes)
    stays_admin = values.get("role", user.role) == Role.ADMIN and values.get(
        "is_active", user.is_active
    )
    if user.role == Role.ADMIN and user.is_active and not stays_admin:
        others = User.objects.filter(role=Role.ADMIN, is_active=True).exclude(pk=user.pk)
        if not others.exists():
            raise Conflict("This is the last active admin; make another user admin first.")
    return rows.change(user, **values)


@service("people.set_password", needs=Permission.MANAGE_USERS)
def set_password(*, actor: Actor, user: User, password: str) -> User:
    return rows.change(user, password=_hash(password, user))


def note_login(sender: object, user: User, **kwargs: Any) -> None:
    """Presence, not a unit: when somebody last signed in."""
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())


def _checked(changes: UserChanges) -> dict[str, Any]:
    values: dict[str, Any] = dict(changes)
    if "display_name" in values:
        values["display_name"] = validation.text(
            values["display_name"], "display_name", max_length=100, required=False
        )
    if values.get("email"):
        values["email"] = validation.text(values["email"], "email", max_length=254)
        try:
            validate_email(values["email"])
        except ValidationError:
            raise InvalidInput(
                "email must be an address like a@example.org.", field="email"
            ) from None
    if "role" in values:
        values["role"] = validation.choice(values["role"], "role", [role.value for role in Role])
    return values


def _hash(password: str | None, user: User) -> str:
    if password is None:
        return make_password(None)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), field="password") from None
    return make_password(password)
