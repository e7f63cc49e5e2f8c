"""The people of the company: supervisors, payroll officers, operators.

A user has one role; what the role may do is in `rodcorp.actors`. There are no groups and no
per-user permissions.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password
from django.db import models

from rodcorp.actors import ROLE_PERMISSIONS, Actor, ActorKind, Permission, Role
from rodcorp.databases.current import unit_time
from rodcorp.databases.fields import GuidField, KeyField, UtcDateTimeField
from rodcorp.databases.ids import new_id
from rodcorp.databases.units import open_unit
from rodcorp.kit.rows import History


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username=username)

    def create_superuser(self, username: str, password: str | None = None, **extra: Any) -> "User":
        """What `manage.py createsuperuser` calls: a user with the role admin."""
        from rodcorp.people.services import create_user  # services import this module

        return create_user(
            actor=Actor.command("createsuperuser"),
            username=username,
            password=password,
            email=extra.get("email") or "",
            role=Role.ADMIN,
        )


class User(AbstractBaseUser):
    id = GuidField(primary_key=True, default=new_id, editable=False, db_column="UserUUID")
    username = KeyField(max_length=100, unique=True, db_column="Username")
    display_name = models.CharField(max_length=100, default="", blank=True, db_column="DisplayName")
    email = models.EmailField(default="", blank=True, db_column="Email")
    role = models.CharField(
        max_length=20,
        choices=[(role.value, role.value) for role in Role],
        default=Role.VIEWER,
        db_column="Role",
    )
    password = models.CharField(max_length=128, db_column="PasswordHash")
    is_active = models.BooleanField(default=True, db_column="IsActive")
    date_joined = UtcDateTimeField(default=unit_time, editable=False, db_column="DateJoined")
    last_login = UtcDateTimeField(null=True, blank=True, editable=False, db_column="LastLogin")

    history = History(table="PeopleUsersHistory", excluded_fields=["password", "last_login"])
    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "PeopleUsers"
        indexes = [
            models.Index(fields=["role", "username"], name="PeopleUsers_Role"),
            models.Index(fields=["date_joined"], name="PeopleUsers_DateJoined"),
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    pk: UUID

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Django's own password forms and commands save users themselves; here that is an error."""
        open_unit()
        super().save(*args, **kwargs)

    @property
    def is_staff(self) -> bool:
        """Everybody may enter the console; the role decides what is seen there."""
        return self.is_active

    def as_actor(self, *, address: str = "") -> Actor:
        role = Role(self.role) if self.is_active else None
        return Actor(ActorKind.USER, str(self.pk), str(self), role=role, address=address)

    def may(self, permission: Permission) -> bool:
        return self.is_active and permission in ROLE_PERMISSIONS[Role(self.role)]

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django's permission strings, for libraries that ask: viewing follows the role, the rest
        is an admin's. Our own pages ask `may`."""
        action = perm.rpartition(".")[2].partition("_")[0]
        return self.may(Permission.VIEW if action == "view" else Permission.MANAGE_USERS)

    def has_perms(self, perms: list[str], obj: object = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active

    def check_password(self, raw_password: str | None) -> bool:
        """Without Django's renewal of an old hash, which would write outside any unit of work; a
        hash is renewed when its password is next set."""
        return check_password(raw_password, self.password)
