"""What a payroll officer asks, as tables with charts beside them, as CSV and as JSON."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from payroll import analytics
from payroll.models import PayCycle
from payroll.web.exports import csv_file, json_file
from rodcorp.kit.web.forms import dress
from rodcorp.kit.web.views import ContentPage

MOST_CYCLES = 24
CYCLES = 6


@dataclass(frozen=True)
class Report:
    """All answers, over some cycles and about one of them."""

    cycles: Sequence[PayCycle]
    about: PayCycle | None
    spent: dict[int, int]
    spend: Sequence[analytics.Spend]
    by_team: Sequence[analytics.TaskCost]
    by_project: Sequence[analytics.TaskCost]
    distribution: analytics.Distribution | None
    outliers: Sequence[analytics.Outlier]
    forecast: analytics.Forecast | None

    def csv_rows(self) -> Iterator[list[object]]:
        """Every number of the page, a row each."""
        yield ["Part", "Cycle", "Of", "What", "Value", "Note"]
        for number, total in self.spent.items():
            yield ["spend", number, "the company", "total", total, ""]
        for spend in self.spend:
            for what in ("earned", "bonus", "salary", "total", "agents"):
                team = spend.team or "no team"
                yield ["spend by team", spend.cycle, team, what, getattr(spend, what), ""]
        costs = (("tasks by team", self.by_team), ("tasks by project", self.by_project))
        for part, rows in costs:
            for cost in rows:
                group = cost.group or "no team"
                for what in ("tasks", "coins", "each"):
                    yield [part, cost.cycle, group, what, getattr(cost, what), ""]
        about = self.about.number if self.about else ""
        if spread := self.distribution:
            for what in ("agents", "total", "mean"):
                yield ["distribution", about, "the company", what, getattr(spread, what), ""]
            for share, coins in spread.quantiles:
                yield ["distribution", about, "the company", f"{share} % up to", coins, ""]
            for each in spread.bins:
                yield [
                    "histogram",
                    number,
                    f"{each.start} to {each.end}",
                    "agents",
                    each.agents,
                    "",
                ]
        for one in self.outliers:
            yield ["outlier", about, f"{one.name} · {one.project}", "total", one.total, one.reason]
            score = f"{one.score:.2f}"
            yield ["outlier", about, f"{one.name} · {one.project}", "score", score, ""]
        if ahead := self.forecast:
            for what in ("amount", "error", "low", "high"):
                value = getattr(ahead, what)
                yield ["forecast", ahead.cycle, "the company", what, value, ahead.method]
            for cycle, guess, actual in ahead.tried:
                yield ["forecast tried", cycle, "the company", "forecast", guess, ""]
                yield ["forecast tried", cycle, "the company", "actual", actual, ""]

    def as_json(self) -> dict[str, Any]:
        ahead = self.forecast
        spread = asdict(self.distribution) if self.distribution else None
        return {
            "cycles": [cycle.number for cycle in self.cycles],
            "cycle": self.about.number if self.about else None,
            "spend": [{"cycle": number, "total": total} for number, total in self.spent.items()],
            "spend_by_team": [asdict(spend) for spend in self.spend],
            "task_costs_by_team": [_cost(cost) for cost in self.by_team],
            "task_costs_by_project": [_cost(cost) for cost in self.by_project],
            "distribution": spread,
            "outliers": [asdict(one) for one in self.outliers],
            "forecast": asdict(ahead) | {"low": ahead.low, "high": ahead.high} if ahead else None,
        }


def report(*, cycles: int = CYCLES, about: int | None = None) -> Report:
    """Over the newest cycles; about the one of that number or, without one, the last that was
    paid."""
    latest = analytics.latest_cycles(cycles)
    numbers = [cycle.number for cycle in latest]
    paid = [cycle for cycle in latest if cycle.state in analytics.PAID_STATES]
    wanted = next((cycle for cycle in latest if cycle.number == about), None)
    chosen = wanted or next(iter((paid or latest)[::-1]), None)
    return Report(
        cycles=latest,
        about=chosen,
        spent=analytics.spend_by_cycle(numbers),
        spend=analytics.spend_by_team(numbers),
        by_team=analytics.task_costs(numbers, "team"),
        by_project=analytics.task_costs(numbers, "project"),
        distribution=analytics.distribution(chosen.number) if chosen else None,
        outliers=analytics.outliers(chosen.number) if chosen else [],
        forecast=analytics.forecast(),
    )


class AnalyticsForm(forms.Form):
    """What the page is about. What cannot be read is as if it were left out."""

    cycles = forms.TypedChoiceField(
        label="Over the last",
        coerce=int,
        required=False,
        empty_value=None,
        choices=[(count, f"{count} cycles") for count in (3, CYCLES, 12, MOST_CYCLES)],
    )
    cycle = forms.TypedChoiceField(
        label="Spread of", coerce=int, required=False, empty_value=None, choices=()
    )

    def __init__(self, query: QueryDict) -> None:
        super().__init__({"cycles": CYCLES, **query.dict()})
        known = [cycle.number for cycle in analytics.latest_cycles(MOST_CYCLES)[::-1]]
        latest = [("", "last paid"), *((number, f"cycle {number}") for number in known)]
        self.fields["cycle"].choices = latest  # type: ignore[attr-defined]
        dress(self)


@dataclass(frozen=True)
class Column:
    """One of a chart: how high it is, in percent of the highest, split by type."""

    label: str
    value: int
    # (what, share in percent of the chart's height)
    parts: tuple[tuple[str, float], ...]

    @property
    def stack(self) -> SafeString:
        piece = '<span class="rc-chart-{}" style="height: {}%"></span>'
        return format_html_join("", piece, self.parts)


class Analytics(ContentPage):
    title = "Payroll analytics"
    template_name = "payroll/analytics.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wanted = request.GET.get("export")
        if wanted == "json":
            return json_file("payroll-analytics", _report_of(AnalyticsForm(request.GET)).as_json())
        if wanted == "csv":
            return csv_file("payroll-analytics", _report_of(AnalyticsForm(request.GET)).csv_rows())
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = AnalyticsForm(self.request.GET)
        made = _report_of(form)
        return super().get_context_data(
            form=form,
            report=made,
            about=made.about,
            teams=_pivot(made),
            spent_in_all=sum(made.spent.values()),
            columns=_columns(made),
            paid_states=analytics.PAID_STATES,
            histogram=_histogram(made),
            enough=analytics.ENOUGH_CYCLES,
            threshold=analytics.OUTLIER,
            **kwargs,
        )


def _report_of(form: AnalyticsForm) -> Report:
    given = form.cleaned_data if form.is_valid() else {}
    return report(cycles=given.get("cycles") or CYCLES, about=given.get("cycle"))


def _pivot(made: Report) -> list[tuple[str, list[tuple[int, int]], int]]:
    """A row a team: its name, what it earned in each cycle, and in all."""
    spent: dict[str, dict[int, int]] = defaultdict(dict)
    for spend in made.spend:
        spent[spend.team][spend.cycle] = spend.total
    rows = []
    for team in sorted(spent):
        by_cycle = [(cycle.number, spent[team].get(cycle.number, 0)) for cycle in made.cycles]
        rows.append((team, by_cycle, sum(spent[team].values())))
    return rows


def _columns(made: Report) -> list[Column]:
    """What was earned in each cycle, by type; the forecast is a column of its own."""
    split: dict[int, dict[str, int]] = {cycle.number: defaultdict(int) for cycle in made.cycles}
    for spend in made.spend:
        for what in ("earned", "bonus", "salary"):
            split[spend.cycle][what] += getattr(spend, what)
    highest = max([0, *made.spent.values()])
    if made.forecast:
        highest = max(highest, made.forecast.amount)
    columns = [
        Column(
            str(number),
            made.spent[number],
            tuple((what, _share(amounts[what], highest)) for what in ("salary", "earned", "bonus")),
        )
        for number, amounts in split.items()
    ]
    if made.forecast:
        ahead = made.forecast
        parts = (("forecast", _share(ahead.amount, highest)),)
        place = next(
            (at for at, column in enumerate(columns) if column.label == str(ahead.cycle)),
            len(columns) - 1,
        )
        columns.insert(place + 1, Column(f"({ahead.cycle})", ahead.amount, parts))
    return columns


def _histogram(made: Report) -> list[tuple[analytics.Bin, float]]:
    if made.distribution is None:
        return []
    highest = max(each.agents for each in made.distribution.bins)
    return [(each, _share(each.agents, highest)) for each in made.distribution.bins]


def _share(value: int, of: int) -> float:
    """In percent, for a picture."""
    return round(100 * max(value, 0) / of, 2) if of else 0.0


def _cost(cost: analytics.TaskCost) -> dict[str, object]:
    each: Decimal = cost.each
    return {**asdict(cost), "each": each}
