import re
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
from payroll.services.evaluations import evaluate_agents, record_performance_evaluation
from payroll.services.ledger import award_rodcoins, transfer
from payroll.services.observations import record_observation
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
    # who asks, the agent, its wallet, one for each of six lists, and four for its rating: the
    # parts, the evaluations and the observations of 30 days, and the course
    assert queries() == few == (13, 1)


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


@pytest.fixture
def observe(system):
    def observe(agent, score, *, kind="quality", days_ago=0):
        record_observation(
            actor=system,
            agent=agent,
            kind=kind,
            score=score,
            source_kind="task",
            source_key=f"{days_ago}",
            observed_at=timezone.now() - timedelta(days=days_ago),
        )

    return observe


@pytest.fixture
def evaluate(system, admin):
    def evaluate(agent, score):
        record_performance_evaluation(actor=system, agent=agent, score=score, evaluator_id=admin.pk)

    return evaluate


def words_of(response):
    """The page's words, without what marks them up."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.text).split())


def test_it_shows_how_the_rating_comes_about(ada, page, observe, evaluate):
    observe(ada, "4.00", days_ago=1)
    observe(ada, "5.00", days_ago=2)
    evaluate(ada, "2.50")
    words = words_of(page(ada))
    for said in (
        "3.31 of 5 first judged within the last 30 days",
        "It starts from 3.00, which counts like 5 scores",
        "Evaluations 1, mean 2.50 Quality of tasks 2, mean 4.50",
        "(5 × 3.00 + 11.50) ÷ (5 + 3) = 3.31",
    ):
        assert said in words


def test_it_shows_where_the_rating_is_going(ada, browser, observe):
    client = browser("viewer")

    def shown():
        return words_of(client.get(f"/agents/{ada.pk}/"))

    observe(ada, 4, days_ago=40)
    assert "3.17 of 5 steady 3.17 30 days ago" in shown()
    observe(ada, 5, days_ago=3)
    assert "3.43 of 5 up 3.17 30 days ago" in shown()
    observe(ada, 0, days_ago=2)
    assert "3.00 of 5 down 3.17 30 days ago" in shown()


def test_the_course_is_drawn_between_the_whole_numbers_around_it(ada, page, evaluate):
    for score in (5, 5, 0):
        evaluate(ada, score)
    response = page(ada)
    course = response.context["course"]
    # 3.33, 3.57, 3.12 and, now, 3.12, in a box of 300 by 60 from 3 to 4
    assert course.line == "0.0,40.2 100.0,25.8 200.0,52.8 300.0,52.8"
    assert (course.low, course.high, course.evaluations) == (3, 4, 3)
    assert f'points="{course.line}"' in response.text
    assert "after each of the latest 3 evaluations" in response.text


@pytest.mark.parametrize("scores", [[5] * 30, [0] * 30, ["2.99", "3.01"]])
def test_the_course_stays_in_its_box(ada, page, evaluate, scores):
    for score in scores:
        evaluate(ada, score)
    course = page(ada).context["course"]
    for point in course.line.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 300
        assert 0 <= y <= 60
    assert 0 <= course.low < course.high <= 5


def test_one_evaluation_makes_no_course(ada, page, evaluate):
    evaluate(ada, 4)
    response = page(ada)
    assert response.context["course"] is None
    assert "<polyline" not in response.text


def test_who_was_never_judged_is_not_rated(ada, page):
    response = page(ada)
    assert "Not rated: nobody has judged the work of Ada yet." in words_of(response)
    assert "<polyline" not in response.text


def test_a_continuous_evaluation_says_what_it_was_made_from(ada, page, observe, system):
    observe(ada, 5, kind="review")
    evaluate_agents(actor=system)
    assert "5.00 by continuous evaluation just now 1 × review 5.00" in words_of(page(ada))


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
