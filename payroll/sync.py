"""How money written on both sides becomes one: every row of the ledger counts once, and what
follows from them is never copied."""

from collections.abc import Iterator, Sequence

from payroll.derived import apply_evaluations, apply_ledger, rebuild_ledger, rebuild_ratings
from payroll.models import (
    AccountKind,
    Evaluation,
    LedgerAccount,
    PayCycle,
    PayCycleState,
    PayrollMaster,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
)
from rodcorp.databases.sync.rules import Flaw, Row, Rule, declare


def _book_in_open_cycle(alias: str, row: Row) -> Row:
    """A closed cycle takes no more rows; when it happened stays as it was."""
    cycles = PayCycle.objects.using(alias)
    if cycles.filter(number=row["cycle"], state=PayCycleState.CLOSED).exists():
        return {**row, "cycle": cycles.current_number()}
    return row


def _overdrawn(alias: str, inserted: Sequence[Row]) -> Iterator[Flaw]:
    """Each side had the coins when it spent them; the two together had not."""
    payers = {row["source_id"] for row in inserted}
    wallets = LedgerAccount.objects.using(alias).filter(kind=AccountKind.WALLET, balance__lt=0)
    for key, balance in wallets.filter(pk__in=payers).values_list("pk", "balance"):
        yield LedgerAccount, key, f"both sides spent from it: it is overdrawn by {-(balance or 0)}"


declare(
    Rule(LedgerAccount, derived=frozenset({"balance"})),
    Rule(
        RodCoinsTransaction,
        append_only=True,
        prepare=_book_in_open_cycle,
        after_insert=apply_ledger,
        rebuild=rebuild_ledger,
        flaws=_overdrawn,
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
