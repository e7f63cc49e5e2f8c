import csv
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.services.registry import retire_agent
from agents.web.tables import AgentTable
from tests.agents.pages import queries_of

pytestmark = pytest.mark.django_db

LIST = "/agents/"


@pytest.fixture
def fleet(make_agent):
    """So many agents, some alike in everything that may be sorted by but the name."""

    def fleet(count):
        for number in range(count):
            make_agent(
                f"agent-{number:03}",
                project=("apollo", "hermes")[number % 2],
                team=("Core", "Web", None)[number % 3],
                ai_model=("claude", "codex")[number % 2],
                machine_hostname=f"host-{number % 4}",
            )

    return fleet


def rows_of(response):
    return [row.record.name for row in response.context["table"].page.object_list]


def csv_of(client, address):
    text = client.get(address).getvalue().decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def seen(agent, seconds_ago):
    Agent.objects.filter(pk=agent.pk).update(
        last_seen=timezone.now() - timedelta(seconds=seconds_ago)
    )


def test_it_takes_as_many_queries_however_many_agents_there_are(browser, fleet):
    client = browser()
    fleet(3)
    few = queries_of(client, LIST)
    fleet(60)
    # who asks, the page, and the values of three filters
    assert queries_of(client, LIST) == few == (5, 1)


@pytest.mark.parametrize("column", AgentTable.base_columns)
@pytest.mark.parametrize("sign", ["", "-"])
def test_every_column_sorts_and_paging_repeats_nobody(browser, fleet, column, sign):
    fleet(60)
    client = browser("viewer")
    shown = []
    for page in (1, 2):
        response = client.get(LIST, {"sort": f"{sign}{column}", "page": page})
        shown += rows_of(response)
    assert sorted(shown) == [f"agent-{number:03}" for number in range(60)]


def test_a_column_sorts_both_ways(browser, make_agent):
    for name, host in (("Ada", "b"), ("Eve", "c"), ("Kim", "a")):
        make_agent(name, machine_hostname=host)
    client = browser("viewer")
    assert rows_of(client.get(LIST, {"sort": "machine_hostname"})) == ["Kim", "Ada", "Eve"]
    assert rows_of(client.get(LIST, {"sort": "-machine_hostname"})) == ["Eve", "Ada", "Kim"]


def test_an_order_names_no_column_twice(browser, fleet):
    """SQL Server refuses that."""
    fleet(3)
    response = browser().get(f"{LIST}?sort=project&sort=-project&sort=name")
    assert response.context["table"].data.data.query.order_by == ("project", "name")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "AD"}, ["Ada"]),
        ({"project": "hermes"}, ["Eve"]),
        ({"team": "Core"}, ["Ada"]),
        ({"host": "forge-01"}, ["Eve"]),
        ({"ai_model": "codex"}, ["Eve"]),
        ({"status": "retired"}, ["Kim"]),
        ({"status": "active"}, ["Ada", "Eve"]),
        ({"liveness": "up"}, ["Ada"]),
        ({"liveness": "late"}, ["Eve"]),
        ({"liveness": "down"}, ["Kim"]),
        ({"project": "apollo", "liveness": "down"}, ["Kim"]),
        ({"project": "nowhere"}, []),
        ({"status": "asleep"}, []),
    ],
)
def test_it_is_filtered(browser, make_agent, system, query, names):
    seen(make_agent("Ada", project="apollo", team="Core"), 10)
    eve = make_agent("Eve", project="hermes", machine_hostname="forge-01", ai_model="codex")
    seen(eve, 300)
    kim = make_agent("Kim", project="apollo")
    seen(kim, 3600)
    retire_agent(actor=system, agent=kim)
    assert rows_of(browser("viewer").get(LIST, query)) == names


def test_an_empty_status_another_program_left_is_active(browser, make_agent):
    make_agent("Ada")
    Agent.objects.update(status=None)
    assert rows_of(browser().get(LIST, {"status": "active"})) == ["Ada"]


def test_a_filter_nothing_can_fit_says_why(browser, make_agent):
    make_agent("Ada")
    response = browser().get(LIST, {"status": "asleep"})
    assert "asleep is not one of the available choices" in response.text


def test_filters_survive_paging_and_sorting(browser, fleet):
    fleet(120)
    response = browser().get(LIST, {"project": "apollo", "sort": "-team"})
    links = re.findall(r'href="(\?[^"]+)"', response.text)
    paging = [link for link in links if "page=2" in link]
    sorting = [link for link in links if "sort=name" in link]
    assert paging
    assert sorting
    assert all("project=apollo" in link for link in links)
    assert "sort=-team" in paging[0]
    second = browser("viewer").get(LIST + paging[0].replace("&amp;", "&"))
    assert len(rows_of(second)) == 10
    assert {row.record.project for row in second.context["table"].page.object_list} == {"apollo"}


def test_a_csv_has_what_is_shown_on_all_pages(browser, fleet):
    fleet(120)
    rows = csv_of(browser("viewer"), f"{LIST}?project=apollo&sort=-name&page=2&export=csv")
    assert [row["Agent"] for row in rows] == [f"agent-{number:03}" for number in range(118, -1, -2)]
    assert rows[0]["Status"] == "active"
    assert rows[0]["Last seen"].startswith("20")
    assert rows[0]["Earned"] == "0"


def test_a_csv_holds_no_formula(browser, make_agent):
    make_agent("=HYPERLINK(1)")
    rows = csv_of(browser(), f"{LIST}?export=csv")
    assert [row["Agent"] for row in rows] == ["'=HYPERLINK(1)"]


def test_a_name_is_text(browser, make_agent):
    make_agent("<script>alert(1)</script>")
    text = browser().get(LIST).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=99", "page=x", "sort=x", "x=y"])
def test_a_strange_address_is_a_page_too(browser, fleet, query):
    fleet(3)
    assert len(rows_of(browser().get(f"{LIST}?{query}"))) == 3
