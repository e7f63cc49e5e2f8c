import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from rodcorp.databases.doctor import examine
from rodcorp.databases.router import active_alias
from rodcorp.databases.schema import aliases, is_behind
from rodcorp.kit.commands import RodCorpCommand
from rodcorp.statistics import database_type


class Command(RodCorpCommand):
    help = "The databases: `status` says where the data is, `doctor` what is wrong and its fix."
    needs_schema = False

    def add_arguments(self, parser: CommandParser) -> None:
        tasks = parser.add_subparsers(dest="task", required=True, metavar="status|doctor")
        for name in ("status", "doctor"):
            task = tasks.add_parser(name)
            task.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def run(self, **options: Any) -> None:
        if options["task"] == "doctor":
            self._doctor(as_json=options["as_json"])
        else:
            self._status(as_json=options["as_json"])

    def _doctor(self, *, as_json: bool) -> None:
        """Exit code 1 when something is wrong."""
        findings = list(examine())
        if as_json:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings]))
        for finding in [] if as_json else findings:
            mark = "ok   " if finding.is_well else "WRONG"
            self.stdout.write(f"{mark} {finding.about}: {finding.said}")
            if finding.fix:
                self.stdout.write(f"      {finding.fix}")
        if not all(finding.is_well for finding in findings):
            raise CommandError("Something is wrong; see above.")

    def _status(self, *, as_json: bool) -> None:
        status: dict[str, Any] = {
            "database_type": database_type(),
            "active": active_alias(),
            "databases": {
                alias: {
                    "host": settings.DATABASES[alias].get("HOST", ""),
                    "name": settings.DATABASES[alias]["NAME"],
                    "schema": "behind" if is_behind(alias) else "up to date",
                }
                for alias in aliases()
            },
        }
        if as_json:
            self.stdout.write(json.dumps(status))
            return
        self.stdout.write(f"The company's data is in {status['database_type']}.")
        for alias, about in status["databases"].items():
            mark = "*" if alias == status["active"] else " "
            where = f"{about['host']} {about['name']}".strip()
            self.stdout.write(f"{mark} {alias:<7} {where} ({about['schema']})")
