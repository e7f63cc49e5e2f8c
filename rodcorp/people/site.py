"""The admin site: django-unfold's, with every write through a service."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.urls import reverse
from unfold.sites import UnfoldAdminSite


class Site(UnfoldAdminSite):
    index_title = "Tables"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # nothing is deleted here

    def get_log_entries(self, request: HttpRequest) -> Any:
        """None: the audit trail is the history tables, and Django's log has no table here."""
        return super().get_log_entries(request).none()

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        from django.contrib.auth.views import PasswordChangeView

        from rodcorp.people.forms import OwnPasswordForm  # forms need the apps to be loaded

        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse(f"{self.name}:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)

    def autocomplete_view(self, request: HttpRequest) -> Any:
        from rodcorp.kit.admin import Autocomplete

        return Autocomplete.as_view(admin_site=self)(request)


class SiteConfig(AdminConfig):
    """Instead of `django.contrib.admin`, in INSTALLED_APPS."""

    default_site = "rodcorp.people.site.Site"
    default = False
