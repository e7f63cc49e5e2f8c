from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import Error, connections

from rodcorp.databases import journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.schema import aliases
from rodcorp.databases.sides import current, has_primary
from rodcorp.databases.sync import rowversions


class Command(migrate.Command):
    help = "Brings the schema of every database up to date; --database NAME for one of them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        named = options["database"]
        return {"databases": [named] if named else aliases()}

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] == MSSQL:
            _require_primary()
        if options["database"] is not None:
            # what a migration writes to the copy it writes to the primary too
            with journal.as_feed():
                super().handle(*args, **options)
            if options["database"] == SQLITE and has_primary():
                # a table that was remade has lost its triggers
                journal.install(connections[SQLITE])
            if options["database"] == MSSQL and not options["plan"]:
                rowversions.primary_source().install()
            return
        for alias in aliases():
            if options["verbosity"]:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database '{alias}':"))
            self.handle(*args, **{**options, "database": alias})


def _require_primary() -> None:
    """The last of all, so that the copy can take what the primary has."""
    if not current().is_primary:
        raise CommandError(
            "This host's copy stands in for SQL Server, so SQL Server's schema stays as it is; "
            "see: manage.py databases status"
        )
    try:
        connections[MSSQL].ensure_connection()
    except Error as error:
        raise CommandError(
            f"{error} Its schema stays as it is; see: manage.py databases doctor"
        ) from error
