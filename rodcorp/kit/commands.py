"""The base of the project's own management commands: one actor, one way to fail."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from rodcorp.actors import Actor
from rodcorp.databases.configuration import LOCAL
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.schema import is_behind
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import RodCorpError

T = TypeVar("T")

# Exit codes scripts can use: 0 done, 1 refused or failed, 2 wrong usage, 3 done in part.
PARTLY_DONE = 3


class RodCorpCommand(BaseCommand):
    """A command parses, calls one service, and prints. `run` does it; a refusal becomes one line
    on standard error and exit code 1."""

    writes_much: ClassVar[bool] = False
    # `serve` brings the schema up to date itself
    needs_schema: ClassVar[bool] = True

    def add_arguments(self, parser: CommandParser) -> None:
        if self.writes_much:
            parser.add_argument(
                "--dry-run", action="store_true", help="do everything, then undo it"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if self.needs_schema and not options.get("skip_checks"):
                run_repeatable(self._require_schema)
            self.run(**options)
        except RodCorpError as error:
            raise CommandError(error.message) from error

    def _require_schema(self) -> None:
        if any(map(is_behind, (LOCAL, active_alias()))):
            raise CommandError("The databases are not up to date; run: manage.py migrate")

    def run(self, **options: Any) -> None:
        raise NotImplementedError

    @property
    def actor(self) -> Actor:
        return Actor.command(self.__module__.rpartition(".")[2])

    def in_unit(self, work: Callable[[], T], *, dry_run: bool) -> T:
        """Several service calls as one unit: all of it or, in a dry run, none of it."""
        return run_in_unit(
            lambda unit: work(), actor=self.actor, operation=self.actor.id, dry_run=dry_run
        )

    def say(self, message: str) -> None:
        if self.verbosity:
            self.stdout.write(message)
            self.stdout.flush()

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.verbosity: int = options.get("verbosity", 1)
        return super().execute(*args, **options)

    def progress(self, items: Iterable[T], *, total: int, label: str) -> Iterable[T]:
        """`items`, with a bar on standard error when that is a terminal."""
        console = Console(stderr=True)
        if not (console.is_terminal and self.verbosity):
            return items
        return track(items, label, total=total, console=console)
