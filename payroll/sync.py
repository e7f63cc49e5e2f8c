"""How money written on both sides becomes one: every row of the ledger counts once, and what
follows from them is never copied."""

from payroll.derived import apply_evaluations, apply_ledger, rebuild_ledger, rebuild_ratings
from payroll.models import (
    Evaluation,
    LedgerAccount,
    PayCycle,
    PayrollMaster,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
)
from rodcorp.databases.sync.rules import Rule, declare

declare(
    Rule(LedgerAccount, derived=frozenset({"balance"})),
    Rule(
        RodCoinsTransaction,
        append_only=True,
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
