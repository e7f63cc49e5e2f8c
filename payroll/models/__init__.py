"""RodCoins: who earned what, and why.

Design overview: the ledger (`RodCoinsTransactions`) is the truth. Each row moves a positive whole
number of coins from one account to another and is never changed or deleted; a mistake is corrected
by one reversal. A row's id is natural, (source kind, source key), so the same cause cannot be paid
twice. An agent's wallet and debt keep a derived balance, moved in the unit that inserts the row; a
wallet never goes below zero, a debt does. The company's own accounts (treasury, payroll, suspense)
keep none: every payment would queue for the same row. `TotalRodCoinsEarned` is derived too.
"""

from payroll.models.cycles import (
    LedgerSeal,
    LineKind,
    PayCycle,
    PayCycleState,
    PayCycleStep,
    Payslip,
    PayslipLine,
)
from payroll.models.ledger import (
    EARNING_TYPES,
    AccountKind,
    LedgerAccount,
    RodCoinsTransaction,
    TransactionType,
)
from payroll.models.performance import (
    Evaluation,
    Observation,
    ObservationKind,
    RatingPart,
)
from payroll.models.salaries import (
    BonusKind,
    BonusRule,
    PayrollMaster,
    PayScale,
    PerformanceBand,
)
from payroll.models.standings import (
    EarningsDay,
    Standing,
    StandingsDay,
)

__all__ = [
    "EARNING_TYPES",
    "AccountKind",
    "BonusKind",
    "BonusRule",
    "EarningsDay",
    "Evaluation",
    "LedgerAccount",
    "LedgerSeal",
    "LineKind",
    "Observation",
    "ObservationKind",
    "PayCycle",
    "PayCycleState",
    "PayCycleStep",
    "PayScale",
    "PayrollMaster",
    "Payslip",
    "PayslipLine",
    "PerformanceBand",
    "RatingPart",
    "RodCoinsTransaction",
    "Standing",
    "StandingsDay",
    "TransactionType",
]
