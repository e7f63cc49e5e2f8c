"""Which database a model's rows live in.

It only decides. It does not probe, open connections or know why the active database is the one it
is; `sides` is the single answer to that.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model

from rodcorp.databases.configuration import LOCAL
from rodcorp.databases.sides import active_alias

# Rows of these apps are the company's data: they follow the active database.
REPLICATED_APPS = frozenset({"databases", "people", "agents", "payroll", "tasks", "gateway"})

# Rows of these belong to this host and never travel.
HOST_LOCAL_APPS = frozenset(
    {"admin", "auth", "axes", "contenttypes", "django_q", "kit", "sessions"}
)

# The admin's own log would be a table here with a foreign key to users who are elsewhere; the
# history tables are the audit, so it is never made.
_WITHOUT_TABLES = frozenset({"admin"})


def home_of(app_label: str) -> str:
    """The alias of an app's tables. An app nobody has placed is an error, not a guess."""
    if app_label in REPLICATED_APPS:
        return active_alias()
    if app_label in HOST_LOCAL_APPS:
        return LOCAL
    raise ImproperlyConfigured(
        f"The app '{app_label}' has tables but is declared neither replicated nor host-local in "
        f"{__name__}."
    )


class Router:
    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return home_of(model._meta.app_label)

    db_for_write = db_for_read

    def allow_relation(self, left: Model, right: Model, **hints: Any) -> bool:
        return home_of(left._meta.app_label) == home_of(right._meta.app_label)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        if app_label in _WITHOUT_TABLES:
            return False
        if app_label in HOST_LOCAL_APPS:
            return db == LOCAL
        return app_label in REPLICATED_APPS and db != LOCAL
