"""Access tokens in the admin."""

from django.contrib import admin
from unfold.decorators import display

from rodcorp.actors import Permission
from rodcorp.gateway.models import AccessToken
from rodcorp.kit.admin import ReadOnlyAdmin


@admin.register(AccessToken)
class AccessTokenAdmin(ReadOnlyAdmin):
    """Only shown: a token is made and revoked where its secret is handed over. Its hash is never
    shown."""

    sees = Permission.RUN_SYSTEM
    fieldsets = (
        (None, {"fields": ("name", "agent", "user", "scopes", "projects")}),
        ("Times", {"fields": ("created_at", "expires_at", "last_used_at", "revoked_at")}),
        ("Record", {"fields": ("id",)}),
    )

    list_display = (
        "name",
        "agent",
        "user",
        "shown_scopes",
        "created_at",
        "expires_at",
        "last_used_at",
        "shown_state",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("agent", "user")
    search_fields = ("name", "agent__name", "user__username")
    ordering = ("-created_at", "name")

    @admin.display(description="Scopes")
    def shown_scopes(self, token: AccessToken) -> str:
        return ", ".join(map(str, token.scopes))

    @display(description="State", ordering="revoked_at", label={"revoked": "danger"})
    def shown_state(self, token: AccessToken) -> str:
        return "revoked" if token.revoked_at else "in use"
