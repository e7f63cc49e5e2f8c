from typing import Any

from django.core.management.base import CommandParser

from rodcorp.kit.commands import RodCorpCommand
from rodcorp.operations.sample import RemovalSummary, load_sample_data, remove_sample_data


class Command(RodCorpCommand):
    help = (
        "Fills the database with a believable sample company, or removes it again together with "
        "whatever was added to it. Loading it twice changes nothing."
    )
    writes_much = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--remove", action="store_true", help="remove the sample company instead"
        )

    def run(self, **options: Any) -> None:
        work = self.remove if options["remove"] else self.load
        work(dry_run=options["dry_run"])

    def load(self, *, dry_run: bool) -> None:
        made = load_sample_data(actor=self.actor, dry_run=dry_run)
        if not made.loaded:
            self.say("The sample data is already loaded; to load it anew, --remove it first.")
            return
        self.say(
            f"{'Would load' if dry_run else 'Loaded'} the sample company: {made.agents} agents, "
            f"{made.messages} messages, {made.tasks} tasks, {made.transactions} transactions, "
            f"{made.evaluations} evaluations."
        )

    def remove(self, *, dry_run: bool) -> None:
        gone = remove_sample_data(actor=self.actor, dry_run=dry_run)
        if gone == RemovalSummary():
            self.say("There is no sample data to remove.")
            return
        self.say(
            f"{'Would remove' if dry_run else 'Removed'} the sample company: {gone.agents} agents, "
            f"{gone.messages} messages, {gone.tasks} tasks, {gone.transactions} transactions, "
            f"{gone.evaluations} evaluations; tasks of others that lost their agent: "
            f"{gone.tasks_left_unassigned}."
        )
