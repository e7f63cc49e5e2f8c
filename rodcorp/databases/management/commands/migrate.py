from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import Error, connections

from rodcorp.databases import clock, journal, refusals
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.hosts import those_that_hinder
from rodcorp.databases.models import Host
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.schema import aliases, is_behind
from rodcorp.databases.sides import current, has_primary, mode_file
from rodcorp.databases.sync import rowversions

# A host that is well says every few seconds that its journal is empty.
HOST_REPORTS_S = 60


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
            connection = connections[options["database"]]
            only_looks = options["plan"] or options["check_unapplied"]
            if not only_looks and (options["app_label"] or is_behind(options["database"])):
                refusals.remove(connection)
            # what a migration writes to the copy it writes to the primary too
            with journal.as_feed():
                super().handle(*args, **options)
            if not only_looks:
                refusals.install(connection)
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
    if hindering := _hindering():
        raise CommandError(
            f"These hosts may still bring changes home that were made for the schema as it is: "
            f"{hindering}. Start them, or forget those that will never come back: "
            "manage.py databases hosts --forget ID"
        )


def _hindering() -> str:
    """Other hosts that have not said lately that their journal is empty; none while the table of
    hosts is not there, or nothing is to be done."""
    if Host._meta.db_table.lower() not in map(
        str.lower, connections[MSSQL].introspection.table_names()
    ) or not is_behind(MSSQL):
        return ""
    lately = clock.now() - timedelta(seconds=HOST_REPORTS_S)
    others = [host for host in those_that_hinder(lately) if host.pk != mode_file().host_id()]
    return ", ".join(f"{host.name} ({host.pk})" for host in others)
