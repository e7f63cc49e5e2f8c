import csv
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.models import Discussion
from agents.services.discussions import NewMessage, acknowledge, post_message, post_messages
from agents.web.tables import ThreadTable
from tests.agents.pages import NASTY, queries_of

pytestmark = pytest.mark.django_db

LIST = "/discussions/"


@pytest.fixture
def many(system, ada):
    """So many threads of two messages each, in one go, some alike but for the topic."""

    def many(count):
        root_of = [
            post_message(
                actor=system,
                agent=ada,
                topic=f"topic {number:03}",
                message="The line has 12 lamps.",
                project=("apollo", "hermes")[number % 2],
                priority=("low", "high")[number % 2],
            )
            for number in range(count)
        ]
        answers = [
            NewMessage(
                root.topic, "Seen.", ada, root.project, None, root.priority, None, root.pk, root.pk
            )
            for root in root_of
        ]
        # of the same author and instant
        post_messages(actor=system, messages=answers + answers)

    return many


def threads_of(response):
    return [row.record.topic for row in response.context["table"].page.object_list]


def row_of(response):
    (row,) = response.context["table"].page.object_list
    return row.record


def test_it_takes_as_many_queries_however_many_threads_there_are(browser, many):
    client = browser()
    many(3)
    few = queries_of(client, LIST)
    many(60)
    # who asks, the page, and the projects the filter suggests
    assert queries_of(client, LIST) == few == (3, 1)


def test_a_thread_is_one_row_with_its_figures(browser, start, answer, make_agent, system):
    root = start(priority="high")
    answer(root, "This is a terrible, broken mess.", agent=make_agent("Eve"), priority="urgent")
    acknowledge(actor=system, message=root)
    row = row_of(browser("viewer").get(LIST))
    assert (row.thread_id, row.topic, row.project) == (root.pk, "builds", "apollo")
    assert (row.thread.participant, row.participant) == ("Ada", "Eve")
    assert (row.message_count, row.open_count) == (2, 1)
    assert (row.sentiment, row.get_priority_display()) == ("negative", "urgent")


def test_messages_of_one_instant_are_one_row(browser, many):
    many(4)
    response = browser().get(LIST)
    assert sorted(threads_of(response)) == [f"topic {number:03}" for number in range(4)]
    assert {row.record.message_count for row in response.context["table"].page} == {3}


def test_a_thread_with_nothing_open_counts_none(browser, start, system):
    acknowledge(actor=system, message=start())
    assert row_of(browser().get(LIST)).open_count == 0


def test_the_latest_activity_is_first(browser, start, answer):
    old = start("old")
    start("new")
    client = browser("viewer")
    assert threads_of(client.get(LIST)) == ["new", "old"]
    answer(old)
    assert threads_of(client.get(LIST)) == ["old", "new"]


@pytest.mark.parametrize("column", ThreadTable.base_columns)
@pytest.mark.parametrize("sign", ["", "-"])
def test_every_column_sorts_and_paging_repeats_nothing(browser, many, column, sign):
    many(60)
    client = browser("viewer")
    shown = []
    for page in (1, 2):
        response = client.get(LIST, {"sort": f"{sign}{column}", "page": page})
        shown += threads_of(response)
    assert sorted(shown) == [f"topic {number:03}" for number in range(60)]


def test_a_column_sorts_both_ways(browser, start, answer):
    start("quiet")
    answer(start("busy"))
    client = browser("viewer")
    assert threads_of(client.get(LIST, {"sort": "message_count"})) == ["quiet", "busy"]
    assert threads_of(client.get(LIST, {"sort": "-message_count"})) == ["busy", "quiet"]


@pytest.mark.parametrize(
    ("query", "topics"),
    [
        ({"topic": "BUILD"}, ["builds"]),
        ({"topic": "100%"}, []),
        ({"project": "Hermes"}, ["release"]),
        ({"participant": "ev"}, ["builds"]),
        ({"participant": "ada"}, ["release", "builds"]),
        ({"priority": "40"}, ["release"]),
        ({"priority": "41"}, []),
        ({"sentiment": "Positive"}, ["release"]),
        ({"sentiment": "positive", "project": "apollo"}, []),
    ],
)
def test_it_is_filtered(browser, start, answer, make_agent, query, topics):
    answer(start("builds"), agent=make_agent("Eve"))
    start("release", "Great, lovely work!", project="hermes", priority="urgent")
    assert threads_of(browser("viewer").get(LIST, query)) == topics


def test_filters_survive_paging_and_sorting(browser, many):
    many(120)
    client = browser()
    response = client.get(LIST, {"project": "apollo", "sort": "-topic"})
    links = re.findall(r'href="(\?[^"]+)"', response.text)
    assert all("project=apollo" in link for link in links)
    (following,) = [link for link in links if "page=2" in link]
    assert "sort=-topic" in following
    second = client.get(LIST + following.replace("&amp;", "&"))
    assert threads_of(second) == [f"topic {number:03}" for number in range(18, -1, -2)]


def test_a_csv_has_what_is_shown_on_all_pages(browser, many):
    many(120)
    response = browser("viewer").get(f"{LIST}?project=apollo&sort=-topic&page=2&export=csv")
    rows = list(csv.DictReader(response.getvalue().decode("utf-8-sig").splitlines()))
    assert [row["Topic"] for row in rows] == [f"topic {number:03}" for number in range(118, -1, -2)]
    assert (rows[0]["Started by"], rows[0]["Project"], rows[0]["Messages"]) == (
        "Ada",
        "apollo",
        "3",
    )
    assert (rows[0]["Priority"], rows[0]["Unacknowledged"]) == ("low", "3")


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_a_topic_is_text(browser, start, text):
    topic = " ".join(text.split())[:200]
    start(topic)
    page = browser().get(LIST).text
    assert "<script>alert" not in page
    assert "<b>c" not in page


def test_the_last_message_decides_where_its_thread_stands(start, answer):
    """However far back the other messages are."""
    root = start("old")
    Discussion.objects.filter(pk=root.pk).update(posted_at=timezone.now() - timedelta(days=400))
    last = answer(root)
    start("new", "x")
    Discussion.objects.filter(topic="new").update(posted_at=timezone.now() - timedelta(days=1))
    assert [row.topic for row in Discussion.objects.threads()] == ["old", "new"]
    assert Discussion.objects.threads()[0] == last
