"""Whether the copy may stand in for the primary.

It may after one complete pull at the schema this code needs. A host that has never seen the primary
may start on an empty copy: it has nothing to be behind of.
"""

import hashlib
import pkgutil
import time
from functools import cache
from importlib import import_module

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases.journal import is_installed
from rodcorp.databases.router import REPLICATED_APPS


def reason_against(connection: BaseDatabaseWrapper, *, has_seen_primary: bool) -> str | None:
    """Why the copy behind this connection must not be used, or None. `has_seen_primary` is what
    the mode file says; the copy says it too, so that losing one of the files does not make a
    host look new."""
    if not is_installed(connection):
        return "it was never made"
    complete_at, revision, seen = _about(connection)
    if complete_at is None:
        if seen or has_seen_primary:
            return "it was never filled completely"
        return None
    if revision != schema_revision():
        return "it was filled for another version of the schema"
    return None


def is_of_another_schema(connection: BaseDatabaseWrapper) -> bool:
    """Whether it was filled completely, but before an upgrade."""
    complete_at, revision, _ = _about(connection)
    return complete_at is not None and revision != schema_revision()


def _about(connection: BaseDatabaseWrapper) -> tuple[float | None, str | None, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT complete_at, revision, has_seen_primary FROM rodcorp_copy")
        complete_at, revision, seen = cursor.fetchone()
    return complete_at, revision, seen


def note_primary_seen(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE rodcorp_copy SET has_seen_primary = 1 WHERE has_seen_primary = 0")


def note_complete(connection: BaseDatabaseWrapper) -> None:
    """In the transaction that finished a complete pull."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rodcorp_copy SET complete_at = %s, revision = %s, has_seen_primary = 1",
            [time.time(), schema_revision()],
        )


@cache
def schema_revision() -> str:
    """One name for the schema of all replicated tables, as this code knows it: a hash of the
    names of its migrations. Reading the migrations themselves would take 50 ms."""
    names = []
    for label in sorted(REPLICATED_APPS):
        package = import_module(f"{apps.get_app_config(label).name}.migrations")
        names += [f"{label}.{found.name}" for found in pkgutil.iter_modules(package.__path__)]
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
