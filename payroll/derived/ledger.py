"""Balances and totals, which follow from the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Case, F, OuterRef, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from agents.models import Agent
from payroll.derived.adding import Bounded, add, add_within_bounds
from payroll.models import EARNING_TYPES, LedgerAccount, RodCoinsTransaction
from rodcorp.kit.validation import BIGINT_MAX


class Earning(NamedTuple):
    """What a row of the ledger adds to its agent's TotalRodCoinsEarned, as which type: earned,
    bonus or salary. A reversal adds less than nothing to what it reverses."""

    agent: UUID
    day: date
    cycle: int
    kind: str
    amount: int


def earning_of(
    agent: UUID | None,
    amount: int,
    transaction_type: str,
    reversed_type: str | None,
    created_at: datetime,
    cycle: int,
) -> Earning | None:
    """None of a row by which nobody earns or loses what was earned."""
    if agent is None:
        return None
    day = created_at.astimezone(UTC).date()
    if transaction_type in EARNING_TYPES:
        return Earning(agent, day, cycle, str(transaction_type), amount)
    if reversed_type in EARNING_TYPES:
        return Earning(agent, day, cycle, str(reversed_type), -amount)
    return None


def earnings_in(alias: str, inserted: Sequence[Mapping[str, Any]]) -> list[Earning]:
    """The earnings among rows given by attname."""
    reversed_types = _types(alias, [row["reverses_id"] for row in inserted])
    found = [
        earning_of(
            row["agent_id"],
            row["amount"],
            row["transaction_type"],
            reversed_types.get(row["reverses_id"]),
            row["created_at"],
            row["cycle"],
        )
        for row in inserted
    ]
    return [earning for earning in found if earning is not None]


def move_balances(alias: str, wanted: Mapping[UUID, Bounded]) -> UUID | None:
    """Add to the balances of these accounts, each if it is within its bounds. Returns one that is
    not, if there is one: the caller must fail then."""
    return add_within_bounds(alias, LedgerAccount, "balance", wanted)


def move_totals(alias: str, earnings: Iterable[Earning]) -> UUID | None:
    """Add to what agents have earned. Returns an agent whose total would exceed the column, if
    there is one: the caller must fail then.

    From here to the end of the transaction nobody else moves what these agents have earned.
    """
    totals = _totals(earnings)
    bounds = {
        agent: Bounded(total, -BIGINT_MAX - 1 - min(total, 0), BIGINT_MAX - max(total, 0))
        for agent, total in totals.items()
    }
    return add_within_bounds(alias, Agent, "total_rodcoins_earned", bounds)


def apply_ledger(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    """Move balances and totals by rows that were just inserted, given by attname."""
    balances: dict[UUID, int] = defaultdict(int)
    for row in inserted:
        balances[row["source_id"]] -= row["amount"]
        balances[row["target_id"]] += row["amount"]
    touched = {account: (delta,) for account, delta in balances.items() if delta}
    # the company's own accounts keep no balance
    for account in _of_company(alias):
        touched.pop(account, None)
    add(alias, LedgerAccount, "pk", ("balance",), touched)
    totals = _totals(earnings_in(alias, inserted))
    moved = {agent: (total,) for agent, total in totals.items()}
    add(alias, Agent, "pk", ("total_rodcoins_earned",), moved)


def rebuild_ledger(alias: str) -> None:
    """All balances and totals, from the ledger."""
    ledger = RodCoinsTransaction.objects.using(alias).order_by()
    paid = ledger.filter(source=OuterRef("pk")).values("source").annotate(sum=Sum("amount"))
    received = ledger.filter(target=OuterRef("pk")).values("target").annotate(sum=Sum("amount"))
    LedgerAccount.objects.using(alias).filter(agent__isnull=False).update(
        balance=Coalesce(Subquery(received.values("sum")), 0)
        - Coalesce(Subquery(paid.values("sum")), 0)
    )
    earns = When(transaction_type__in=EARNING_TYPES, then=F("amount"))
    loses = When(reverses__transaction_type__in=EARNING_TYPES, then=-F("amount"))
    total = (
        ledger.filter(agent=OuterRef("pk"))
        .values("agent")
        .annotate(sum=Sum(Case(earns, loses, default=Value(0))))
    )
    Agent.objects.using(alias).update(
        total_rodcoins_earned=Coalesce(Subquery(total.values("sum")), 0)
    )


def _totals(earnings: Iterable[Earning]) -> dict[UUID, int]:
    totals: dict[UUID, int] = defaultdict(int)
    for earning in earnings:
        totals[earning.agent] += earning.amount
    return totals


def _of_company(alias: str) -> list[UUID]:
    own = LedgerAccount.objects.using(alias).filter(agent__isnull=True)
    return list(own.values_list("pk", flat=True))


def _types(alias: str, transactions: Iterable[UUID | None]) -> dict[UUID | None, str]:
    wanted = [key for key in transactions if key is not None]
    found: dict[UUID | None, str] = {}
    for start in range(0, len(wanted), 500):
        rows = RodCoinsTransaction.objects.using(alias).filter(pk__in=wanted[start : start + 500])
        found.update(rows.values_list("pk", "transaction_type"))
    return found
