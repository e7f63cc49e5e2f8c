import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from payroll.proof import Flaw, Proof, prove
from rodcorp.databases.configuration import LOCAL
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.schema import aliases
from rodcorp.databases.sides import active_alias
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = (
        "Reads the whole ledger again: whether the rows of closed pay cycles are what was sealed, "
        "and whether balances, totals and reversals add up. Exit code 1 if anything is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", dest="as_json", help="for programs")
        parser.add_argument(
            "--database",
            choices=["sqlite", MSSQL],
            help="which of the two; left out, the active one",
        )
        parser.add_argument(
            "--known",
            default="",
            metavar="DIGEST",
            help="a last digest that was noted earlier and must still be in the chain of seals",
        )

    def run(self, **options: Any) -> None:
        proof = self._proof(options["database"], options["known"].strip().lower())
        if options["as_json"]:
            self.stdout.write(json.dumps(asdict(proof), cls=DjangoJSONEncoder))
        else:
            self._tell(proof)
        if proof.flaws:
            raise CommandError(f"{len(proof.flaws)} things are wrong with the ledger.")

    def _proof(self, alias: str | None, known: str) -> Proof:
        if alias is None:
            return run_repeatable(lambda: prove(active_alias(), known=known, track=self.progress))
        if alias not in set(aliases()) - {LOCAL}:
            raise CommandError(f"There is no database '{alias}' here.")
        return prove(alias, known=known, track=self.progress)

    def _tell(self, proof: Proof) -> None:
        for flaw in proof.flaws:
            self.stdout.write(f"WRONG {_where(flaw)}: {flaw.said}")
        self.say(
            f"Read in '{proof.database}': {proof.transactions} rows of the ledger, "
            f"{proof.cycles} closed pay cycles with {proof.seals} seals, "
            f"{proof.accounts} accounts, {proof.agents} agents."
        )
        if proof.last_digest:
            self.say(f"Last digest: {proof.last_digest}")
        if not proof.flaws:
            self.say("All of it is as it was sealed, and adds up.")


def _where(flaw: Flaw) -> str:
    parts = [str(flaw.kind)]
    if flaw.cycle is not None:
        parts.append(f"in pay cycle {flaw.cycle}")
    if flaw.row is not None:
        parts.append(str(flaw.row))
    return ", ".join(parts)
