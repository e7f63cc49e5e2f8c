from typing import Any

from django.core.management.base import CommandParser

from rodcorp.kit.commands import RodCorpCommand
from rodcorp.operations.worker import run_until_stopped


class Command(RodCorpCommand):
    help = "Runs background jobs and schedules until stopped. `serve` starts one by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--with-parent", action="store_true", help="stop when standard input is closed"
        )

    def run(self, **options: Any) -> None:
        run_until_stopped(with_parent=options["with_parent"])
