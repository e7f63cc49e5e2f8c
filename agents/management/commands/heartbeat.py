from typing import Any

from django.core.management.base import CommandParser

from agents.models import Agent
from agents.services.presence import heartbeat
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = "Notes that an agent is alive now; prints the time noted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the agent's name")
        parser.add_argument("--project", help="needed when several projects have that name")

    def run(self, **options: Any) -> None:
        agent = Agent.objects.named(options["name"], project=options["project"])
        seen = heartbeat(actor=self.actor, agent=agent)
        self.stdout.write(seen.isoformat())
