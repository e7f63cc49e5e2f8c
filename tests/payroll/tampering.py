"""Pay cycles that are closed and sealed without a payroll run, and what is done behind the ledger's
back."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.db import connections, transaction

from payroll.models import (
    AccountKind,
    PayCycle,
    PayCycleState,
    RodCoinsTransaction,
    TransactionType,
)
from payroll.services.ledger import Posting, award_rodcoins, company_account, post, wallet
from payroll.services.sealing import seal
from rodcorp.actors import Actor
from rodcorp.databases import refusals
from rodcorp.databases.ids import natural_id
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.kit import rows

SYSTEM = Actor.system("test")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def open_cycle(number, state=PayCycleState.DRAFT):
    """As it stands in the database, whatever led there."""

    def work(unit):
        return rows.insert(
            PayCycle(
                id=natural_id("pay cycle", number),
                number=number,
                starts_at=BEGINNING + timedelta(days=14 * (number - 1)),
                ends_at=BEGINNING + timedelta(days=14 * number),
                state=state,
            )
        )

    return run_in_unit(work, actor=SYSTEM, operation="test.open")


def move_to(number, state):
    def work(unit):
        rows.change(PayCycle.objects.get(number=number), state=state)

    run_in_unit(work, actor=SYSTEM, operation="test.move")


def close(number):
    """How many rows were sealed."""

    def work(unit):
        cycle = rows.change(PayCycle.objects.get(number=number), state=PayCycleState.CLOSED)
        sealed = seal(cycle)
        if not PayCycle.objects.filter(number=number + 1).exists():
            open_cycle(number + 1)
        return sealed

    return run_in_unit(work, actor=SYSTEM, operation="test.close")


def pay(agent, amount, kind="earned", description="work"):
    return award_rodcoins(
        actor=SYSTEM, agent=agent, amount=amount, description=description, transaction_type=kind
    )


def book(agent, cycle, source_kind="direct"):
    def work(unit):
        posting = Posting(
            agent=agent,
            source=company_account(AccountKind.TREASURY),
            target=wallet(agent),
            amount=1,
            transaction_type=TransactionType.EARNED,
            description="booked",
            source_kind=source_kind,
            source_key=str(unit.new_id()),
            cycle=cycle,
        )
        return post([posting])[0]

    return run_in_unit(work, actor=SYSTEM, operation="test.book")


def in_transaction():
    """On the active database, inside whatever is open there."""
    return transaction.atomic(using=active_alias())  # noqa: TID251  nothing of a unit is tested


def booked(cycle):
    """The rows of a cycle, as they are sealed."""
    found = RodCoinsTransaction.objects.filter(cycle=cycle)
    return sorted(found, key=lambda row: (row.created_at, row.source_kind, row.source_key))


@contextmanager
def past_triggers(alias=None):
    """As whoever administers the server would do it."""
    connection = connections[alias or active_alias()]
    refusals.remove(connection)
    yield
    refusals.install(connection)


def run_sql(sql, *parameters, alias=None):
    connection = connections[alias or active_alias()]
    with connection.cursor() as cursor:
        cursor.execute(sql, [stored(connection, value) for value in parameters])
        return cursor.rowcount


def stored(connection, value):
    """A key as the database keeps it."""
    is_key = hasattr(value, "hex") and not isinstance(value, (str, bytes, float))
    if is_key:
        return value.hex if connection.vendor == "sqlite" else str(value)
    return value
