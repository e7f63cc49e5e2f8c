from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate

from rodcorp.databases.schema import aliases


class Command(migrate.Command):
    help = "Brings the schema of every database up to date; --database NAME for one of them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        named = options["database"]
        return {"databases": [named] if named else aliases()}

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] is not None:
            super().handle(*args, **options)
            return
        for alias in aliases():
            if options["verbosity"]:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database '{alias}':"))
            super().handle(*args, **{**options, "database": alias})
