from typing import Any

from django.core.management.base import CommandParser

from agents.models import AI_MODELS
from agents.services.registry import register_agent
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = "Registers an agent, or updates the one of that name in that project; prints its id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the agent's name, unique within its project")
        parser.add_argument("--project", help="its project; RODCORP_PROJECT if left out")
        parser.add_argument("--team")
        parser.add_argument("--role")
        parser.add_argument("--ai-model", help=", ".join(AI_MODELS))
        parser.add_argument("--personality")
        parser.add_argument("--specialization")
        parser.add_argument("--seniority")
        parser.add_argument("--communication-port", help="1 to 65535")
        parser.add_argument("--machine-hostname", help="this machine's name if left out")
        parser.add_argument("--machine-ip", help="this machine's address if left out")

    def run(self, **options: Any) -> None:
        details = {name: options[name] for name in _DETAILS}
        agent = register_agent(
            actor=self.actor, name=options["name"], project=options["project"], **details
        )
        self.stdout.write(str(agent.pk))


_DETAILS = (
    "team",
    "role",
    "ai_model",
    "personality",
    "specialization",
    "seniority",
    "communication_port",
    "machine_hostname",
    "machine_ip",
)
