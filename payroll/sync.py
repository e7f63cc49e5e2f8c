"""How money written on both sides becomes one: every row of the ledger counts once, and what
follows from them is never copied."""

from collections.abc import Iterator, Sequence

from payroll.derived.ledger import apply_ledger, rebuild_ledger
from payroll.derived.ratings import apply_evaluations, rebuild_ratings
from payroll.models import (
    AccountKind,
    BonusRule,
    Evaluation,
    LedgerAccount,
    LedgerSeal,
    Observation,
    PayCycle,
    PayCycleState,
    PayCycleStep,
    PayrollMaster,
    PayScale,
    Payslip,
    PayslipLine,
    PerformanceBand,
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
    Rule(Observation, append_only=True, after_insert=apply_evaluations),
    Rule(PayrollMaster),
    Rule(PayScale),
    Rule(PerformanceBand),
    Rule(BonusRule),
    Rule(PayCycle),
    Rule(PayCycleStep, append_only=True),
    Rule(LedgerSeal, append_only=True),
    Rule(Payslip),
    Rule(PayslipLine),
)
