"""The sidebar: a group a department, each with its pages and then its tables."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy

from rodcorp.actors import Permission

Item = dict[str, Any]

# pages of the sidebar whose address begins with that of another one
_PAGES_WITHIN = {"pay-cycles": ("payroll-analytics",)}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        _group("Company", _page("Home", "space_dashboard", "home")),
        _group(
            "Agents",
            _page("Agents", "smart_toy", "agents"),
            _page("Discussions", "forum", "discussions"),
        ),
        _group("Work", _page("Tasks", "checklist", "tasks")),
        _group(
            "Payroll",
            _page("Leaderboard", "trophy", "leaderboard"),
            _page("Ledger", "receipt_long", "ledger"),
            _page("Payroll", "payments", "pay-cycles"),
            _page("Analytics", "monitoring", "payroll-analytics"),
        ),
        _group(
            "Records",
            _page("Databases", "database", "databases"),
            _page("All tables", "table", "admin:index"),
            _page("Users", "group", "admin:people_user_changelist", Permission.MANAGE_USERS),
        ),
    ]


def _group(title: str, *items: Item) -> dict[str, Any]:
    return {"title": title, "separator": False, "collapsible": False, "items": list(items)}


def _page(title: str, icon: str, url_name: str, needs: Permission = Permission.VIEW) -> Item:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(url_name),
        "permission": _may(needs),
        "active": _is_here(url_name),
    }


def _may(permission: Permission) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.may(permission))  # type: ignore[union-attr]


def _is_here(url_name: str) -> Callable[[HttpRequest], bool]:
    def is_here(request: HttpRequest) -> bool:
        address = reverse(url_name)
        if url_name in ("home", "admin:index"):
            return request.path == address
        inside = [reverse(name) for name in _PAGES_WITHIN.get(url_name, ())]
        return request.path.startswith(address) and not request.path.startswith(tuple(inside))

    return is_here
