"""How money written on both sides becomes one: every row of the ledger counts once, and what
follows from them is never copied."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from payroll.derived.ledger import apply_ledger, rebuild_ledger
from payroll.derived.ratings import (
    apply_evaluations,
    apply_observations,
    rebuild_evaluations,
    rebuild_observations,
)
from payroll.derived.standings import apply_standings, rebuild_standings
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
from payroll.triggers import takes
from rodcorp.databases.sync.rules import Flaw, Row, Rule, declare


def _book_in_open_cycle(alias: str, row: Row) -> Row:
    """A cycle that was computed meanwhile takes no more rows but its own payment, a closed one none
    at all; when it happened stays as it was."""
    cycles = PayCycle.objects.using(alias)
    # locked: it must not be computed between here and the row
    named = cycles.select_for_update().filter(number=row["cycle"]).order_by("number")
    state = named.values_list("state", flat=True).first() or PayCycleState.DRAFT
    if takes(state, row["source_kind"]):
        return row
    return {**row, "cycle": cycles.current_number()}


def _apply(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    apply_ledger(alias, inserted)
    apply_standings(alias, inserted)


def _rebuild(alias: str) -> None:
    rebuild_ledger(alias)
    rebuild_standings(alias)


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
        after_insert=_apply,
        rebuild=_rebuild,
        flaws=_overdrawn,
    ),
    Rule(
        Evaluation,
        append_only=True,
        after_insert=apply_evaluations,
        rebuild=rebuild_evaluations,
    ),
    Rule(
        Observation,
        append_only=True,
        after_insert=apply_observations,
        rebuild=rebuild_observations,
    ),
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
