"""The admin site: django-unfold's, with every write through a service."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

# The index: a group a department, whatever app its tables are in, and what is used most first.
_GROUPS = {
    "Agents": ("Agent", "Discussion", "AgentSkill", "LivenessChange"),
    "Work": (
        "Task",
        "Review",
        "DispatchDecision",
        "TaskDependency",
        "TaskLabel",
        "TaskSkill",
    ),
    "Payroll": (
        "RodCoinsTransaction",
        "LedgerAccount",
        "PayrollMaster",
        "PayScale",
        "PerformanceBand",
        "BonusRule",
        "PayCycle",
        "PayCycleStep",
        "Payslip",
        "LedgerSeal",
        "Evaluation",
        "Observation",
    ),
    "People": ("User", "AccessToken", "AccessAttempt", "AccessFailureLog", "AccessLog"),
    "System": (
        "Conflict",
        "Host",
        "Schedule",
        "OrmQ",
        "Failure",
        "JobLease",
        "OutboxMessage",
        "UnitMarker",
    ),
}


class Site(UnfoldAdminSite):
    index_title = "Tables"
    index_template = "admin/tables.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # nothing is deleted here

    def get_log_entries(self, request: HttpRequest) -> Any:
        """None: the audit trail is the history tables, and Django's log has no table here."""
        return super().get_log_entries(request).none()

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        apps: list[dict[str, Any]] = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        tables = {model["object_name"]: model for app in apps for model in app["models"]}
        groups = []
        for name, wanted in _GROUPS.items():
            models = [tables.pop(table) for table in wanted if table in tables]
            if models:
                groups.append(_group(name, models))
        return [*groups, _group("Other", list(tables.values()))] if tables else groups

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


def _group(name: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    label = name.lower()
    return {
        "name": name,
        "app_label": label,
        "app_url": "#",
        "has_module_perms": True,
        "models": models,
    }
