from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from agents.services.discussions import post_message
from agents.services.presence import sweep_liveness
from agents.services.registry import retire_agent
from payroll.services.evaluations import record_performance_evaluation
from payroll.services.ledger import award_rodcoins, transfer
from rodcorp.databases.sides import active_alias
from tasks.models import Task
from tasks.services.creation import create_task

pytestmark = pytest.mark.django_db

NOBODY = "6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11"

# who sees which button
BUTTONS = {
    "viewer": set(),
    "supervisor": {"Edit", "Retire", "Evaluate", "Assign a task"},
    "payroll": {"Award"},
    "operator": set(),
    "admin": {"Edit", "Retire", "Evaluate", "Award", "Assign a task"},
}


@pytest.fixture
def ada(make_agent):
    return make_agent(
        "Ada",
        project="apollo",
        team="Core",
        role="Pilot",
        ai_model="claude",
        specialization="Landing",
        skills={"python": 7, "sql": 4},
    )


@pytest.fixture
def page(browser):
    """The text of an agent's page, and who looks at it."""

    def page(agent, role="viewer"):
        response = browser(role).get(f"/agents/{agent.pk}/")
        assert response.status_code == 200
        return response

    return page


@pytest.fixture
def live(system, admin):
    """So much of everything an agent may have."""

    def live(agent, times):
        for number in range(times):
            post_message(actor=system, agent=agent, topic=f"topic {number}", message="All well")
            award_rodcoins(actor=system, agent=agent, amount=5, description=f"work {number}")
            create_task(actor=system, agent=agent, description=f"task {number}")
            record_performance_evaluation(
                actor=system, agent=agent, score=4, evaluator_id=admin.pk, notes="Steady."
            )
            silence = timedelta(hours=1) if number % 2 else timedelta()
            Agent.objects.filter(pk=agent.pk).update(last_seen=timezone.now() - silence)
            sweep_liveness(actor=system)

    return live


def test_it_takes_as_many_queries_however_much_the_agent_did(browser, ada, live):
    client = browser("supervisor")

    def queries():
        with (
            CaptureQueriesContext(connections[active_alias()]) as company,
            CaptureQueriesContext(connections["local"]) as local,
        ):
            assert client.get(f"/agents/{ada.pk}/").status_code == 200
        return len(company), len(local)

    live(ada, 3)
    few = queries()
    live(ada, 60)
    # who asks, the agent, its wallet, and one for each of six lists
    assert queries() == few == (9, 1)


def test_it_says_who_the_agent_is(ada, page):
    text = page(ada).text
    for words in ("Ada", "apollo", "Core", "Pilot", "claude", "Landing", "host-1", "127.0.0.1"):
        assert words in text
    assert "last seen" in text


def test_it_shows_the_skills_with_their_levels(ada, page):
    skills = page(ada).context["skills"]
    assert [(skill.skill, skill.level) for skill in skills] == [("python", 7), ("sql", 4)]


def test_it_shows_what_the_agent_has_and_what_it_earned(ada, page, system, make_agent):
    award_rodcoins(actor=system, agent=ada, amount=1500, description="work")
    transfer(
        actor=system, source=ada, target=make_agent("Eve"), amount=300, description="your half"
    )
    response = page(ada)
    assert response.context["balance"] == 1200
    assert "1,200" in response.text
    assert "1,500" in response.text
    assert "−300" in response.text


def test_an_agent_that_never_earned_has_nothing(ada, page):
    assert page(ada).context["balance"] == 0


def test_the_latest_of_everything_is_shown_and_links_to_the_rest(ada, page, live):
    live(ada, 9)
    response = page(ada)
    shown = response.context
    assert shown["transactions"][0].description == "work 8"
    assert shown["said"][0].topic == "topic 8"
    for name in ("tasks", "said", "transactions", "evaluations", "liveness_changes"):
        assert len(shown[name]) == 8, name
    for task in shown["tasks"]:
        assert f'href="/tasks/{task.pk}/"' in response.text
    assert f'href="/tasks/?agent={ada.pk}"' in response.text
    assert f'href="/ledger/?agent={ada.pk}"' in response.text
    assert 'href="/discussions/?participant=Ada"' in response.text


def test_what_others_did_is_not_shown(ada, page, live, make_agent):
    live(make_agent("Eve"), 2)
    response = page(ada)
    for name in ("tasks", "said", "transactions", "evaluations", "liveness_changes"):
        assert not response.context[name], name


def test_what_was_written_is_shown_as_text(ada, page, system, admin):
    script = "<script>alert(1)</script>"
    post_message(actor=system, agent=ada, topic=script, message=script)
    create_task(actor=system, agent=ada, description=script)
    award_rodcoins(actor=system, agent=ada, amount=1, description=script)
    record_performance_evaluation(
        actor=system, agent=ada, score=1, evaluator_id=admin.pk, notes=script
    )
    text = page(ada).text
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)") == 5
    assert Task.objects.count() == 1


@pytest.mark.parametrize("role", BUTTONS)
def test_each_role_has_its_buttons(ada, page, role):
    text = page(ada, role).text
    links = {
        "Edit": f"/agents/{ada.pk}/edit/",
        "Retire": f"/agents/{ada.pk}/retire/",
        "Evaluate": f"/agents/{ada.pk}/evaluate/",
        "Award": f"/agents/{ada.pk}/award/",
        "Assign a task": f"/tasks/new/?agent={ada.pk}",
    }
    assert {name for name, link in links.items() if f'href="{link}"' in text} == BUTTONS[role]


def test_a_retired_agent_is_given_nothing_and_not_retired_again(ada, page, system):
    retire_agent(actor=system, agent=ada)
    text = page(ada, "admin").text
    assert "Assign a task" not in text
    assert f"/agents/{ada.pk}/retire/" not in text
    assert f"/agents/{ada.pk}/edit/" in text


def test_an_agent_that_was_heard_of_this_minute_was_seen_just_now(ada, page):
    assert ">just now</time>" in page(ada).text


def test_an_agent_nobody_heard_of_was_never_seen(ada, page):
    Agent.objects.update(last_seen=None)
    assert "last seen never" in page(ada).text


def test_an_agent_that_is_not_there_is_not_found(browser):
    assert browser("viewer").get(f"/agents/{NOBODY}/").status_code == 404


def test_a_stranger_is_sent_to_the_login_page(ada):
    assert Client().get(f"/agents/{ada.pk}/").url.startswith("/admin/login/")
