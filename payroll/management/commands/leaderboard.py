import json
from typing import IO, Any, cast

from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from agents.models import Agent
from rodcorp.kit import validation
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = "Shows who earned the most RodCoins."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", default="10", help="how many places, 1 to 1000 (10)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def run(self, **options: Any) -> None:
        places = validation.integer(options["limit"], "limit", minimum=1, maximum=1000)
        leaders = list(Agent.objects.leaderboard()[:places])
        if options["as_json"]:
            rows = [
                {
                    "rank": rank,
                    "agent": agent.name,
                    "project": agent.project,
                    "rodcoins": agent.total_rodcoins_earned,
                }
                for rank, agent in enumerate(leaders, start=1)
            ]
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
            return
        table = Table("Rank", "Agent", "Project", "Team", "RodCoins")
        for rank, agent in enumerate(leaders, start=1):
            earned = f"{agent.total_rodcoins_earned:,}"
            table.add_row(str(rank), agent.name, agent.project, agent.team or "", earned)
        Console(file=cast(IO[str], self.stdout)).print(table)
