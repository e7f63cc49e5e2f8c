from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from rodcorp.kit.commands import RodCorpCommand
from rodcorp.operations.imports.task_csv import COLUMNS, read_tasks, write_tasks


class Command(RodCorpCommand):
    help = (
        "Imports tasks from a CSV file in UTF-8, all or none: when a line is wrong, every wrong "
        f"line is named and nothing is written. The first line names the columns: "
        f"{', '.join(COLUMNS)}. Only description is required. Labels are separated by semicolons. "
        "A row with a key is imported once, however often the file is. What is completed "
        "already earns nothing."
    )
    writes_much = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", type=Path, metavar="CSV", help="the file")

    def run(self, **options: Any) -> None:
        tasks = read_tasks(options["path"], track=self.progress)
        written = self.in_unit(
            lambda: write_tasks(actor=self.actor, tasks=tasks), dry_run=options["dry_run"]
        )
        self.say(f"Tasks: {written.new} new, {written.known} already there.")
        if options["dry_run"]:
            self.say("Dry run: all of it was undone.")
