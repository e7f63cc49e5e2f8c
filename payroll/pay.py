"""What an agent is paid for a cycle, and why: lines, from exact decimals, without a database.

Each line rounds half to even, once; the net is the sum of the lines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple
from uuid import UUID

from payroll.errors import PayTooLarge
from payroll.models import BonusKind, LineKind, TransactionType
from rodcorp.kit import validation

ONE = Decimal(1)

# the largest base times two multipliers has 29 digits
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

# Movements of these types are no pay: the salary is what a payslip itself pays, and a transfer
# (an advance, a recovery) moves coins that were earned otherwise.
NOT_PAY = (TransactionType.SALARY, TransactionType.TRANSFER)

MAX_LABEL, MAX_BASIS = 500, 200


class Line(NamedTuple):
    """One reason for coins; `transaction` is the row of the ledger that moved them already."""

    kind: LineKind
    label: str
    basis: str
    amount: int
    transaction: UUID | None = None


class Factor(NamedTuple):
    """A multiplier, and what it follows from."""

    value: Decimal
    basis: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What an agent is paid a cycle."""

    base: int
    basis: str
    seniority: Factor
    performance: Factor
    bonus: int = 0


class Bonus(NamedTuple):
    """A bonus rule, as far as it is needed here."""

    kind: str
    label: str
    amount: int
    threshold: Decimal | None = None


class Movement(NamedTuple):
    """A row of the ledger; `reversed_type` is the type of the row it reverses."""

    transaction: UUID
    transaction_type: str
    amount: int
    description: str
    source_kind: str
    source_key: str
    reversed_type: str | None = None


@dataclass(frozen=True, slots=True)
class Pay:
    """`due` is what the cycle still pays: the salary with its bonuses, less what is `recovered`
    of a debt. The rest of the net was booked when it was earned."""

    lines: Sequence[Line]
    net: int
    due: int
    recovered: int


def pay_of(
    terms: Terms | None,
    *,
    bonuses: Iterable[Bonus] = (),
    tasks: int = 0,
    rating: Decimal = Decimal(0),
    movements: Iterable[Movement] = (),
    debt: int = 0,
) -> Pay:
    """The lines of one agent's payslip. Without `terms` only what was moved is explained. Raises
    `PayTooLarge`."""
    lines: list[Line] = []
    salary = recovered = 0
    if terms is not None:
        lines += _salary(terms)
        lines += _bonuses(bonuses, tasks, rating)
        salary = sum(line.amount for line in lines)
        if salary < 0:
            lines.append(Line(LineKind.ROUNDING, "Rounding", "never less than nothing", -salary))
            salary = 0
        recovered = min(max(debt, 0), salary)
        if recovered:
            basis = f"of a debt of {debt}"
            lines.append(Line(LineKind.RECOVERY, "Recovery of the debt", basis, -recovered))
    lines += [_explained(movement) for movement in movements if _is_pay(movement)]
    net = sum(line.amount for line in lines)
    if max(salary, abs(net), *(abs(line.amount) for line in lines), 0) > validation.BIGINT_MAX:
        raise PayTooLarge(
            "A payslip of this cycle would exceed the largest amount; lower the bonus rules."
        )
    return Pay(lines, net, salary - recovered, recovered)


def rounded(amount: Decimal) -> int:
    """Whole coins, half to even."""
    return int(_EXACT.quantize(amount, ONE))


def _salary(terms: Terms) -> list[Line]:
    base = Decimal(terms.base)
    graded = _EXACT.multiply(base, terms.seniority.value)
    by_seniority = rounded(_EXACT.subtract(graded, base))
    by_performance = rounded(_EXACT.multiply(graded, terms.performance.value - ONE))
    lines = [
        Line(LineKind.BASE, "Base salary", terms.basis, terms.base),
        Line(LineKind.SENIORITY, "Seniority", _times(terms.seniority), by_seniority),
        Line(LineKind.PERFORMANCE, "Performance", _times(terms.performance), by_performance),
        Line(LineKind.BONUS, "Bonus of the cycle", "agreed", terms.bonus),
    ]
    return [line for line in lines if line.amount]


def _times(factor: Factor) -> str:
    return validation.clip(f"{factor.basis} × {factor.value:.2f}", MAX_BASIS)


def _bonuses(bonuses: Iterable[Bonus], tasks: int, rating: Decimal) -> list[Line]:
    lines = []
    for bonus in bonuses:
        amount, basis = bonus.amount, "every cycle"
        if bonus.kind == BonusKind.PER_TASK:
            noun = "task" if tasks == 1 else "tasks"
            amount, basis = tasks * bonus.amount, f"{tasks} {noun} × {bonus.amount}"
        elif bonus.kind == BonusKind.RATING:
            least = bonus.threshold or Decimal(0)
            amount = bonus.amount if rating >= least else 0
            basis = f"rated {rating:.2f}, at least {least:.2f}"
        if amount:
            lines.append(Line(LineKind.BONUS, bonus.label, basis, amount))
    return lines


def _is_pay(movement: Movement) -> bool:
    return (
        movement.transaction_type not in NOT_PAY
        and movement.reversed_type != TransactionType.TRANSFER
    )


def _explained(movement: Movement) -> Line:
    kind, sign = LineKind.AWARD, 1
    basis = movement.transaction_type
    if movement.transaction_type == TransactionType.DEDUCTION:
        kind, sign = LineKind.DEDUCTION, -1
    elif movement.transaction_type == TransactionType.REVERSAL:
        kind = LineKind.REVERSAL
        sign = 1 if movement.reversed_type == TransactionType.DEDUCTION else -1
        basis = f"{movement.reversed_type} taken back"
        if sign > 0:
            basis = "deduction given back"
    if movement.source_kind == "task":
        task, _, round_number = movement.source_key.rpartition("/")
        basis = f"task {task}, round {round_number}"
    return Line(
        kind,
        validation.clip(movement.description, MAX_LABEL),
        validation.clip(basis, MAX_BASIS),
        sign * movement.amount,
        movement.transaction,
    )
