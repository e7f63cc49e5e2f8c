import pytest

from agents.errors import AgentNotFound, AmbiguousAgentName
from agents.models import Agent
from agents.services.registry import NewAgent, register_agent, register_agents, retire_agent
from rodcorp.errors import InvalidInput

pytestmark = pytest.mark.django_db


def test_registering_again_updates_the_same_agent(make_agent):
    first = make_agent("Ada", team="Core", project="apollo")
    again = make_agent("ada ", team="Edge", project="Apollo")
    assert again.pk == first.pk
    assert Agent.objects.get().team == "Edge"


def test_what_is_left_out_stays_as_it_was(make_agent):
    make_agent("Ada", team="Core", ai_model="claude")
    make_agent("Ada", ai_model="codex")
    agent = Agent.objects.get()
    assert (agent.team, agent.ai_model) == ("Core", "codex")


def test_a_retired_agent_that_registers_is_back_in_service(make_agent, system):
    agent = make_agent()
    retire_agent(actor=system, agent=agent)
    assert make_agent().status == "active"


def test_every_change_leaves_one_history_row_with_its_actor(make_agent, system):
    make_agent("Ada", team="Core")
    agent = make_agent("Ada", team="Edge")
    make_agent("Ada", team="Edge")
    rows = list(agent.history.order_by("history_date").values_list("history_type", "actor_name"))
    assert rows == [("+", "test"), ("~", "test")]


def test_a_name_in_two_projects_is_ambiguous_until_the_project_is_named(make_agent):
    make_agent("Ada", project="apollo")
    make_agent("Ada", project="gemini")
    with pytest.raises(AmbiguousAgentName, match="apollo, gemini"):
        Agent.objects.named("Ada")
    assert Agent.objects.named("ADA", project="gemini").project == "gemini"


def test_an_unknown_name_is_said_to_be_unknown():
    with pytest.raises(AgentNotFound, match="no agent 'Nobody'"):
        Agent.objects.named("Nobody")


def test_a_bulk_registration_follows_the_same_rules_and_keeps_the_order(system):
    made = register_agents(
        actor=system,
        agents=[NewAgent("B", "p"), NewAgent("A", "p"), NewAgent("b", "P", {"team": "Core"})],
    )
    assert [agent.name for agent in made] == ["B", "A", "B"]
    assert Agent.objects.count() == 2
    assert Agent.objects.named("b").team == "Core"


def test_a_bulk_registration_with_one_bad_entry_writes_nothing(system):
    with pytest.raises(InvalidInput):
        register_agents(
            actor=system, agents=[NewAgent("A"), NewAgent("B", None, {"ai_model": "hal"})]
        )
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "x" * 101, "at most 100"),
        ("name", "", "must not be empty"),
        ("name", "a\x00b", "U\\+0000"),
        ("ai_model", "hal9000", "claude, codex, qwen, gemini"),
        ("communication_port", 70000, "from 1 to 65535"),
        ("machine_ip", "300.1.1.1", "IPv4 or IPv6"),
        ("skills", {"python": 11}, "from 1 to 10"),
        ("status", "asleep", "active, inactive, retired"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(system, field, value, said):
    details = {"name": "Ada", field: value}
    with pytest.raises(InvalidInput, match=said):
        register_agent(actor=system, **details)
    assert not Agent.objects.exists()


def test_skills_become_exactly_what_is_given(make_agent):
    make_agent("Ada", skills={"python": 7, "sql": 3})
    agent = make_agent("Ada", skills={"Python": 8})
    assert list(agent.skills.values_list("skill", "level")) == [("python", 8)]
