from typing import Any

from django.core.management.base import CommandParser

from payroll.models import LedgerSeal, PayCycle, PayCycleState
from payroll.services.cycles import close_cycle
from payroll.services.sealing import last_digest
from rodcorp.databases.sides import active_alias
from rodcorp.errors import Conflict
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = "Closes a posted pay cycle and seals its ledger; prints the last seal's digest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("cycle", nargs="?", help="its number; else the first that is posted")

    def run(self, **options: Any) -> None:
        if options["cycle"] is not None:
            cycle = PayCycle.objects.numbered(options["cycle"])
        else:
            posted = PayCycle.objects.first_in(PayCycleState.POSTED)
            if posted is None:
                raise Conflict("No pay cycle is posted.", field="cycle")
            cycle = posted
        close_cycle(actor=self.actor, cycle=cycle)
        sealed = sum(LedgerSeal.objects.filter(cycle=cycle).values_list("row_count", flat=True))
        self.stdout.write(f"Closed {cycle}: {sealed:,} rows of the ledger are sealed.")
        if digest := last_digest(active_alias()):
            self.stdout.write(f"Keep this digest of the last seal elsewhere: {digest}")
