"""How money written on both sides becomes one: every row of the ledger counts once, and what
follows from them is never copied."""

from payroll.derived import apply_evaluations, apply_ledger, rebuild_ledger, rebuild_ratings
from payroll.models import (
    Evaluation,
    LedgerAccount,
    PayCycle,
    PayCycleState,
    PayrollMaster,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
)
from rodcorp.databases.sync.rules import Row, Rule, declare


def _book_in_open_cycle(alias: str, row: Row) -> Row:
    """A closed cycle takes no more rows; when it happened stays as it was."""
    cycles = PayCycle.objects.using(alias)
    if cycles.filter(number=row["cycle"], state=PayCycleState.CLOSED).exists():
        return {**row, "cycle": cycles.current_number()}
    return row


declare(
    Rule(LedgerAccount, derived=frozenset({"balance"})),
    Rule(
        RodCoinsTransaction,
        append_only=True,
        prepare=_book_in_open_cycle,
        after_insert=apply_ledger,
        rebuild=rebuild_ledger,
    ),
    Rule(
        Evaluation,
        append_only=True,
        after_insert=apply_evaluations,
        rebuild=rebuild_ratings,
    ),
    Rule(PayrollMaster),
    Rule(PayCycle),
    Rule(Payslip),
    Rule(PayslipLine),
)
