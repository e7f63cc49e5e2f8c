import pytest

from agents.models import Agent, Discussion
from agents.services.discussions import post_message

pytestmark = pytest.mark.django_db

AGENTS = "/admin/agents/agent/"
MESSAGES = "/admin/agents/discussion/"
SKILLS = "/admin/agents/agentskill/"


@pytest.fixture
def form_of():
    """The values an agent's page shows, to be changed and sent."""

    def form_of(agent, **changes):
        names = ("machine_hostname", "machine_ip", "communication_port", "status")
        return {**{name: getattr(agent, name) for name in names}, **changes}

    return form_of


def test_an_agent_is_registered_with_its_skills(browser):
    browser().post(
        f"{AGENTS}add/",
        {
            "name": "Ada",
            "project": "apollo",
            "ai_model": "claude",
            "communication_port": "9000",
            "skills": "python 7\ncode review: 3",
        },
    )
    agent = Agent.objects.named("Ada", project="apollo")
    assert (agent.ai_model, agent.communication_port) == ("claude", 9000)
    assert dict(agent.skills.values_list("skill", "level")) == {"python": 7, "code review": 3}
    assert agent.machine_hostname


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("skills", "python", "like python 7"),
        ("skills", "python 11", "from 1 to 10"),
        ("machine_ip", "300.1.1.1", "IPv4 or IPv6"),
        ("communication_port", "70000", "from 1 to 65535"),
        ("name", "\t", "required"),
        ("ai_model", "hal", "not one of the available choices"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(browser, field, value, said):
    form = {"name": "Ada", "project": "apollo", "communication_port": "8888", field: value}
    response = browser().post(f"{AGENTS}add/", form)
    assert said in str(response.context["adminform"].form.errors[field])
    assert not Agent.objects.exists()


def test_adding_a_known_agent_again_is_refused(browser, make_agent):
    make_agent("Ada", project="apollo", team="Core")
    response = browser().post(
        f"{AGENTS}add/",
        {"name": "ADA", "project": "apollo", "team": "Web", "communication_port": "8888"},
    )
    assert "already has an agent" in response.text
    assert Agent.objects.get().team == "Core"


def test_a_change_writes_what_differs_and_an_empty_field_clears(browser, make_agent, form_of):
    agent = make_agent("Ada", team="Core", role="Engineer", skills={"python": 7})
    response = browser().post(
        f"{AGENTS}{agent.pk}/change/", form_of(agent, role="Lead", skills="sql 4")
    )
    assert response.status_code == 302
    agent = Agent.objects.get()
    assert (agent.team, agent.role, agent.status) == (None, "Lead", "active")
    assert dict(agent.skills.values_list("skill", "level")) == {"sql": 4}
    delta = agent.history.latest("history_date").diff_against(agent.history.earliest())
    assert set(delta.changed_fields) == {"team", "role"}


def test_an_ai_model_is_not_taken_back(browser, make_agent, form_of):
    agent = make_agent("Ada", ai_model="claude")
    response = browser().post(f"{AGENTS}{agent.pk}/change/", form_of(agent, ai_model=""))
    assert "ai_model" in response.context["adminform"].form.errors
    assert Agent.objects.get().ai_model == "claude"


def test_saving_without_a_change_writes_no_history(browser, make_agent, form_of):
    agent = make_agent("Ada", skills={"python": 7})
    browser().post(f"{AGENTS}{agent.pk}/change/", form_of(agent, skills="python 7"))
    assert agent.history.count() == 1


def test_retiring_keeps_the_agent(browser, make_agent):
    agents = [make_agent("Ada"), make_agent("Grace")]
    response = browser().post(
        AGENTS,
        {"action": "retire", "_selected_action": [agent.pk for agent in agents]},
        follow=True,
    )
    assert "Done for 2" in response.text
    assert set(Agent.objects.values_list("status", flat=True)) == {"retired"}


def test_where_an_agent_is_chosen_its_project_tells_it_apart(browser, make_agent):
    for project in ("apollo", "hermes"):
        make_agent("Ada", project=project)
    response = browser().get(
        "/admin/autocomplete/",
        {"app_label": "tasks", "model_name": "task", "field_name": "agent", "term": "ada"},
    )
    assert [found["text"] for found in response.json()["results"]] == [
        "Ada · apollo",
        "Ada · hermes",
    ]


def test_a_message_is_posted_by_who_is_signed_in(browser):
    browser("supervisor").post(
        f"{MESSAGES}add/",
        {"project": "apollo", "topic": "News", "message": "Great work!", "priority": "30"},
    )
    message = Discussion.objects.get()
    assert (message.participant, message.priority) == ("a-supervisor", 30)
    assert (message.sentiment, message.actor_kind) == ("positive", "user")


def test_an_empty_message_is_refused_at_its_field(browser):
    response = browser().post(
        f"{MESSAGES}add/", {"project": "p", "topic": "News", "message": "\x07", "priority": "20"}
    )
    assert "U+0007" in str(response.context["adminform"].form.errors["message"])
    assert not Discussion.objects.exists()


def test_a_message_keeps_its_lines_and_its_markup_is_text(browser, system):
    message = post_message(actor=system, topic="News", message="one\n<b>two</b>")
    page = browser("viewer").get(f"{MESSAGES}{message.pk}/change/").text
    assert "one<br>&lt;b&gt;two&lt;/b&gt;" in page


def test_acknowledging_names_who_did_and_the_first_stands(browser, system):
    message = post_message(actor=system, topic="News", message="x")
    choice = {"action": "acknowledge", "_selected_action": [message.pk]}
    browser("supervisor").post(MESSAGES, choice)
    browser("admin").post(MESSAGES, choice)
    message.refresh_from_db()
    assert message.acknowledged_by == "a-supervisor"
    assert message.history.get().actor_name == "a-supervisor"


def test_a_skill_is_added_and_its_level_changed_beside_the_others(browser, make_agent):
    agent = make_agent("Ada", skills={"python": 7})
    client = browser("supervisor")
    client.post(f"{SKILLS}add/", {"agent": agent.pk, "skill": "sql", "level": "4"})
    added = agent.skills.get(skill="sql")
    client.post(f"{SKILLS}{added.pk}/change/", {"level": "5"})
    assert dict(agent.skills.values_list("skill", "level")) == {"python": 7, "sql": 5}
    assert [entry.actor_name for entry in added.history.all()] == ["a-supervisor"] * 2


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("skill", "PYTHON", "already has the skill"), ("level", "11", "from 1 to 10")],
)
def test_a_bad_skill_is_refused_at_its_field(browser, make_agent, field, value, said):
    agent = make_agent("Ada", skills={"python": 7})
    form = {"agent": agent.pk, "skill": "sql", "level": "4", field: value}
    response = browser().post(f"{SKILLS}add/", form)
    assert said in str(response.context["adminform"].form.errors[field])
    assert dict(agent.skills.values_list("skill", "level")) == {"python": 7}
