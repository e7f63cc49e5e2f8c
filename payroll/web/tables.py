from collections.abc import Callable
from typing import Any, NamedTuple

import django_tables2 as tables
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.models import Agent
from payroll.leaderboard import Board
from payroll.models import RodCoinsTransaction
from rodcorp.kit.templatetags.console import badge, coins, signed_coins
from rodcorp.kit.web.tables import BadgeColumn, BaseTable, CoinsColumn, MomentColumn, NumberColumn

_SLIM = {"td": {"class": "rc-number rc-slim"}, "th": {"class": "rc-number rc-slim"}}
_PARTS = ("earned", "bonus", "salary")


class EarnedColumn(CoinsColumn):
    """All that somebody earned, with a bar as long as the share of the first one's, made of what
    it was earned by."""

    def render(  # type: ignore[override]
        self, value: int, record: Any, table: Any
    ) -> SafeString:
        return format_html(
            "<span>{}</span>{}", coins(value), parts_bar(record, table.best, "rc-thin")
        )


class LeaderboardTable(BaseTable):
    """The place is the one in the whole company, whatever the filter leaves of it."""

    tie_break = ("project", "name")

    place = NumberColumn(
        empty_values=(), order_by=("-coins", "project", "name"), attrs=_SLIM, verbose_name="Place"
    )
    place_before = tables.Column(
        empty_values=(), verbose_name="Moved", attrs={"td": {"class": "rc-moved"}}
    )
    name = tables.Column(linkify=("agent", {"pk": tables.A("pk")}), verbose_name="Agent")
    earned = CoinsColumn(verbose_name="Earned")
    bonus = CoinsColumn(verbose_name="Bonus")
    salary = CoinsColumn(verbose_name="Salary")
    coins = EarnedColumn(verbose_name="RodCoins")
    performance_rating = NumberColumn(verbose_name="Rating")

    class Meta(BaseTable.Meta):
        model = Agent
        fields = (
            "place",
            "place_before",
            "name",
            "project",
            "team",
            "ai_model",
            "performance_rating",
            *_PARTS,
            "coins",
        )
        order_by = "place"
        empty_text = "Nobody here has earned a coin in this time."
        attrs = {"class": "rc-table rc-dense"}

    def __init__(self, data: Any, *, board: Board | None = None, **kwargs: Any) -> None:
        self.board = board
        if board is None or not board.knows_places_before:
            kwargs["exclude"] = (*kwargs.get("exclude", ()), "place_before")
        super().__init__(data, **kwargs)

    @cached_property
    def places(self) -> dict[int, int]:
        """By what was earned, of the rows that are shown."""
        assert self.board is not None
        return self.board.places({row.record.coins for row in self.paginated_rows})

    @cached_property
    def best(self) -> int:
        assert self.board is not None
        return self.board.best()

    def value_place(self, record: Any) -> int:
        return self.places[record.coins]

    def render_place(self, record: Any) -> int:
        return self.value_place(record)

    def value_place_before(self, record: Any) -> str:
        return Movement(self.value_place(record), record.place_before).words

    def render_place_before(self, record: Any) -> SafeString:
        return Movement(self.value_place(record), record.place_before).picture


class GroupTable(BaseTable):
    """Teams, projects or models: what their agents earned together."""

    place = NumberColumn(attrs=_SLIM, verbose_name="Place")
    name = tables.Column(empty_values=())
    agents = NumberColumn(verbose_name="Agents")
    earned = CoinsColumn(verbose_name="Earned")
    bonus = CoinsColumn(verbose_name="Bonus")
    salary = CoinsColumn(verbose_name="Salary")
    coins = EarnedColumn(verbose_name="RodCoins")

    class Meta(BaseTable.Meta):
        order_by = "place"
        empty_text = LeaderboardTable.Meta.empty_text
        attrs = LeaderboardTable.Meta.attrs

    def __init__(self, data: Any, *, by: str, link: Callable[[str], str], **kwargs: Any) -> None:
        self.link = link
        super().__init__(data, **kwargs)
        self.best = max((group.coins for group in data), default=0)
        self.columns["name"].column.verbose_name = by.capitalize()

    def value_name(self, value: str) -> str:
        return value

    def render_name(self, value: str) -> SafeString | str:
        return format_html('<a href="{}">{}</a>', self.link(value), value) if value else "none"


class Movement(NamedTuple):
    """From which place to which."""

    place: int
    before: int | None

    @property
    def words(self) -> str:
        if self.before is None:
            return "new"
        if self.before == self.place:
            return "same"
        return f"{'up' if self.place < self.before else 'down'} {abs(self.before - self.place)}"

    @property
    def picture(self) -> SafeString:
        way, _, by = self.words.partition(" ")
        told = f"place {self.before} at the end of the day before" if self.before else ""
        sign = {"up": "▲", "down": "▼"}.get(way)
        if sign is None:
            return format_html('<span class="rc-move-{}" title="{}">{}</span>', way, told, way)
        return format_html(
            '<span class="rc-move-{}" title="{}"><span aria-hidden="true">{}</span>'
            '<span class="rc-unseen">{}</span> {}</span>',
            way,
            told,
            sign,
            way,
            by,
        )


def parts_bar(group: Any, whole: int, look: str = "") -> SafeString:
    """A picture of the parts of what somebody earned; the numbers always stand beside it."""
    # a part less than nothing, of what was earned before and reversed since, has no length
    shares = [(part, max(0, getattr(group, part))) for part in _PARTS]
    scale = max(whole, sum(share for _, share in shares), 1)
    return format_html(
        '<span class="rc-bar rc-parts {}" aria-hidden="true">{}</span>',
        look,
        format_html_join(
            "",
            '<span class="rc-part-{}" style="width: {}%"></span>',
            ((part, round(100 * share / scale, 1)) for part, share in shares if share),
        ),
    )


class LedgerTable(BaseTable):
    # what caused a row tells it apart from every other
    tie_break = ("-created_at", "source_kind", "source_key")

    created_at = MomentColumn(linkify=("transaction", {"pk": tables.A("pk")}), verbose_name="Time")
    agent = tables.Column(
        linkify=("agent", {"pk": tables.A("agent_id")}), order_by=("agent__name", "agent__project")
    )
    transaction_type = BadgeColumn(verbose_name="Type")
    signed = CoinsColumn(verbose_name="Amount")
    description = tables.Column(attrs={"td": {"class": "rc-wide rc-clip"}})
    source_kind = tables.Column(verbose_name="Cause")
    is_reversed = tables.Column(verbose_name="Reversed")

    class Meta(BaseTable.Meta):
        model = RodCoinsTransaction
        fields = (
            "created_at",
            "agent",
            "transaction_type",
            "signed",
            "description",
            "source_kind",
            "is_reversed",
        )
        order_by = "-created_at"
        empty_text = "No row of the ledger fits."

    def value_transaction_type(self, record: RodCoinsTransaction) -> str:
        return str(record.transaction_type)

    def value_signed(self, value: int) -> int:
        return value

    def render_signed(self, value: int, record: Any) -> str:
        return signed_coins(value) if record.agent_id else coins(value)

    def render_is_reversed(self, value: object) -> str:
        return badge("reversed") if value else "–"

    def value_is_reversed(self, value: object) -> str:
        return "yes" if value else "no"
