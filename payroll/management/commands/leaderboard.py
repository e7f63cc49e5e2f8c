import json
from typing import IO, Any, cast

from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from agents.models import Agent
from payroll.derived.standings import ALL
from payroll.leaderboard import GROUPS, Board, Period, ranked
from rodcorp.kit import validation
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = "Shows who earned the most RodCoins: in all, or in a period; agents, or groups of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", default="10", help="how many places, 1 to 1000 (10)")
        parser.add_argument(
            "--period",
            default=ALL,
            help="all, 30d, 7d, cycle for the current pay cycle, or cycle/N (all)",
        )
        parser.add_argument("--by", help=f"put agents together by {', '.join(GROUPS)}")
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def run(self, **options: Any) -> None:
        places = validation.integer(options["limit"], "limit", minimum=1, maximum=1000)
        period = Period.parse(options["period"])
        if options["by"] is None:
            self._agents(period, places, as_json=options["as_json"])
        else:
            by = validation.choice(options["by"], "by", GROUPS)
            self._groups(period, by, places, as_json=options["as_json"])

    def _agents(self, period: Period, places: int, *, as_json: bool) -> None:
        if period.key == ALL:
            # without its parts it needs no standings
            leaders = list(Agent.objects.leaderboard()[:places])
            found = [(agent, agent.total_rodcoins_earned) for agent in leaders]
        else:
            found = [(agent, agent.coins) for agent in Board.of(period).agents()[:places]]
        ranks = ranked(coins for _, coins in found)
        if as_json:
            self._write(
                {
                    "rank": ranks[coins],
                    "agent": agent.name,
                    "project": agent.project,
                    "rodcoins": coins,
                }
                for agent, coins in found
            )
            return
        table = Table("Rank", "Agent", "Project", "Team", "RodCoins")
        for agent, coins in found:
            row = (str(ranks[coins]), agent.name, agent.project, agent.team or "", f"{coins:,}")
            table.add_row(*row)
        self._show(table)

    def _groups(self, period: Period, by: str, places: int, *, as_json: bool) -> None:
        board = Board.of(period)
        groups = board.groups(board.agents(), by)[:places]
        if as_json:
            self._write(
                {
                    "rank": group.place,
                    by: group.name,
                    "agents": group.agents,
                    "rodcoins": group.coins,
                }
                for group in groups
            )
            return
        table = Table("Rank", by.capitalize(), "Agents", "RodCoins")
        for group in groups:
            row = (str(group.place), group.name or "none", str(group.agents), f"{group.coins:,}")
            table.add_row(*row)
        self._show(table)

    def _write(self, rows: Any) -> None:
        self.stdout.write(json.dumps(list(rows), ensure_ascii=False))

    def _show(self, table: Table) -> None:
        Console(file=cast(IO[str], self.stdout)).print(table)
