"""Users in the admin, and what is hidden from it."""

from typing import Any

import django.contrib.auth.admin  # noqa: F401  registers Group, which is taken out again below
from django import forms
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordToggleWidget

from rodcorp.actors import Actor, Permission
from rodcorp.kit.admin import BaseAdmin, BaseForm
from rodcorp.people.models import User
from rodcorp.people.services import create_user, set_password, update_user

# permissions come from roles
admin.site.unregister(Group)


class UserForm(BaseForm):
    service_names = {"password": "new_password"}

    # not `password`: that is the model's column, the hash, which no page may show
    new_password = forms.CharField(
        label="Password",
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        strip=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["new_password"].label = "New password"
            self.fields["new_password"].required = False
            self.fields["new_password"].help_text = "Leave it empty to keep the present one."

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors and self.cleaned_data.get("new_password"):
            # otherwise the next try would be saved without it, unnoticed
            self.add_error("new_password", "Type the password again; it is never sent back.")


@admin.register(User)
class UserAdmin(BaseAdmin):
    form = UserForm
    needs = Permission.MANAGE_USERS
    add_fields = ("username", "display_name", "email", "role", "new_password")
    change_fields = ("display_name", "email", "role", "is_active", "new_password")
    fieldsets = (
        (None, {"fields": ("username", "display_name", "email")}),
        ("Access", {"fields": ("role", "is_active", "new_password")}),
        ("Record", {"fields": ("id", "date_joined", "last_login")}),
    )

    list_display = ("username", "display_name", "email", "shown_role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "display_name", "email")
    ordering = ("username",)
    actions = ("deactivate",)

    def create(self, actor: Actor, key: str | None, **values: Any) -> User:
        # no key: the username itself can be created once
        return create_user(actor=actor, password=values.pop("new_password"), **values)

    def change(self, actor: Actor, row: User, **values: Any) -> User:
        password = values.pop("new_password", None)
        update_user(actor=actor, user=row, **values)
        if password:
            set_password(actor=actor, user=row, password=password)
        return row

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        user = super().save_form(request, form, change)
        if user == request.user:
            # a new password would sign its owner out
            update_session_auth_hash(request, user)
        return user

    @admin.action(description="Deactivate the selected users", permissions=["act"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        def switch_off(actor: Actor, user: User) -> User:
            return update_user(actor=actor, user=user, is_active=False)

        self.for_each(request, queryset, switch_off, "user")

    @display(description="Role", ordering="role", label={"admin": "warning"})
    def shown_role(self, user: User) -> str:
        return user.role
