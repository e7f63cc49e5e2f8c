"""Balances and totals, which follow from the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, F, OuterRef, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from agents.models import Agent
from payroll.models import EARNING_TYPES, LedgerAccount, RodCoinsTransaction


def earned(amount: int, transaction_type: str, reversed_type: str | None) -> int:
    """What a row of the ledger adds to its agent's TotalRodCoinsEarned."""
    if transaction_type in EARNING_TYPES:
        return amount
    return -amount if reversed_type in EARNING_TYPES else 0


def apply_ledger(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    """Move balances and totals by rows that were just inserted, given by attname."""
    balances: dict[UUID, int] = defaultdict(int)
    totals: dict[UUID, int] = defaultdict(int)
    reversed_types = _types(alias, [row["reverses_id"] for row in inserted])
    for row in inserted:
        balances[row["source_id"]] -= row["amount"]
        balances[row["target_id"]] += row["amount"]
        if row["agent_id"] is not None:
            reversed_type = reversed_types.get(row["reverses_id"])
            totals[row["agent_id"]] += earned(row["amount"], row["transaction_type"], reversed_type)
    for account, delta in sorted(balances.items(), key=str):
        own = LedgerAccount.objects.using(alias).filter(pk=account, agent__isnull=False)
        own.update(balance=Coalesce(F("balance"), 0) + delta)
    for agent, delta in sorted(totals.items(), key=str):
        if delta:
            Agent.objects.using(alias).filter(pk=agent).update(
                total_rodcoins_earned=Coalesce(F("total_rodcoins_earned"), 0) + delta
            )


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


def _types(alias: str, transactions: Iterable[UUID | None]) -> dict[UUID | None, str]:
    wanted = [key for key in transactions if key is not None]
    found: dict[UUID | None, str] = {}
    for start in range(0, len(wanted), 500):
        rows = RodCoinsTransaction.objects.using(alias).filter(pk__in=wanted[start : start + 500])
        found.update(rows.values_list("pk", "transaction_type"))
    return found
