"""Heartbeats and the transitions they cause or their absence does."""

from datetime import datetime

from django.conf import settings
from django.db.models import Q

from agents.models import Agent, LivenessChange
from rodcorp.actors import Actor, Permission
from rodcorp.databases import clock
from rodcorp.databases.failover import absence_is_evidence
from rodcorp.databases.ids import natural_id
from rodcorp.databases.repeatable import write_presence
from rodcorp.databases.units import open_unit
from rodcorp.kit import rows
from rodcorp.kit.services import service

# Agents noticed in one unit: a sweep over a whole fleet must not hold the write lock for long.
SWEEP_BATCH = 500


def heartbeat(*, actor: Actor, agent: Agent) -> datetime:
    """Note that the agent is alive now. Presence is not a unit of work: it has no history, and
    the later of two heartbeats stands whatever order they arrive in."""
    actor.require(Permission.BE_PRESENT)
    actor.require_own(agent.pk)
    now = clock.now()
    earlier = Q(last_seen__lt=now) | Q(last_seen__isnull=True)
    write_presence(lambda: Agent.objects.filter(earlier, pk=agent.pk).update(last_seen=now))
    agent.last_seen = now
    return now


def sweep_liveness(*, actor: Actor) -> int:
    """Write each transition since the last sweep, once. Returns how many there were: none while
    another host may have seen whom this one did not."""
    noticed = 0
    if not absence_is_evidence(settings.RODCORP_DOWN_AFTER_SECONDS):
        return noticed
    while found := note_transitions(actor=actor):
        noticed += found
    return noticed


@service("agents.note_transitions", needs=Permission.RUN_SYSTEM)
def note_transitions(*, actor: Actor) -> int:
    """One batch of the sweep; 0 when nothing is left to notice."""
    now = open_unit().now
    candidates = [
        *Agent.objects.noted_too_lively(now)[:SWEEP_BATCH],
        *Agent.objects.noted_too_still(now)[:SWEEP_BATCH],
    ]
    changes = []
    for agent in candidates:
        before, after = agent.noted_liveness, agent.liveness_at(now)
        # compare-and-set: of two sweeps that saw the same silence only one writes
        same = Agent.objects.filter(pk=agent.pk, noted_liveness=before)
        if before == after or same.update(noted_liveness=after) != 1:
            continue
        changes.append(
            LivenessChange(
                id=natural_id("liveness", agent.pk, agent.last_seen, after),
                agent=agent,
                before=before,
                after=after,
                last_seen=agent.last_seen,
                noticed_at=now,
            )
        )
    rows.insert_many(changes)
    return len(changes)
