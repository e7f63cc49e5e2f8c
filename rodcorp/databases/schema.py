"""Whether the databases' schemas are those this code needs."""

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor


def aliases() -> list[str]:
    """Every configured database; `default` is none."""
    return [alias for alias in connections if alias != DEFAULT_DB_ALIAS]


def is_behind(alias: str) -> bool:
    """Whether a database lacks a migration. About a tenth of a second."""
    executor = MigrationExecutor(connections[alias])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
