"""What a payroll officer asks: what was spent, on whom, for what, and what comes next.

Each answer is a few statements over some cycles. What was earned comes from the derived standings,
a row an agent and cycle, so that its cost does not grow with the ledger; what tasks cost comes from
the ledger's rows of those cycles.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from payroll.derived.standings import cycle_period
from payroll.models import PayCycle, PayCycleState, RodCoinsTransaction, Standing

# of a robust z-score, after Iglewicz and Hoaglin
OUTLIER = 3.5
# what makes the deviations comparable to a normal distribution's standard deviation
_MAD_SCALE = Fraction("0.6745")
_MEAN_DEVIATION_SCALE = Fraction("1.253314")

QUANTILES = (0, 10, 25, 50, 75, 90, 100)
BINS = 10

# a cycle in one of them costs no more than it has
PAID_STATES = (PayCycleState.POSTED, PayCycleState.CLOSED)

# fewer say nothing of a next one
ENOUGH_CYCLES = 3
# how much of the way to the newest cycle smoothing goes
_SMOOTHING = Fraction(1, 2)
# what came before says little of the next cycle
FORECAST_FROM = 24


@dataclass(frozen=True, slots=True)
class Spend:
    """What a team earned in a cycle, in coins, by type, less reversals."""

    cycle: int
    team: str
    earned: int
    bonus: int
    salary: int
    total: int
    agents: int


@dataclass(frozen=True, slots=True)
class TaskCost:
    """What the completed tasks of a team or a project were rewarded with in a cycle."""

    cycle: int
    group: str
    tasks: int
    coins: int

    @property
    def each(self) -> Decimal:
        """Coins a task, half to even on two decimals."""
        return _two_decimals(Fraction(self.coins, self.tasks))


@dataclass(frozen=True, slots=True)
class Bin:
    """How many agents earned from `start` up to `end`, both included."""

    start: int
    end: int
    agents: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a cycle's earnings are spread over those who earned in it."""

    agents: int
    total: int
    mean: Decimal
    # (percent, coins): so many percent earned no more than that
    quantiles: tuple[tuple[int, Decimal], ...]
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Outlier:
    """An agent whose earnings in a cycle are far from what is usual, and why that is said."""

    agent: UUID
    name: str
    project: str
    team: str
    total: int
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next cycle will cost. `error` is the mean absolute error of the same method's
    forecasts of the cycles there were, each made from those before it."""

    cycle: int
    method: str
    amount: int
    error: int
    # (cycle, forecast, actual)
    tried: tuple[tuple[int, int, int], ...]

    @property
    def low(self) -> int:
        return max(0, self.amount - self.error)

    @property
    def high(self) -> int:
        return self.amount + self.error


def latest_cycles(count: int) -> list[PayCycle]:
    """The newest cycles there are, oldest first."""
    return list(PayCycle.objects.newest_first()[:count])[::-1]


def spend_by_team(cycles: Sequence[int]) -> list[Spend]:
    """What each team earned in each cycle, by cycle and team."""
    found = (
        _standings(cycles)
        .values("period", "agent__team")
        .annotate(
            of_earned=Sum("earned"),
            of_bonus=Sum("bonus"),
            of_salary=Sum("salary"),
            of_total=Sum("total"),
            agents=Count("pk"),
        )
    )
    spent = [
        Spend(
            cycle=_number(row["period"]),
            team=row["agent__team"] or "",
            earned=row["of_earned"],
            bonus=row["of_bonus"],
            salary=row["of_salary"],
            total=row["of_total"],
            agents=row["agents"],
        )
        for row in found
    ]
    return sorted(spent, key=lambda spend: (spend.cycle, spend.team))


def spend_by_cycle(cycles: Sequence[int]) -> dict[int, int]:
    """What was earned in each cycle; 0 where nothing was."""
    spent = dict.fromkeys(cycles, 0)
    found = _standings(cycles).values_list("period").annotate(of_total=Sum("total"))
    for period, total in found:
        spent[_number(period)] = total
    return spent


def task_costs(cycles: Sequence[int], by: Literal["team", "project"] = "team") -> list[TaskCost]:
    """What completed tasks were rewarded with, by cycle and the team or project of who did them.
    A reward that was reversed is none: its completion did not stand."""
    reversal = RodCoinsTransaction.objects.filter(reverses=OuterRef("pk"))
    found = (
        RodCoinsTransaction.objects.filter(source_kind="task", cycle__in=list(cycles))
        .filter(~Exists(reversal))
        .values("cycle", f"agent__{by}")
        .annotate(tasks=Count("pk"), coins=Sum("amount"))
        .order_by()
    )
    costs = [
        TaskCost(row["cycle"], row[f"agent__{by}"] or "", row["tasks"], row["coins"])
        for row in found
    ]
    return sorted(costs, key=lambda cost: (cost.cycle, cost.group))


def distribution(cycle: int) -> Distribution | None:
    """How the cycle's earnings are spread; None if nobody earned in it."""
    return spread(list(_standings([cycle]).values_list("total", flat=True)))


def outliers(cycle: int) -> list[Outlier]:
    """Whoever earned so much or so little in the cycle that a person should look, furthest
    first."""
    rows = list(
        _standings([cycle]).values_list(
            "agent_id", "agent__name", "agent__project", "agent__team", "total"
        )
    )
    totals = [row[4] for row in rows]
    found = []
    for row, score in zip(rows, robust_scores(totals), strict=True):
        if abs(score) > OUTLIER:
            agent, name, project, team, total = row
            reason = _reason(total, totals, score)
            found.append(Outlier(agent, name, project, team or "", total, score, reason))
    return sorted(found, key=lambda one: (-abs(one.score), one.project, one.name))


def forecast() -> Forecast | None:
    """What the next cycle will cost, from those that were paid; None while they are too few."""
    paid = PayCycle.objects.filter(state__in=PAID_STATES).newest_first()
    numbers = list(paid.values_list("number", flat=True)[:FORECAST_FROM])[::-1]
    if len(numbers) < ENOUGH_CYCLES:
        return None
    spent = spend_by_cycle(numbers)
    return predict([(number, spent[number]) for number in numbers])


# --- arithmetic, without the database ------------------------------------------------------------


def spread(totals: Sequence[int]) -> Distribution | None:
    if not totals:
        return None
    ordered = sorted(totals)
    return Distribution(
        agents=len(ordered),
        total=sum(ordered),
        mean=_two_decimals(Fraction(sum(ordered), len(ordered))),
        quantiles=tuple((share, _two_decimals(quantile(ordered, share))) for share in QUANTILES),
        bins=histogram(ordered),
    )


def quantile(ordered: Sequence[int], share: int) -> Fraction:
    """The value up to which that share (percent) of a sorted sequence reaches, interpolated as by
    `statistics.quantiles(method="inclusive")`, but exact."""
    position = Fraction(share * (len(ordered) - 1), 100)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def histogram(ordered: Sequence[int], bins: int = BINS) -> tuple[Bin, ...]:
    """Of a sorted sequence, in at most so many bins of one width, a round number of coins."""
    low, high = ordered[0], ordered[-1]
    width = _round_width(high - low + 1, bins)
    start = low // width * width
    if (high - start) // width >= bins:
        width = _round_width(high - start + 1, bins)
        start = low // width * width
    counts = [0] * ((high - start) // width + 1)
    for value in ordered:
        counts[(value - start) // width] += 1
    return tuple(
        Bin(start + width * place, start + width * (place + 1) - 1, count)
        for place, count in enumerate(counts)
    )


def robust_scores(values: Sequence[int]) -> list[float]:
    """How far each value is from the median, in scaled median absolute deviations. Where more than
    half are the same that deviation is 0 and the mean absolute one is taken; where all are the
    same, nothing is far."""
    if not values:
        return []
    middle = _median([Fraction(value) for value in values])
    distances = [abs(value - middle) for value in values]
    unit = _median(distances) / _MAD_SCALE
    if unit == 0:
        unit = sum(distances, Fraction(0)) / len(distances) * _MEAN_DEVIATION_SCALE
    return [float((value - middle) / unit) if unit else 0.0 for value in values]


def predict(spent: Sequence[tuple[int, int]]) -> Forecast | None:
    """The forecast for the cycle after the last one, by the method that would have been least
    wrong on average until now; of equals the simplest."""
    if len(spent) < ENOUGH_CYCLES:
        return None
    amounts = [Fraction(amount) for _, amount in spent]
    best: tuple[Fraction, str] | None = None
    for name, method in _METHODS.items():
        guesses = [method(amounts[:end]) for end in range(_FIRST_TRY, len(amounts))]
        misses = [
            abs(guess - actual) for guess, actual in zip(guesses, amounts[_FIRST_TRY:], strict=True)
        ]
        error = sum(misses, Fraction(0)) / len(misses)
        if best is None or error < best[0]:
            best = (error, name)
    assert best is not None
    error, name = best
    method = _METHODS[name]
    tried = tuple(
        (spent[end][0], _coins(method(amounts[:end])), spent[end][1])
        for end in range(_FIRST_TRY, len(amounts))
    )
    return Forecast(
        cycle=spent[-1][0] + 1,
        method=name,
        amount=_coins(method(amounts)),
        error=round(error),
        tried=tried,
    )


def _as_last(amounts: Sequence[Fraction]) -> Fraction:
    return amounts[-1]


def _smoothed(amounts: Sequence[Fraction]) -> Fraction:
    level = amounts[0]
    for amount in amounts[1:]:
        level += _SMOOTHING * (amount - level)
    return level


def _drifting(amounts: Sequence[Fraction]) -> Fraction:
    return amounts[-1] + (amounts[-1] - amounts[0]) / (len(amounts) - 1)


# a drift needs two cycles before the one it is tried on
_FIRST_TRY = 2
_METHODS: Mapping[str, Callable[[Sequence[Fraction]], Fraction]] = {
    "as the last cycle": _as_last,
    "exponential smoothing": _smoothed,
    "drift": _drifting,
}


def _reason(total: int, totals: Sequence[int], score: float) -> str:
    """The score in words."""
    middle = _median([Fraction(value) for value in totals])
    direction = "above" if score > 0 else "below"
    spread_of = _median([abs(value - middle) for value in totals])
    usual = f"half of all are within {_shown(spread_of)} of it"
    if spread_of == 0:
        usual = "more than half of all earned exactly that"
    return (
        f"{total:,} is {_shown(abs(total - middle))} {direction} the median of {_shown(middle)}; "
        f"{usual}."
    )


def _standings(cycles: Iterable[int]) -> QuerySet[Standing]:
    return Standing.objects.filter(period__in=[cycle_period(cycle) for cycle in cycles]).order_by()


def _number(period: str) -> int:
    return int(period.removeprefix("cycle/"))


def _median(values: Iterable[Fraction]) -> Fraction:
    """The middle one, or the mean of the two."""
    return Fraction(statistics.median(values))


def _round_width(span: int, bins: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, ... that many of which cover the span."""
    width = 1
    while True:
        for step in (1, 2, 5):
            if width * step * bins >= span:
                return width * step
        width *= 10


def _two_decimals(value: Fraction) -> Decimal:
    return Decimal(round(value * 100)).scaleb(-2)


def _coins(value: Fraction) -> int:
    """Whole coins, half to even; nobody spends less than nothing."""
    return max(0, round(value))


def _shown(value: Fraction) -> str:
    return f"{value.numerator:,}" if value.denominator == 1 else f"{float(value):,.1f}"
