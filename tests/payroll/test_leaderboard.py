"""The leaderboard: the page, the export, the command."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from payroll.derived import standings
from payroll.leaderboard import Board, Period
from payroll.models import PayCycle, Standing
from payroll.services.ledger import award_rodcoins, reverse_transaction
from payroll.services.standings import roll_standings
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import InvalidInput
from tests.pages import csv_of, orders, queries, records

pytestmark = pytest.mark.django_db

# in the company's database and in this host's file: who asks, and the session
QUERIES = {
    "/leaderboard/": (12, 1),
    "/leaderboard/?period=30d": (12, 1),
    "/leaderboard/?by=team": (9, 1),
}

COLUMNS = {
    "place": lambda row, table: table.value_place(row),
    "place_before": lambda row, table: row.place_before,
    "name": lambda row, table: row.name.lower(),
    "project": lambda row, table: row.project.lower(),
    "team": lambda row, table: row.team or "",
    "ai_model": lambda row, table: row.ai_model or "",
    "performance_rating": lambda row, table: row.performance_rating,
    "earned": lambda row, table: row.earned,
    "bonus": lambda row, table: row.bonus,
    "salary": lambda row, table: row.salary,
    "coins": lambda row, table: row.coins,
}


@pytest.fixture
def pay(system):
    """Pay an agent, that many days ago."""

    def pay(agent, amount, kind="earned", days=0):
        now = datetime.now(UTC) - timedelta(days=days)
        return run_in_unit(
            lambda unit: award_rodcoins(
                actor=system, agent=agent, amount=amount, description="x", transaction_type=kind
            ),
            actor=system,
            operation="test",
            now=now,
        )

    return pay


@pytest.fixture
def roll(system):
    def roll(days=0):
        return roll_standings(actor=system, day=standings.today() + timedelta(days=days))

    return roll


@pytest.fixture
def tomorrow(monkeypatch):
    """It is the day after, from now on."""

    def come(days=1):
        day = standings.today() + timedelta(days=days)
        monkeypatch.setattr(standings, "today", lambda: day)
        return day

    return come


@pytest.fixture
def fill(make_agent, pay):
    """`fill(n)` makes n agents who earned something, some of them the same."""

    def fill(count):
        for number in range(count):
            agent = make_agent(
                f"agent-{uuid4()}",
                project=f"project-{number % 3}",
                team=("Core", "Data", None)[number % 3],
                ai_model=("claude", "codex", "qwen", "gemini")[number % 4],
            )
            pay(agent, 10 + number % 5)
            pay(agent, 1 + number % 3, "bonus")

    return fill


@pytest.fixture
def team(make_agent, pay):
    """Grace 90, Ada 50, Linus 10 earned as a bonus."""
    people = {}
    for name, amount, team, model, kind in (
        ("Ada", 50, "Core", "claude", "earned"),
        ("Grace", 90, "Data", "claude", "earned"),
        ("Linus", 10, "Data", "codex", "bonus"),
    ):
        people[name] = make_agent(name, project="apollo", team=team, ai_model=model)
        pay(people[name], amount, kind)
    return people


def board(client, query=""):
    return csv_of(client, f"/leaderboard/?export=csv&{query}")


def names(rows):
    return [(row["Place"], row["Agent"]) for row in rows]


@pytest.mark.parametrize("url", QUERIES)
def test_it_takes_as_many_queries_however_long_it_is(browser, fill, roll, url):
    roll()
    client = browser("viewer")
    fill(3)
    few = queries(client, url)
    fill(57)
    assert queries(client, url) == few == QUERIES[url]


def test_no_order_compares_uuids(browser, fill, roll):
    fill(2)
    roll()
    client = browser("viewer")
    for column in client.get("/leaderboard/").context["table"].columns:
        sorted_by = orders(client, f"/leaderboard/?sort={column.name}")
        assert not any("UUID" in order for order in sorted_by), column.name


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("direction", ["", "-"])
def test_every_column_sorts(browser, fill, roll, tomorrow, column, direction):
    fill(9)
    tomorrow()
    roll()
    response = browser("viewer").get(f"/leaderboard/?sort={direction}{column}")
    table = response.context["table"]
    assert {shown.name for shown in table.columns} == set(COLUMNS)
    values = [COLUMNS[column](row, table) for row in records(response)]
    assert len(values) == 9
    assert values == sorted(values, reverse=bool(direction))


@pytest.mark.parametrize(
    "column", ["place", "name", "agents", "earned", "bonus", "salary", "coins"]
)
@pytest.mark.parametrize("direction", ["", "-"])
def test_every_column_of_groups_sorts(browser, fill, column, direction):
    fill(9)
    response = browser("viewer").get(f"/leaderboard/?by=project&sort={direction}{column}")
    values = [getattr(group, column) for group in records(response)]
    assert len(values) == 3
    assert values == sorted(values, reverse=bool(direction))


class TestPlaces:
    def test_equals_share_a_place_and_are_listed_by_project_and_name(
        self, browser, make_agent, pay
    ):
        for name, project, amount in [
            ("Ken", "b", 5),
            ("Ada", "b", 5),
            ("Zoe", "a", 5),
            ("Ida", "c", 9),
            ("Bob", "a", 1),
        ]:
            pay(make_agent(name, project=project), amount)
        make_agent("Nobody")
        expected = [("1", "Ida"), ("2", "Zoe"), ("2", "Ada"), ("2", "Ken"), ("5", "Bob")]
        client = browser("viewer")
        for period in ("", "period=30d", "period=7d", "period=cycle/1"):
            assert names(board(client, period)) == expected, period

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("project=apollo", [("1", "Grace"), ("2", "Ada"), ("3", "Linus")]),
            ("team=Data", [("1", "Grace"), ("3", "Linus")]),
            ("ai_model=codex", [("3", "Linus")]),
            ("team=Data&ai_model=codex&sort=-place", [("3", "Linus")]),
            ("period=7d&team=Data&sort=name", [("1", "Grace"), ("3", "Linus")]),
        ],
    )
    def test_a_filter_keeps_everybodys_place(self, browser, team, query, expected):
        assert names(board(browser("viewer"), query)) == expected

    def test_the_second_page_goes_on_counting(self, browser, make_agent, pay):
        for number in range(52):
            pay(make_agent(f"agent-{number:02}"), 100 - number)
        response = browser("viewer").get("/leaderboard/?page=2")
        table = response.context["table"]
        assert [table.value_place(row) for row in records(response)] == [51, 52]

    def test_who_has_lost_all_of_it_is_not_listed(self, browser, team, system):
        paid = team["Ada"].transactions.get()
        reverse_transaction(actor=system, transaction=paid, reason="x")
        assert names(board(browser("viewer"))) == [("1", "Grace"), ("2", "Linus")]


class TestPeriods:
    @pytest.fixture
    def earlier(self, team, pay):
        """Ada earned more before, Linus long ago."""
        pay(team["Ada"], 500, days=20)
        pay(team["Linus"], 5000, days=100)

    @pytest.mark.parametrize("is_rolled", [False, True])
    def test_each_counts_its_days_whether_they_were_moved_on_or_not(
        self, browser, earlier, roll, is_rolled
    ):
        if is_rolled:
            roll()
        client = browser("viewer")
        found = {
            period: [(row["Agent"], row["RodCoins"]) for row in board(client, f"period={period}")]
            for period in ("", "30d", "7d")
        }
        assert found == {
            "": [("Linus", "5010"), ("Ada", "550"), ("Grace", "90")],
            "30d": [("Ada", "550"), ("Grace", "90"), ("Linus", "10")],
            "7d": [("Grace", "90"), ("Ada", "50"), ("Linus", "10")],
        }

    @pytest.mark.parametrize("is_rolled", [False, True])
    def test_a_day_falls_out_at_midnight(self, browser, team, tomorrow, roll, is_rolled):
        roll()
        client = browser("viewer")
        for day in range(1, 8):
            tomorrow()
            if is_rolled:
                roll()
            assert len(board(client, "period=7d")) == (3 if day < 7 else 0), day
        assert len(board(client, "period=30d")) == 3

    def test_a_cycle_counts_what_was_booked_in_it(self, browser, team, pay):
        now = datetime.now(UTC)
        for number in (1, 2):
            PayCycle.objects.create(
                number=number,
                starts_at=now,
                ends_at=now + timedelta(days=1),
                state=("closed", "draft")[number - 1],
            )
        pay(team["Ada"], 7)
        client = browser("viewer")
        assert names(board(client, "period=cycle/2")) == [("1", "Ada")]
        assert len(board(client, "period=cycle/1")) == 3
        page = client.get("/leaderboard/?period=cycle/1").text
        assert "in cycle 1" in page
        assert "cycle 2, the current one" in page
        # its places do not move any more
        assert "Moved" not in page

    @pytest.mark.parametrize("query", ["period=9d", "period=cycle/7", "by=shoes", "team=Nobodys"])
    def test_what_there_is_not_lists_nobody_and_says_so(self, browser, team, query):
        page = browser("viewer").get(f"/leaderboard/?{query}")
        assert len(records(page)) == 0
        assert "Select a valid choice" in page.text

    @pytest.mark.parametrize(
        "value", ["", "31d", "cycle/", "cycle/x", "cycle/-1", "cycle/²", 7, None]
    )
    def test_a_period_that_cannot_be_read_is_refused_by_name(self, value):
        with pytest.raises(InvalidInput, match="period must be all, 30d, 7d, cycle") as refusal:
            Period.parse(value)
        assert refusal.value.field == "period"


class TestMovement:
    def test_it_says_who_rose_who_fell_and_who_is_new(
        self, browser, team, make_agent, pay, tomorrow, roll
    ):
        roll()
        tomorrow()
        roll()
        pay(team["Ada"], 60)
        pay(make_agent("Zoe"), 1)
        client = browser("viewer")
        for period in ("", "period=30d", "period=7d", "period=cycle/1"):
            found = [(row["Agent"], row["Moved"]) for row in board(client, period)]
            assert found == [
                ("Ada", "up 1"),
                ("Grace", "down 1"),
                ("Linus", "same"),
                ("Zoe", "new"),
            ]

    def test_what_was_earned_before_it_is_noted_does_not_count_as_the_day_before(
        self, browser, team, make_agent, pay, tomorrow, roll, system
    ):
        """The first run of a day is minutes late, or hours."""
        roll()
        day = tomorrow()
        noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
        run_in_unit(
            lambda unit: award_rodcoins(
                actor=system, agent=team["Linus"], amount=900, description="x"
            ),
            actor=system,
            operation="test",
            now=noon,
        )
        roll()
        client = browser("viewer")
        for period in ("", "period=30d", "period=7d", "period=cycle/1"):
            found = {row["Agent"]: row["Moved"] for row in board(client, period)}
            assert found == {"Linus": "up 2", "Grace": "down 1", "Ada": "down 1"}, period

    def test_it_is_left_out_while_nobody_has_noted_places(self, browser, team, tomorrow, roll):
        client = browser("viewer")
        assert "Moved" not in client.get("/leaderboard/").text
        roll()
        assert "Moved" in client.get("/leaderboard/").text
        tomorrow(2)
        assert "Moved" not in client.get("/leaderboard/").text

    def test_it_is_told_in_words_beside_the_sign(self, browser, team, pay, tomorrow, roll):
        roll()
        tomorrow()
        roll()
        pay(team["Ada"], 60)
        page = browser("viewer").get("/leaderboard/").text
        assert '<span aria-hidden="true">▲</span><span class="rc-unseen">up</span> 1' in page
        assert 'title="place 2 at the end of the day before"' in page


class TestGroups:
    @pytest.mark.parametrize("is_rolled", [False, True])
    @pytest.mark.parametrize("period", ["", "30d", "7d", "cycle/1"])
    def test_they_add_up_their_agents(self, browser, team, pay, roll, period, is_rolled):
        pay(team["Linus"], 400, days=200)
        pay(team["Ada"], 3, "bonus")
        if is_rolled:
            roll()
        rows = board(browser("viewer"), f"by=team&period={period}")
        long_ago = 400 if period in ("", "cycle/1") else 0
        assert [tuple(row.values()) for row in rows] == [
            ("1", "Data", "2", str(90 + long_ago), "10", "0", str(100 + long_ago)),
            ("2", "Core", "1", "50", "3", "0", "53"),
        ]

    def test_equals_share_a_place_and_are_listed_by_name(self, browser, make_agent, pay):
        for name, project in [("a", "zebra"), ("b", "apollo"), ("c", "mercury")]:
            pay(make_agent(name, project=project), 1 if project == "mercury" else 5)
        rows = board(browser("viewer"), "by=project")
        assert [(row["Place"], row["Project"]) for row in rows] == [
            ("1", "apollo"),
            ("1", "zebra"),
            ("3", "mercury"),
        ]

    def test_a_filter_leaves_only_its_agents_in_them(self, browser, team):
        rows = board(browser("viewer"), "by=model&team=Data")
        assert [(row["Model"], row["RodCoins"]) for row in rows] == [
            ("claude", "90"),
            ("codex", "10"),
        ]

    def test_one_leads_to_its_agents_in_the_same_period(self, browser, team):
        client = browser("viewer")
        page = client.get("/leaderboard/?by=model&period=30d&sort=-name").text
        (link,) = re.findall(r'href="(\?[^"]*ai_model=codex)"', page)
        rows = records(client.get("/leaderboard/" + link.replace("&amp;", "&")))
        assert [row.name for row in rows] == ["Linus"]

    def test_who_belongs_to_none_is_not_forgotten(self, browser, make_agent, pay):
        pay(make_agent("Ada"), 5)
        (row,) = board(browser("viewer"), "by=team")
        assert (row["Team"], row["RodCoins"]) == ("", "5")
        assert "none" in browser("admin").get("/leaderboard/?by=team").text


class TestWhatItIsEarnedBy:
    def test_the_export_is_of_numbers(self, browser, make_agent, pay):
        ada = make_agent("Ada", project="apollo", team="Core", ai_model="claude")
        pay(ada, 12345)
        pay(ada, 55, "bonus")
        pay(ada, 7, "adjustment")
        (row,) = board(browser("viewer"))
        assert row == {
            "Place": "1",
            "Agent": "Ada",
            "Project": "apollo",
            "Team": "Core",
            "AI model": "claude",
            "Rating": "0.00",
            "Earned": "12345",
            "Bonus": "55",
            "Salary": "0",
            "RodCoins": "12400",
        }

    def test_a_bar_is_as_long_as_the_share_of_the_first_and_made_of_its_parts(
        self, browser, make_agent, pay
    ):
        first = make_agent("First")
        pay(first, 30)
        pay(first, 10, "bonus")
        pay(make_agent("Half"), 20)
        page = browser("viewer").get("/leaderboard/").text
        bars = re.findall(r'rc-part-(\w+)" style="width: ([\d.]+)%', page)
        # all together first, which is a bar of its own
        assert bars[2:] == [("earned", "75.0"), ("bonus", "25.0"), ("earned", "50.0")]

    def test_all_together_are_summed_up_in_words(self, browser, team):
        page = browser("viewer").get("/leaderboard/?team=Data").text
        told = " ".join(re.sub(r"<[^>]+>", " ", page).split())
        assert "100 RodCoins of 2 agents in all time, as filtered" in told
        assert "earned 90 90.0 % bonus 10 10.0 % salary 0 0.0 %" in told

    def test_an_agent_of_another_program_breaks_nothing(self, browser, make_agent):
        ada = make_agent("Ada")
        Agent.objects.filter(pk=ada.pk).update(
            total_rodcoins_earned=7,
            performance_rating=None,
            status=None,
            last_seen=None,
            team=None,
            ai_model=None,
        )
        (row,) = board(browser())
        assert (row["Agent"], row["RodCoins"], row["Earned"]) == ("Ada", "7", "0")


class TestItsCost:
    """A page reads standings from their index, however long the ledger is."""

    @pytest.fixture
    def plans(self, make_agent, pay, roll):
        pay(make_agent("Ada"), 5)
        roll()

        def plans(period):
            alias = active_alias()
            found = Board.of(Period.parse(period)).agents()[:10]
            sql, parameters = found.query.get_compiler(alias).as_sql()
            with connections[alias].cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
                return [row[3] for row in cursor.fetchall()]

        return plans

    @pytest.mark.sqlite_only("plans as SQLite tells them")
    @pytest.mark.parametrize(
        ("period", "index"),
        [
            ("all", "Agents_Leaderboard"),
            ("30d", "Standings_Period_Total"),
            ("7d", "Standings_Period_Total"),
            ("cycle/1", "Standings_Period_Total"),
        ],
    )
    def test_the_first_places_come_from_an_index(self, plans, period, index):
        plan = plans(period)
        assert index in plan[0], plan
        # ties alone are sorted
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan, plan

    @pytest.mark.parametrize("query", ["", "?period=7d", "?by=team", "?period=cycle/1&sort=name"])
    def test_no_page_reads_the_ledger(self, browser, team, roll, query):
        roll()
        client = browser("viewer")
        with CaptureQueriesContext(connections[active_alias()]) as asked:
            assert client.get(f"/leaderboard/{query}").status_code == 200
        assert not [each["sql"] for each in asked if "RodCoinsTransactions" in each["sql"]]


class TestTheCommand:
    def run(self, *arguments):
        out = StringIO()
        call_command("leaderboard", *arguments, stdout=out)
        return out.getvalue()

    def as_json(self, *arguments):
        return json.loads(self.run("--json", *arguments))

    def test_it_ranks_by_what_was_earned_in_all(self, team):
        Standing.objects.all().delete()
        assert self.as_json() == [
            {"rank": 1, "agent": "Grace", "project": "apollo", "rodcoins": 90},
            {"rank": 2, "agent": "Ada", "project": "apollo", "rodcoins": 50},
            {"rank": 3, "agent": "Linus", "project": "apollo", "rodcoins": 10},
        ]

    def test_equals_have_the_same_rank(self, make_agent, pay):
        for name, amount in (("A", 5), ("B", 5), ("C", 1)):
            pay(make_agent(name), amount)
        assert [(row["rank"], row["agent"]) for row in self.as_json()] == [
            (1, "A"),
            (1, "B"),
            (3, "C"),
        ]

    @pytest.mark.parametrize("is_rolled", [False, True])
    def test_a_period_counts_its_days(self, team, pay, roll, is_rolled):
        pay(team["Linus"], 1000, days=10)
        if is_rolled:
            roll()
        assert [row["agent"] for row in self.as_json("--period", "7d")] == ["Grace", "Ada", "Linus"]
        assert self.as_json("--period", "30d", "--limit", "1")[0]["agent"] == "Linus"

    def test_cycle_is_the_current_one(self, team, pay):
        now = datetime.now(UTC)
        later = now + timedelta(days=1)
        PayCycle.objects.create(number=1, starts_at=now, ends_at=later, state="closed")
        pay(team["Ada"], 4)
        assert [row["rodcoins"] for row in self.as_json("--period", "cycle")] == [4]
        assert len(self.as_json("--period", "cycle/1")) == 3

    @pytest.mark.parametrize("by", ["team", "project", "model"])
    def test_it_puts_agents_together(self, team, by):
        first = self.as_json("--by", by)[0]
        assert (
            first
            == {
                "team": {"rank": 1, "team": "Data", "agents": 2, "rodcoins": 100},
                "project": {"rank": 1, "project": "apollo", "agents": 3, "rodcoins": 150},
                "model": {"rank": 1, "model": "claude", "agents": 2, "rodcoins": 140},
            }[by]
        )

    def test_people_get_a_table(self, team):
        shown = self.run("--by", "team", "--period", "30d")
        assert re.search(r"1 +│ Data +│ 2 +│ 100", shown)
        assert re.search(r"1 +│ Grace +│ apollo +│ Data +│ 90", self.run("--period", "7d"))

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--period", "week"), "period must be all, 30d, 7d"),
            (("--by", "shoe"), "by must be one of: team, project, model"),
            (("--limit", "0"), "limit must be a whole number from 1 to 1000"),
        ],
    )
    def test_what_it_does_not_know_is_refused_by_name(self, arguments, said):
        with pytest.raises(CommandError, match=said):
            self.run(*arguments)
