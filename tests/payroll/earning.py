"""Earning on any day, and what it must add up to."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from payroll.derived.standings import DAYS, cycle_period, first_day, roll
from payroll.leaderboard import Board, Period
from payroll.models import EARNING_TYPES, EarningsDay, RodCoinsTransaction, Standing
from payroll.services.ledger import award_rodcoins, reverse_transaction
from rodcorp.actors import Actor
from rodcorp.databases.units import run_in_unit

SYSTEM = Actor.system("test")
NOON = timedelta(hours=12)


def noon(day):
    return datetime.combine(day, datetime.min.time(), UTC) + NOON


def on(day, work):
    """Do it at noon of that day."""
    return run_in_unit(lambda unit: work(), actor=SYSTEM, operation="test", now=noon(day))


def award(agent, amount, day, kind="earned"):
    return on(
        day,
        lambda: award_rodcoins(
            actor=SYSTEM, agent=agent, amount=amount, description="x", transaction_type=kind
        ),
    )


def reverse(row, day):
    return on(day, lambda: reverse_transaction(actor=SYSTEM, transaction=row, reason="x"))


def rolled(alias, day):
    return run_in_unit(lambda unit: roll(alias, day), actor=SYSTEM, operation="test")


def plain(alias, day):
    """By period and agent, by day and agent: what the rows of the ledger add up to, as (earned,
    bonus, salary)."""
    periods, days = defaultdict(lambda: [0, 0, 0]), defaultdict(lambda: [0, 0, 0])
    order = ["earned", "bonus", "salary"]
    for row in RodCoinsTransaction.objects.using(alias).select_related("reverses"):
        if row.agent_id is None:
            continue
        kind, amount = row.transaction_type, row.amount
        if row.reverses:
            kind, amount = row.reverses.transaction_type, -amount
        if kind not in EARNING_TYPES:
            continue
        booked = row.created_at.date()
        days[booked, row.agent_id][order.index(kind)] += amount
        counted = ["all", cycle_period(row.cycle)]
        counted += [period for period in DAYS if booked >= first_day(period, day)]
        for period in counted:
            periods[period, row.agent_id][order.index(kind)] += amount
    return without_zeros(periods), without_zeros(days)


def without_zeros(found):
    return {key: tuple(parts) for key, parts in found.items() if any(parts)}


def kept(alias):
    """The same, from the tables; a standing's total is the sum of its parts."""
    periods, days = {}, {}
    for row in Standing.objects.using(alias):
        assert row.total == row.earned + row.bonus + row.salary
        assert (row.period, row.agent_id) not in periods
        periods[row.period, row.agent_id] = (row.earned, row.bonus, row.salary)
    for row in EarningsDay.objects.using(alias):
        assert (row.day, row.agent_id) not in days
        days[row.day, row.agent_id] = (row.earned, row.bonus, row.salary)
    return without_zeros(periods), without_zeros(days)


def shown(period, day):
    board = Board.of(Period.parse(period), day)
    return {
        (period, agent.pk): (agent.earned, agent.bonus, agent.salary, agent.coins)
        for agent in board.agents()
    }


def assert_exact(alias, day):
    """The tables, moved on to that day, are what the ledger adds up to."""
    rolled(alias, day)
    assert kept(alias) == plain(alias, day)
