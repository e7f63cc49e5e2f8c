import signal
from argparse import _SubParsersAction
from types import FrameType
from typing import Any

from django.core.management.base import CommandError, CommandParser

from rodcorp.databases.sides import has_primary
from rodcorp.databases.sync.watcher import watch
from rodcorp.kit.commands import RodCorpCommand
from rodcorp.operations.children import parent_is_gone
from rodcorp.operations.database_tasks import TASKS


class Command(RodCorpCommand):
    help = "The two databases: how they stand, what is wrong, and leading from one to the other."
    needs_schema = False

    def add_arguments(self, parser: CommandParser) -> None:
        tasks: _SubParsersAction[CommandParser] = parser.add_subparsers(
            dest="task", required=True, metavar="TASK"
        )
        for name, task in TASKS.items():
            own = tasks.add_parser(name, help=task.help, description=task.help)
            if task.for_programs:
                own.add_argument("--json", action="store_true", dest="as_json", help="for programs")
            task.arguments(own)
        about = "keep this host's copy warm and lead it home; `serve` starts one"
        watching = tasks.add_parser("watch", help=about, description=about)
        watching.add_argument(
            "--with-parent", action="store_true", help="stop when standard input is closed"
        )

    def run(self, **options: Any) -> None:
        if options["task"] == "watch":
            self._watch(with_parent=options["with_parent"])
        elif not TASKS[options["task"]].run(self.stdout.write, options, self.actor):
            raise CommandError("Something is wrong; see above.")

    def _watch(self, *, with_parent: bool) -> None:
        if not has_primary():
            raise CommandError("No SQL Server is configured, so there is nothing to watch.")
        stopped: list[int] = []

        def stop(sig: int, frame: FrameType | None) -> None:
            stopped.append(sig)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        watch(lambda: bool(stopped) or (with_parent and parent_is_gone()))
