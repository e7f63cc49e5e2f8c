from typing import Any

from payroll.services.rebuilding import rebuild_balances
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = (
        "Makes balances, totals, ratings and standings anew from the ledger and the evaluations, "
        "says what differed, and proves balances and totals equal to the ledger's sums."
    )
    writes_much = True

    def run(self, **options: Any) -> None:
        rebuilt = rebuild_balances(actor=self.actor, dry_run=options["dry_run"])
        for said in rebuilt.named:
            self.say(f"WRONG {said}")
        for table, count in rebuilt.differed.items():
            self.say(f"{table}: {count} rows differed")
        self.say("Balances and totals are equal to the sums of the ledger.")
        if options["dry_run"]:
            self.say("Dry run: all of it was undone.")
