from typing import Any

from django.core.management.base import CommandParser

from agents.models import Agent
from rodcorp.kit.commands import RodCorpCommand
from tasks.services.creation import create_task


class Command(RodCorpCommand):
    help = "Creates a task, for an agent or for nobody yet; prints its id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("description", help="what is to be done; its first line is the title")
        parser.add_argument("--agent", help="who is to do it")
        parser.add_argument("--project", help="its project; the agent's if left out")
        parser.add_argument(
            "--priority", default="normal", help="low, normal, high, urgent (normal)"
        )
        parser.add_argument("--due-date", help="2026-12-01 or 2026-12-01T14:00:00Z")
        parser.add_argument("--reward", help="coins; the default of the priority if left out")
        parser.add_argument("--key", help="the same key creates one task, however often it is sent")

    def run(self, **options: Any) -> None:
        agent = None
        if options["agent"] is not None:
            agent = Agent.objects.named(options["agent"], project=options["project"])
        task = create_task(
            actor=self.actor,
            description=options["description"],
            agent=agent,
            project=options["project"],
            priority=options["priority"],
            due_date=options["due_date"],
            reward=options["reward"],
            key=options["key"],
        )
        self.stdout.write(str(task.pk))
