"""The leaderboard: who earned what in a period, and which place that makes.

It reads the standings, never the ledger. Whoever earned the same has the same place, and the next
place is as far on as there were of them. Equals are listed by project and name.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.fields import IntegerField
from django.db.models.functions import Coalesce

from agents.models import Agent
from payroll.derived import standings
from payroll.derived.standings import ALL, DAYS, KINDS
from payroll.models import EarningsDay, PayCycle, PayCycleState
from rodcorp.databases.sides import active_alias
from rodcorp.errors import InvalidInput

# what agents may be put together by, and the column that says it
GROUPS = {"team": "team", "project": "project", "model": "ai_model"}

CURRENT = "cycle"
_CYCLE = f"{CURRENT}/"


@dataclass(frozen=True)
class Period:
    """`all`, `30d`, `7d` or `cycle/N`, as the standings name it."""

    key: str

    @classmethod
    def parse(cls, value: object, field: str = "period") -> "Period":
        """What somebody asked for; `cycle` is the current one. Raises `InvalidInput`."""
        wanted = value.strip().lower() if isinstance(value, str) else ""
        if wanted in (ALL, *DAYS):
            return cls(wanted)
        if wanted == CURRENT:
            return cls.of_cycle(PayCycle.objects.current_number())
        number = wanted.removeprefix(_CYCLE)
        if number != wanted and number.isascii() and number.isdigit() and len(number) <= 9:
            return cls.of_cycle(int(number))
        raise InvalidInput(
            f"{field} must be all, 30d, 7d, cycle (the current one) or cycle/N; it was "
            f"{value!r:.60}.",
            field=field,
        )

    @classmethod
    def of_cycle(cls, number: int) -> "Period":
        return cls(standings.cycle_period(number))

    @property
    def cycle(self) -> int | None:
        number = self.key.removeprefix(_CYCLE)
        return int(number) if number != self.key else None

    @property
    def words(self) -> str:
        if self.key == ALL:
            return "all time"
        return f"{DAYS[self.key]} days" if self.key in DAYS else self.key.replace("/", " ")


class Group(NamedTuple):
    """What the agents of one team, project or model earned together, those who earned something.
    `name` is empty for those who belong to none."""

    name: str
    agents: int
    coins: int
    earned: int
    bonus: int
    salary: int
    place: int = 0


@dataclass(frozen=True)
class Board:
    """The leaderboard of a period up to a day. `reached` is the day up to which the standings of 7
    and 30 days were brought; `is_over` is of a pay cycle that is closed."""

    period: Period
    day: date
    reached: date | None
    is_over: bool = False

    @classmethod
    def of(cls, period: Period, day: date | None = None) -> "Board":
        """As of today (UTC)."""
        reached = standings.reached(active_alias())
        day = day or standings.today()
        is_over = (
            period.cycle is not None
            and PayCycle.objects.filter(number=period.cycle, state=PayCycleState.CLOSED).exists()
        )
        # another host, whose clock is ahead, may have moved them on already
        return cls(period, max(day, reached or day), reached, is_over)

    @property
    def knows_places_before(self) -> bool:
        """Whether the places of the day before are noted: those of a cycle that is over, or of
        standings nobody has moved on for days, say nothing."""
        if self.reached is None or self.is_over:
            return False
        return self.reached >= self.day - timedelta(days=1)

    def agents(self) -> "QuerySet[Any, Any]":
        """Agents who earned something, most first, with `coins`, their parts `earned`, `bonus` and
        `salary`, and `place_before`."""
        agents: Any = Agent.objects.annotate(
            standing=FilteredRelation(
                "standings", condition=Q(standings__period=Value(self.period.key))
            )
        )
        if self.period.key == ALL:
            # of programs that write the documented column alone, too
            agents = agents.leaderboard().annotate(
                coins=F("total_rodcoins_earned"),
                **{str(kind): Coalesce(F(f"standing__{kind}"), 0) for kind in KINDS},
            )
        elif self._fallen is None:
            agents = agents.filter(standing__total__gt=0).annotate(
                coins=F("standing__total"), **{str(kind): F(f"standing__{kind}") for kind in KINDS}
            )
        else:
            agents = agents.filter(standing__total__isnull=False).annotate(
                coins=F("standing__total") - self._fell(F("earned") + F("bonus") + F("salary")),
                **{str(kind): F(f"standing__{kind}") - self._fell(F(kind)) for kind in KINDS},
            )
            agents = agents.filter(coins__gt=0)
        before: Any = F("standing__place_before")
        if not self.knows_places_before:
            before = Value(None, IntegerField(null=True))
        placed: QuerySet[Any, Any] = agents.annotate(place_before=before)
        return placed.order_by("-coins", "project", "name")

    def best(self) -> int:
        """What the first one earned."""
        return self.agents().values_list("coins", flat=True).first() or 0

    def places(self, totals: Collection[int]) -> dict[int, int]:
        """The place in the whole company of whoever earned so much."""
        if not totals:
            return {}
        everybody = self.agents().order_by()
        first = everybody.filter(coins__gt=max(totals)).count() + 1
        between = everybody.filter(coins__lte=max(totals), coins__gte=min(totals))
        places = ranked(between.values_list("coins", flat=True), first)
        # of whoever earned it since it was read
        return {total: places.get(total, first) for total in totals}

    def groups(self, agents: "QuerySet[Any, Any]", by: str) -> list[Group]:
        """These agents by team, project or model, most first, with their places among them."""
        found = self._sums(agents, GROUPS[by])
        places = ranked([group.coins for group in found], 1)
        placed = [group._replace(place=places[group.coins]) for group in found]
        return sorted(placed, key=lambda group: (group.place, group.name.casefold(), group.name))

    def together(self, agents: "QuerySet[Any, Any]") -> Group:
        """These agents as one."""
        if self._fallen is not None:
            found = _added(("", *row) for row in agents.values_list(*_NUMBERS))
            return found[0] if found else Group("", 0, 0, 0, 0, 0)
        sums = agents.order_by().aggregate(counted=Count("pk"), **_SUMS)
        return Group("", *(sums[name] or 0 for name in ("counted", *_SUMS)))

    def _sums(self, agents: "QuerySet[Any, Any]", column: str) -> list[Group]:
        if self._fallen is not None:
            # SQL Server adds up no subqueries
            return _added(agents.order_by().values_list(column, *_NUMBERS))
        rows = agents.order_by().values(column).annotate(counted=Count("pk"), **_SUMS)
        found = rows.values_list(column, "counted", *_SUMS)
        return [Group(name or "", *numbers) for name, *numbers in found]

    @property
    def _fallen(self) -> tuple[date, date] | None:
        """From when on, and before when, days have fallen out of the period and are still in its
        standings."""
        if self.period.key not in DAYS or self.reached == self.day:
            return None
        begun = standings.first_day(self.period.key, self.reached or standings.NEVER)
        return begun, standings.first_day(self.period.key, self.day)

    def _fell(self, amount: Any) -> Coalesce:
        assert self._fallen is not None
        begun, until = self._fallen
        days = EarningsDay.objects.filter(agent=OuterRef("pk"), day__gte=begun, day__lt=until)
        sums = days.order_by().values("agent").annotate(fell=Sum(amount)).values("fell")
        return Coalesce(Subquery(sums), 0)


_NUMBERS = ("coins", *map(str, KINDS))
_SUMS = {f"sum_{name}": Sum(name) for name in _NUMBERS}


def _added(rows: Iterable[Sequence[Any]]) -> list[Group]:
    """Rows of a name and numbers, put together by name."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * (1 + len(_NUMBERS)))
    for name, *numbers in rows:
        for at, number in enumerate((1, *numbers)):
            sums[name or ""][at] += number
    return [Group(name, *numbers) for name, numbers in sums.items()]


def ranked(totals: Iterable[int], first: int = 1) -> dict[int, int]:
    """The place of each total, from `first` on; equals share one."""
    places: dict[int, int] = {}
    for total, count in sorted(Counter(totals).items(), reverse=True):
        places[total] = first
        first += count
    return places
