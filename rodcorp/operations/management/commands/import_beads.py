from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from rodcorp.kit.commands import PARTLY_DONE, RodCorpCommand
from rodcorp.operations.imports.beads import write_export
from rodcorp.operations.imports.beads_export import project_of, read_export


class Command(RodCorpCommand):
    help = (
        "Imports an export of the issue tracker beads: issues become tasks, their comments "
        "discussions, assignees and authors agents. What is already there stays as it is, so it "
        "can be repeated. A bad line is reported and left out; the exit code is then 3."
    )
    writes_much = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "path",
            type=Path,
            help="the directory with issues.jsonl (and dependencies, labels, comments), or the "
            "one file that has everything",
        )
        parser.add_argument(
            "--project", help="of the tasks and agents; left out, it is the directory's name"
        )

    def run(self, **options: Any) -> None:
        path: Path = options["path"]
        export = read_export(path, track=self.progress)
        for line in export.rejected:
            self.stderr.write(str(line))
        if export.rejected and not export.issues:
            raise CommandError(f"{path} has no issue that can be read; nothing was imported.")
        project = options["project"] or project_of(path)
        imported = self.in_unit(
            lambda: write_export(
                actor=self.actor, export=export, project=project, track=self.progress
            ),
            dry_run=options["dry_run"],
        )
        for text in [*imported.lines(), *export.mended()]:
            self.say(text)
        if options["dry_run"]:
            self.say("Dry run: all of it was undone.")
        if export.rejected:
            count = len(export.rejected)
            raise CommandError(f"{count} left out, see above.", returncode=PARTLY_DONE)
