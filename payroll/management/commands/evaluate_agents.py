import json
from typing import IO, Any, cast

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from agents.models import Agent
from payroll.models import Evaluation
from payroll.ratings import observed_in
from payroll.services.evaluations import (
    evaluate_agents,
    evaluate_everybody,
    record_performance_evaluation,
)
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = (
        "Writes down, for each agent of whom something was observed since its last continuous "
        "evaluation, the mean of that. With --score it records an evaluation somebody made."
    )
    writes_much = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--agent", help="only this agent, by name")
        parser.add_argument("--project", help="needed when several projects have that name")
        parser.add_argument("--since", help="only what was observed from this date or time on")
        parser.add_argument("--score", help="record this score of --agent, 0.00 to 5.00")
        parser.add_argument("--evaluator", help="who gave --score: the id of a user or an agent")
        parser.add_argument("--notes", help="what to say with --score")
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")

    def run(self, **options: Any) -> None:
        agent = None
        if options["agent"] is not None:
            agent = Agent.objects.named(options["agent"], project=options["project"])
        if options["dry_run"]:
            made = self.in_unit(lambda: self._evaluate(agent, options), dry_run=True)
        else:
            made = self._evaluate(agent, options)
        if options["as_json"]:
            self.stdout.write(json.dumps([_row(each) for each in made], ensure_ascii=False))
            return
        if not made:
            self.say("Nothing was observed since the last continuous evaluations.")
            return
        table = Table("Agent", "Project", "Score", "Rating", "Evaluator", "Made from")
        for each in made:
            table.add_row(
                each.agent.name,
                each.agent.project,
                str(each.score),
                str(each.rating_after),
                each.evaluator_name,
                observed_in(each),
            )
        Console(file=cast(IO[str], self.stdout)).print(table)
        if options["dry_run"]:
            self.say("A dry run: nothing was written.")

    def _evaluate(self, agent: Agent | None, options: dict[str, Any]) -> list[Evaluation]:
        if options["score"] is not None:
            if agent is None or options["evaluator"] is None:
                raise CommandError("--score needs --agent and --evaluator.")
            return [
                record_performance_evaluation(
                    actor=self.actor,
                    agent=agent,
                    score=options["score"],
                    evaluator_id=options["evaluator"],
                    notes=options["notes"],
                )
            ]
        if agent is not None:
            return evaluate_agents(actor=self.actor, agent=agent, since=options["since"])
        return evaluate_everybody(actor=self.actor, since=options["since"])


def _row(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "agent": evaluation.agent.name,
        "project": evaluation.agent.project,
        "score": str(evaluation.score),
        "rating": str(evaluation.rating_after),
        "evaluator": evaluation.evaluator_name,
        "parts": json.loads(evaluation.parts) if evaluation.parts else None,
    }
