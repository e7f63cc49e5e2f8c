"""Standings: what agents earned by day and by period, which follows from the ledger.

`7d` and `30d` are whole days in UTC up to the one that StandingsDay names, and whatever is later. A
row of the ledger of today or yesterday belongs to both wherever that day stands just now; one that
is older takes a lock on it first. Once a day it is moved on, by whoever comes first.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models import Case, CharField, DateField, F, QuerySet, Sum, Value, When
from django.db.models.functions import Cast

from agents.models import Agent
from payroll.derived.adding import add, in_parts
from payroll.derived.ledger import Earning, earnings_in
from payroll.models import (
    EARNING_TYPES,
    EarningsDay,
    PayCycle,
    PayCycleState,
    RodCoinsTransaction,
    Standing,
    StandingsDay,
    TransactionType,
)
from rodcorp.databases import clock
from rodcorp.databases.fields import MICROSOFT
from rodcorp.databases.ids import natural_id

ALL = "all"
# periods that reach back so many days, today among them
DAYS = {"7d": 7, "30d": 30}

KINDS = (TransactionType.EARNED, TransactionType.BONUS, TransactionType.SALARY)

_THE_DAY = natural_id("standings day")
# before the first day anything can fall out of a period
NEVER = date(1970, 1, 1)
_ONE_DAY = timedelta(days=1)
_ROWS = 500

_DAY_COLUMNS = ("earned", "bonus", "salary")
_STANDING_COLUMNS = (*_DAY_COLUMNS, "total")


def today() -> date:
    """In UTC, by the primary's clock."""
    return clock.now().astimezone(UTC).date()


def cycle_period(number: int) -> str:
    return f"cycle/{number}"


def first_day(period: str, day: date) -> date:
    """The first day of a period that reaches up to `day`."""
    return day - timedelta(days=DAYS[period] - 1)


def reached(alias: str) -> date | None:
    """Up to which day the periods reach; None while nobody has moved them on."""
    found = StandingsDay.objects.using(alias).filter(pk=_THE_DAY).values_list("day", flat=True)
    return next(iter(found), None)


def move_standings(alias: str, earnings: Sequence[Earning]) -> None:
    """Add earnings to the days and the standings of their agents. `move_totals` comes first: it
    keeps others from these agents, so that a row that is missing here may be inserted."""
    if not earnings:
        return
    fresh = today() - _ONE_DAY
    is_late = any(earning.day < fresh for earning in earnings)
    reach = _hold_day(alias) if is_late else None
    by_day: dict[date, dict[UUID, list[int]]] = {}
    by_periods: dict[tuple[str, ...], dict[UUID, list[int]]] = {}
    for earning in earnings:
        at = KINDS.index(TransactionType(earning.kind))
        own = by_day.setdefault(earning.day, {}).setdefault(earning.agent, [0, 0, 0])
        own[at] += earning.amount
        periods = _periods(earning, fresh, reach)
        standing = by_periods.setdefault(periods, {}).setdefault(earning.agent, [0, 0, 0, 0])
        standing[at] += earning.amount
        standing[3] += earning.amount
    for day, agents in by_day.items():
        _move(alias, EarningsDay, _DAY_COLUMNS, agents, "day", [day])
    for periods, agents in by_periods.items():
        _move(alias, Standing, _STANDING_COLUMNS, agents, "period", periods)


def apply_standings(alias: str, inserted: Sequence[Mapping[str, Any]]) -> None:
    """Move days and standings by rows of the ledger that were just inserted, given by attname;
    after `apply_ledger`."""
    move_standings(alias, earnings_in(alias, inserted))


def roll(alias: str, day: date) -> bool:
    """Move the periods on, up to that day, and note everybody's place at the end of the day before;
    False if somebody has done it already. In an open transaction."""
    before = reached(alias)
    if before is not None and before >= day:
        return False
    if not _take_day(alias, before, day):
        return False
    begun, yesterday = before or NEVER, day - _ONE_DAY
    if begun < yesterday:
        _let_fall(alias, begun, yesterday)
    _note_places(alias, day)
    _let_fall(alias, max(begun, yesterday), day)
    return True


def rebuild_standings(alias: str) -> None:
    """All days and all standings, from the ledger. In an open transaction."""
    day = today()
    _lock(alias)
    _set_day(alias, day)
    Standing.objects.using(alias).all()._raw_delete(alias)
    EarningsDay.objects.using(alias).all()._raw_delete(alias)
    ledger, days = in_ledger(alias), EarningsDay.objects.using(alias).order_by()
    by_day = ledger.annotate(k=F("agent_id"), d=Cast("created_at", DateField())).values("k", "d")
    names = {"agent": "k", "day": "d", **_DAY_SUMS}
    _fill(alias, EarningsDay, names, by_day.annotate(**_SUMS))
    names = {"agent": "k", "period": "p", **_DAY_SUMS, "total": "sum_total"}
    for period in (ALL, *DAYS):
        reaching = days.filter(day__gte=first_day(period, day)) if period in DAYS else days
        named = Value(period, CharField(max_length=20))
        by_agent = reaching.annotate(k=F("agent_id"), p=named).values("k", "p")
        sums = {alias_: Sum(name) for name, alias_ in _DAY_SUMS.items()}
        total = Sum(F("earned") + F("bonus") + F("salary"))
        _fill(alias, Standing, names, by_agent.annotate(**sums, sum_total=total))
    by_cycle = ledger.annotate(k=F("agent_id"), n=F("cycle")).values("k", "n")
    names["period"] = _OF_CYCLE
    _fill(alias, Standing, names, by_cycle.annotate(**_SUMS, sum_total=_sum_of(KINDS)))
    _note_places(alias, day)


def in_ledger(alias: str) -> QuerySet[RodCoinsTransaction]:
    """The rows of the ledger by which somebody earned, or lost what was earned."""
    rows = RodCoinsTransaction.objects.using(alias).filter(agent__isnull=False).order_by()
    return rows.filter(
        models.Q(transaction_type__in=EARNING_TYPES)
        | models.Q(reverses__transaction_type__in=EARNING_TYPES)
    )


def _sum_of(kinds: Iterable[str]) -> Sum:
    listed = sorted(str(kind) for kind in kinds)
    return Sum(
        Case(
            When(transaction_type__in=listed, then=F("amount")),
            When(reverses__transaction_type__in=listed, then=-F("amount")),
            default=Value(0),
            output_field=models.BigIntegerField(),
        )
    )


_SUMS = {f"sum_{kind}": _sum_of([kind]) for kind in KINDS}
_DAY_SUMS = {str(kind): f"sum_{kind}" for kind in KINDS}
# The period of a cycle whose number is n. The two engines join texts differently.
_OF_CYCLE = "REPLACE('cycle/n', 'n', CAST(q.n AS varchar(12)))"


def _periods(earning: Earning, fresh: date, reach: date | None) -> tuple[str, ...]:
    always = (ALL, cycle_period(earning.cycle))
    if earning.day >= fresh or reach is None:
        return (*always, *DAYS)
    return (*always, *(period for period in DAYS if earning.day >= first_day(period, reach)))


def _move(
    alias: str,
    model: type[EarningsDay] | type[Standing],
    columns: tuple[str, ...],
    agents: Mapping[UUID, Sequence[int]],
    name: str,
    values: Sequence[Any],
) -> None:
    """Add to each agent's row of each value; those that are missing are inserted."""
    for part in in_parts(agents):
        deltas = {agent: agents[agent] for agent in part}
        changed = add(alias, model, "agent", columns, deltas, where=name, among=values)
        if changed == len(part) * len(values):
            continue
        rows: QuerySet[Any] = model._base_manager.using(alias)
        found = rows.filter(agent__in=part, **{f"{name}__in": values})
        there = set(found.values_list("agent_id", name))
        missing = [
            model(
                id=natural_id(model._meta.model_name or "", agent, value),
                agent_id=agent,
                **{name: value},
                **dict(zip(columns, delta, strict=True)),
            )
            for agent, delta in deltas.items()
            for value in values
            if (agent, value) not in there
        ]
        rows.bulk_create(missing, batch_size=_ROWS)


# --- the day the periods reach up to --------------------------------------------------------------
def _hold_day(alias: str) -> date:
    """The day, which nobody moves on before this transaction has ended."""
    the_day = StandingsDay.objects.using(alias).filter(pk=_THE_DAY)
    if not the_day.update(day=F("day")):
        _insert_day(alias, NEVER)
    return the_day.values_list("day", flat=True).get()


def _take_day(alias: str, before: date | None, day: date) -> bool:
    if before is None:
        _insert_day(alias, day)
        return True
    the_day = StandingsDay.objects.using(alias).filter(pk=_THE_DAY, day=before)
    return the_day.update(day=day) == 1


def _set_day(alias: str, day: date) -> None:
    if not StandingsDay.objects.using(alias).filter(pk=_THE_DAY).update(day=day):
        _insert_day(alias, day)


def _insert_day(alias: str, day: date) -> None:
    # of two units that insert it at once one runs again
    StandingsDay(id=_THE_DAY, day=day).save(force_insert=True, using=alias)


def _let_fall(alias: str, begun: date, day: date) -> None:
    """Take off the days that belonged to periods up to `begun` and do not to those up to `day`."""
    connection = connections[alias]
    names = _Names(connection.ops.quote_name)
    for period in DAYS:
        sql = (
            f"UPDATE {names.standings} SET "  # noqa: S608  names of models
            f"{', '.join(f'{c} = {names.standings}.{c} - d.{c}' for c in names.kinds)}, "
            f"{names.total} = {names.standings}.{names.total} - d.total FROM ("
            f"SELECT {names.agent} AS k, "
            f"{', '.join(f'SUM({c}) AS {c}' for c in names.kinds)}, "
            f"SUM({' + '.join(names.kinds)}) AS total FROM {names.days} "
            f"WHERE {names.day} >= %s AND {names.day} < %s GROUP BY {names.agent}) AS d "
            f"WHERE {names.standings}.{names.agent} = d.k "
            f"AND {names.standings}.{names.period} = %s"
        )
        fallen = [_stored_day(connection, first_day(period, each)) for each in (begun, day)]
        _run(connection, sql, [*fallen, period])


def _note_places(alias: str, day: date) -> None:
    """Of every standing that still moves: the place it gave at the end of the day before."""
    connection = connections[alias]
    names = _Names(connection.ops.quote_name)
    since = _stored_day(connection, day)
    today_ = (
        f"SELECT {names.agent} AS k, SUM({' + '.join(names.kinds)}) AS coins "  # noqa: S608
        f"FROM {names.days} WHERE {names.day} >= %s GROUP BY {names.agent}"
    )
    for period in (ALL, *DAYS):
        _run(connection, names.noting_places(today_), [since, period])
    for number in _moving_cycles(alias):
        midnight = datetime.combine(day, time.min, UTC)
        earned = (
            in_ledger(alias)
            .filter(cycle=number, created_at__gte=midnight)
            .annotate(k=F("agent_id"))
            .values("k")
            .annotate(coins=_sum_of(KINDS))
        )
        sql, parameters = earned.query.get_compiler(alias).as_sql()
        _run(connection, names.noting_places(sql), [*parameters, cycle_period(number)])


def _moving_cycles(alias: str) -> set[int]:
    cycles = PayCycle.objects.using(alias)
    moving = cycles.exclude(state=PayCycleState.CLOSED).values_list("number", flat=True)
    return {*moving, cycles.current_number()}


# --- what the ORM does not say --------------------------------------------------------------------
class _Names:
    """Tables and columns, quoted."""

    def __init__(self, quote: Any) -> None:
        def column(model: type[models.Model], name: str) -> str:
            field: Any = model._meta.get_field(name)
            return str(quote(field.column))

        self.standings = quote(Standing._meta.db_table)
        self.days = quote(EarningsDay._meta.db_table)
        self.agents = quote(Agent._meta.db_table)
        self.kinds = [column(Standing, name) for name in _DAY_COLUMNS]
        self.agent = column(Standing, "agent")
        self.agent_key = column(Agent, "id")
        self.key = column(Standing, "id")
        self.period = column(Standing, "period")
        self.total = column(Standing, "total")
        self.place = column(Standing, "place_before")
        self.day = column(EarningsDay, "day")

    def noting_places(self, since: str) -> str:
        """Everybody's place by what they had before `since`, a query for k and coins."""
        had = f"s.{self.total} - COALESCE(t.coins, 0)"
        return (
            f"UPDATE {self.standings} SET {self.place} = r.place FROM ("  # noqa: S608
            f"SELECT s.{self.key} AS k, "
            f"CASE WHEN {had} > 0 THEN RANK() OVER (ORDER BY {had} DESC) END AS place "
            f"FROM {self.standings} s "
            # standings of an agent that was removed elsewhere may be left
            f"INNER JOIN {self.agents} a ON a.{self.agent_key} = s.{self.agent} "
            f"LEFT OUTER JOIN ({since}) t ON t.k = s.{self.agent} "
            f"WHERE s.{self.period} = %s) AS r WHERE {self.standings}.{self.key} = r.k"
        )


def _fill(
    alias: str,
    model: type[models.Model],
    names: Mapping[str, str],
    found: QuerySet[Any, Any],
) -> None:
    """Insert what a query finds, each row with a new id; `names` says which field gets which of its
    columns."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    fields: list[Any] = [model._meta.pk, *(model._meta.get_field(name) for name in names)]
    columns = ", ".join(quote(field.column) for field in fields)
    fresh = "NEWID()" if connection.vendor == MICROSOFT else "lower(hex(randomblob(16)))"
    taken = [name if name == _OF_CYCLE else f"q.{name}" for name in names.values()]
    sql, parameters = found.query.get_compiler(alias).as_sql()
    _run(
        connection,
        f"INSERT INTO {quote(model._meta.db_table)} ({columns}) "  # noqa: S608  names of models
        f"SELECT {fresh}, {', '.join(taken)} FROM ({sql}) AS q",
        parameters,
    )


def _lock(alias: str) -> None:
    """Nobody else moves days and standings before this transaction has ended. SQLite has one writer
    anyway."""
    connection = connections[alias]
    if connection.vendor == MICROSOFT:
        for model in (EarningsDay, Standing):
            table = connection.ops.quote_name(model._meta.db_table)
            _run(connection, f"SELECT TOP 1 1 FROM {table} WITH (TABLOCKX, HOLDLOCK)", [])  # noqa: S608


def _stored_day(connection: Any, day: date) -> Any:
    return EarningsDay._meta.get_field("day").get_db_prep_value(day, connection)


def _run(connection: Any, sql: str, parameters: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
