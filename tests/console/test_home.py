import pytest
from django.db import connections
from django.test import Client

from agents.services.discussions import post_message
from payroll.services.ledger import award_rodcoins
from rodcorp.databases.sides import active_alias
from tasks.services.creation import create_task
from tasks.services.work import complete_task, update_task_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(make_agent, system):
    """A little of everything; `company(n)` makes n agents, each with what an agent has."""

    def make(count):
        for number in range(count):
            agent = make_agent(f"agent-{number}")
            post_message(actor=system, agent=agent, topic="builds", message=f"Hello {number}")
            award_rodcoins(actor=system, agent=agent, amount=5, description="x")
            for status in ("in_progress", "blocked"):
                task = create_task(actor=system, description="Work", agent=agent)
                update_task_status(actor=system, task=task, status=status)
            task = create_task(actor=system, description="Late", agent=agent, due_date="2020-01-01")
            done = create_task(actor=system, description="Done", agent=agent)
            complete_task(actor=system, task=done)

    return make


def test_who_is_not_signed_in_is_sent_to_sign_in():
    answer = Client().get("/")
    assert answer.status_code == 302
    assert answer.url.startswith("/admin/login/?next=/")


def test_an_empty_company_says_so(browser):
    page = browser("viewer").get("/").content.decode()
    assert "Nobody has earned a coin yet." in page
    assert "Nobody has said anything yet." in page


def test_each_number_opens_its_list(browser, company):
    company(2)
    client = browser("viewer")
    answer = client.get("/")
    waiting = {figure.label: figure for figure in answer.context["waiting"]}
    assert {label: figure.value for label, figure in waiting.items()} == {
        "Waiting for review": 2,
        "Blocked": 2,
        "Overdue": 2,
        "Agents down": 0,
    }
    for label in ("Waiting for review", "Blocked", "Overdue"):
        shown = client.get(waiting[label].url)
        assert len(shown.context["table"].page.object_list) == waiting[label].value, label


def test_it_costs_the_same_however_large_the_company(
    browser, company, django_assert_max_num_queries
):
    client = browser("viewer")
    client.get("/")  # the statistics are counted once for all pages
    counts = []
    for more in (2, 12):
        company(more)
        with django_assert_max_num_queries(40, connection=connections[active_alias()]) as queries:
            client.get("/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_message_is_shown_and_not_run(browser, make_agent, system):
    text = "<script>alert(1)</script>"
    post_message(actor=system, agent=make_agent(), topic="x", message=text)
    page = browser("viewer").get("/").content.decode()
    assert text not in page
    assert "&lt;script&gt;" in page
