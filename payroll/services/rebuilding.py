"""Everything that follows from the ledger and from evaluations, made anew from them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.apps import apps
from django.db import connections, models

from agents.models import Agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.proof import Flaw, Kind, prove_books
from rodcorp.actors import Actor, Permission
from rodcorp.databases.fields import MICROSOFT
from rodcorp.databases.sync.rules import rules
from rodcorp.databases.units import Unit, run_in_unit
from rodcorp.errors import Conflict
from rodcorp.kit.services import service

# Rows read at a time, and of those that differed how many are named.
_PART = 2_000
NAMED = 20

_PROVED = (Kind.BALANCE, Kind.TOTAL)


@dataclass
class Rebuilt:
    """By table how many rows differed from what they follow from, and some of the balances and
    totals that did, in words."""

    differed: dict[str, int] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(self.differed.values())


@service("payroll.rebuild_balances", needs=Permission.RUN_PAYROLL)
def rebuild_balances(*, actor: Actor, dry_run: bool = False) -> Rebuilt:
    """Make balances, totals, ratings and standings anew in the active database, and prove balances
    and totals equal to the ledger's sums; all of it or nothing. Raises `Conflict` if they are not.
    """
    return run_in_unit(_rebuild, actor=actor, operation="payroll.rebuild_balances", dry_run=dry_run)


def _rebuild(unit: Unit) -> Rebuilt:
    alias = unit.alias
    keep_payments_out(alias)
    wrong = _wrong(alias)
    before = {each.table: each.values(alias) for each in _derived()}
    rebuild_derived(alias)
    rebuilt = Rebuilt(named=[flaw.said for flaw in wrong[:NAMED]])
    for each in _derived():
        was, now = before[each.table], each.values(alias)
        rebuilt.differed[each.table] = sum(was.get(key) != now.get(key) for key in {*was, *now})
    if left := _wrong(alias):
        raise Conflict(
            f"{len(left)} balances and totals are not what the ledger says even when made anew, so "
            f"nothing was written; the first: {left[0].said}. See: manage.py verify_ledger"
        )
    return rebuilt


def _wrong(alias: str) -> list[Flaw]:
    return [flaw for flaw in prove_books(alias) if flaw.kind in _PROVED]


def rebuild_derived(alias: str) -> None:
    """All that follows from rows of payroll, in the open unit. Whoever calls it has kept payments
    out."""
    for rule in rules().values():
        if rule.rebuild and rule.model._meta.app_label == "payroll":
            rule.rebuild(alias)


class _Derived(NamedTuple):
    """A table with columns that are made anew, and what tells its rows apart."""

    model: type[models.Model]
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def table(self) -> str:
        return str(self.model._meta.db_table)

    def values(self, alias: str) -> dict[tuple[object, ...], tuple[object, ...]]:
        every = self.model._base_manager.using(alias).order_by()
        found = every.values_list(*self.key, *self.columns).iterator(chunk_size=_PART)
        size = len(self.key)
        return {row[:size]: row[size:] for row in found}


def _derived() -> Iterator[_Derived]:
    yield _Derived(LedgerAccount, ("pk",), ("balance",))
    yield _Derived(Agent, ("pk",), ("total_rodcoins_earned", "performance_rating"))
    for model in apps.get_app_config("payroll").get_models():
        if getattr(model, "is_derived", False):
            # a row that is made anew may have another id
            unique = list(model._meta.total_unique_constraints)
            key = tuple(unique[0].fields) if unique else ("pk",)
            names = [each.name for each in model._meta.concrete_fields if not each.primary_key]
            yield _Derived(model, key, tuple(name for name in names if name not in key))


def keep_payments_out(alias: str) -> None:
    """On SQL Server a statement adds up the ledger as it was when it began: a payment committed
    while it waits for that payment's wallet would be lost. The accounts come first, as for a
    payment, so that neither waits for the other. SQLite has one writer anyway."""
    connection = connections[alias]
    if connection.vendor != MICROSOFT:
        return
    with connection.cursor() as cursor:
        for model in (LedgerAccount, RodCoinsTransaction):
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(f"SELECT TOP (1) 1 FROM {table} WITH (TABLOCKX)")  # noqa: S608  our name
            cursor.fetchall()
