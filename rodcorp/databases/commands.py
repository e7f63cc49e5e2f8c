"""Stock commands without `--database`.

`default` is empty here, so Django's own default for `--database` would always fail. Every command
that has the option gets the active database instead; `migrate` (overridden in this app) brings all
of them up to date.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS

from rodcorp.databases.sides import active_alias


def default_to_active_database() -> None:
    """Wrap the one place where every command's parser is made."""
    create_parser = BaseCommand.create_parser
    if getattr(create_parser, "knows_active_database", False):
        return

    def create_parser_with_alias(
        command: BaseCommand, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        parser = create_parser(command, prog_name, subcommand, **kwargs)
        for action in parser._actions:
            if action.dest == "database" and action.default == DEFAULT_DB_ALIAS:
                parser.set_defaults(database=active_alias())
                action.help = f"The database to use; by default '{active_alias()}'."
        return parser

    create_parser_with_alias.knows_active_database = True  # type: ignore[attr-defined]
    BaseCommand.create_parser = create_parser_with_alias  # type: ignore[method-assign, assignment]
