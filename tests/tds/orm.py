"""An endpoint as a Django database."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from rodcorp.databases import pool
from tests.tds.endpoint import Endpoint


@contextmanager
def registered(endpoint: Endpoint, alias: str, **extra: Any) -> Iterator[BaseDatabaseWrapper]:
    """The alias exists inside the block; an alias of that name is put aside meanwhile."""
    before = connections.settings.get(alias)
    if before is not None:
        del connections[alias]
    connections.settings[alias] = {**connections.settings["sqlite"], **endpoint.settings(**extra)}
    try:
        yield connections[alias]
    finally:
        # A fault still in force would make close() wait for the driver.
        endpoint.clear()
        connections[alias].close()
        pool.clear()
        del connections[alias]
        if before is None:
            del connections.settings[alias]
        else:
            connections.settings[alias] = before


def create_tables(connection: BaseDatabaseWrapper, wanted: Iterable[type[models.Model]]) -> None:
    """As mssql-django would, but without foreign keys, which SQLite cannot add to a table."""
    with connection.schema_editor(atomic=False) as editor:
        for model in wanted:
            editor.create_model(model)
        editor.deferred_sql = [
            sql for sql in editor.deferred_sql if "FOREIGN KEY" not in str(sql).upper()
        ]
