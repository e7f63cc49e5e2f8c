from datetime import timedelta

import pytest
from django.utils import timezone

from agents.jobs import sweep
from agents.models import Agent, LivenessChange
from agents.services.presence import heartbeat, sweep_liveness
from rodcorp.errors import PermissionRefused

pytestmark = pytest.mark.django_db


def silent_for(agent, **span):
    Agent.objects.filter(pk=agent.pk).update(last_seen=timezone.now() - timedelta(**span))
    agent.refresh_from_db()
    return agent


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "up"), (110, "up"), (130, "late"), (590, "late"), (610, "down")]
)
def test_liveness_follows_from_when_it_was_last_seen(make_agent, seconds, state):
    assert silent_for(make_agent(), seconds=seconds).liveness == state


def test_an_agent_never_seen_is_down(make_agent):
    agent = make_agent()
    Agent.objects.update(last_seen=None)
    agent.refresh_from_db()
    assert agent.liveness == "down"


def test_a_heartbeat_brings_it_up_without_history(make_agent, system):
    agent = silent_for(make_agent(), hours=1)
    heartbeat(actor=system, agent=agent)
    agent.refresh_from_db()
    assert agent.liveness == "up"
    assert agent.history.count() == 1


def test_an_earlier_heartbeat_that_arrives_late_changes_nothing(make_agent, system, monkeypatch):
    agent = make_agent()
    seen = heartbeat(actor=system, agent=agent)
    monkeypatch.setattr("agents.services.presence.clock.now", lambda: seen - timedelta(minutes=5))
    heartbeat(actor=system, agent=agent)
    assert Agent.objects.get().last_seen == seen


def test_an_agent_beats_only_for_itself(make_agent):
    ada, eve = make_agent("Ada"), make_agent("Eve")
    with pytest.raises(PermissionRefused):
        heartbeat(actor=eve.as_actor(), agent=ada)


def test_a_transition_is_written_once(make_agent, system):
    silent_for(make_agent(), hours=1)
    assert sweep_liveness(actor=system) == 1
    assert sweep_liveness(actor=system) == 0
    change = LivenessChange.objects.get()
    assert (change.before, change.after, change.actor_name) == ("up", "down", "test")


def test_a_return_is_a_transition_too(make_agent, system):
    agent = silent_for(make_agent(), hours=1)
    sweep_liveness(actor=system)
    heartbeat(actor=system, agent=agent)
    sweep_liveness(actor=system)
    after = [change.after for change in LivenessChange.objects.of_agent(agent)]
    assert sorted(after) == ["down", "up"]


def test_the_job_sweeps_more_agents_than_one_batch(make_agent, monkeypatch):
    monkeypatch.setattr("agents.services.presence.SWEEP_BATCH", 2)
    for number in range(5):
        silent_for(make_agent(f"agent-{number}"), hours=1)
    assert sweep() == 5
    assert set(Agent.objects.values_list("noted_liveness", flat=True)) == {"down"}
