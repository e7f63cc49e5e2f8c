from typing import Any

from django.core.management.base import CommandParser

from agents.models import Agent
from payroll.services.ledger import AWARD_TYPES, award_rodcoins, balance_of
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = "Pays an agent in RodCoins, or takes some back (--type deduction); prints its balance."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the agent's name")
        parser.add_argument("amount", help="whole coins, 1 or more")
        parser.add_argument("description", help="what it is for")
        parser.add_argument(
            "--type",
            default="earned",
            dest="kind",
            help=f"{', '.join(t.value for t in AWARD_TYPES)} (earned)",
        )
        parser.add_argument("--project", help="needed when several projects have that name")
        parser.add_argument("--key", help="the same key pays once, however often it is sent")

    def run(self, **options: Any) -> None:
        agent = Agent.objects.named(options["name"], project=options["project"])
        award_rodcoins(
            actor=self.actor,
            agent=agent,
            amount=options["amount"],
            description=options["description"],
            transaction_type=options["kind"],
            key=options["key"],
        )
        self.stdout.write(str(balance_of(agent)))
