import json
from typing import Any

from django.core.management.base import CommandParser

from rodcorp.kit.commands import RodCorpCommand
from rodcorp.statistics import system_statistics


class Command(RodCorpCommand):
    help = "Shows the company in numbers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def run(self, **options: Any) -> None:
        numbers = system_statistics()
        if options["as_json"]:
            self.stdout.write(json.dumps(numbers))
            return
        for name, value in numbers.items():
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            self.stdout.write(f"{name.replace('_', ' '):<24}{shown:>12}")
