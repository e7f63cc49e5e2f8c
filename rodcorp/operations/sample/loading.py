"""Loading the sample company: its story is told day by day through the ordinary services."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.db.models import Q

from agents.models import Agent, AgentStatus, Discussion, Liveness, LivenessChange
from agents.services.registry import NewAgent, register_agents, update_agent
from payroll.models import (
    Evaluation,
    PayCycle,
    PayScale,
    PerformanceBand,
    RodCoinsTransaction,
)
from rodcorp.actors import Actor, Permission
from rodcorp.databases.failover import require_primary
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict
from rodcorp.kit import rows
from rodcorp.kit.services import service
from rodcorp.operations.sample.company import OUT_OF_SERVICE, SILENT_FOR, TEAMS
from rodcorp.operations.sample.paying import judge_agents, money
from rodcorp.operations.sample.script import THE_END
from rodcorp.operations.sample.story import STORYTELLER, Event, Story, dated, tell
from rodcorp.operations.sample.talking import talk
from rodcorp.operations.sample.working import work
from tasks.models import Task

logger = logging.getLogger(__name__)

# Silences after which the story's agents were noted as late and as down.
_NOTED_AFTER = (
    (Liveness.UP, Liveness.LATE, timedelta(minutes=2)),
    (Liveness.LATE, Liveness.DOWN, timedelta(minutes=10)),
)


@dataclass
class SampleSummary:
    """What was loaded; `loaded` is false if it was there already and nothing was done."""

    loaded: bool
    agents: int = 0
    messages: int = 0
    tasks: int = 0
    transactions: int = 0
    evaluations: int = 0


def is_never_used() -> bool:
    """Whether this database has never held anything. What was removed has left its history."""
    return not (
        Agent.objects.exists()
        or Agent.history.exists()
        or Task.objects.exists()
        or Discussion.objects.exists()
    )


@service("sample.load", needs=Permission.IMPORT_DATA)
def load_sample_data(*, actor: Actor, dry_run: bool = False) -> SampleSummary:
    """Fill the database with the sample company, all of it or nothing.

    Loading it twice changes nothing. Raises `Conflict` where it would mix with rows that are not
    sample: an agent of the same project and name, or pay cycles; `Unavailable` on a host that is
    away from its primary, because it would be brought there later.
    """
    require_primary("Loading sample data")
    if _is_loaded():
        return SampleSummary(loaded=False)
    _refuse_to_mix()
    summary = run_in_unit(
        lambda unit: _load(), actor=STORYTELLER, operation="sample.load", dry_run=dry_run
    )
    if not dry_run:
        logger.info("%s loaded the sample data.", actor.name)
    return summary


def _is_loaded() -> bool:
    return any(
        model._base_manager.filter(is_sample=True).exists()
        for model in (Agent, Task, Discussion, PayCycle)
    )


def _refuse_to_mix() -> None:
    same = Q()
    for _, members in TEAMS:
        for new in members:
            same |= Q(project=new.project, name=new.name)
    for agent in Agent.objects.filter(same)[:1]:
        raise Conflict(
            f"The sample has an agent '{agent.name}' in a project '{agent.project}', and so has "
            "this database; load it into another database."
        )
    for models, what in (
        ((PayCycle,), "pay cycles"),
        ((PayScale, PerformanceBand), "pay scales and performance bands"),
    ):
        if any(model._base_manager.exists() for model in models):
            raise Conflict(
                f"The sample has {what}, and this database has {what} of its own; load it into "
                "another database."
            )


def _load() -> SampleSummary:
    story = Story()
    tell([*_staff(story), *money(story), *work(story)])
    dated(THE_END, partial(judge_agents, story))
    messages = talk(story)
    dated(THE_END, partial(_fall_silent, story))
    mine = Q(agent__in=list(story.agents.values()))
    return SampleSummary(
        loaded=True,
        agents=len(story.agents),
        messages=messages,
        tasks=len(story.tasks),
        transactions=RodCoinsTransaction.objects.filter(mine).count(),
        evaluations=Evaluation.objects.filter(mine).count(),
    )


def _staff(story: Story) -> Iterator[Event]:
    for joined, members in TEAMS:
        yield Event(joined, partial(_join, story, members))
    name, left = OUT_OF_SERVICE
    yield Event(left, partial(_leave, story, name))


def _join(story: Story, members: Sequence[NewAgent]) -> None:
    for agent in register_agents(actor=STORYTELLER, agents=members, is_sample=True):
        story.agents[agent.name] = agent


def _leave(story: Story, name: str) -> None:
    update_agent(actor=STORYTELLER, agent=story.agents[name], status=AgentStatus.INACTIVE)


def _fall_silent(story: Story) -> None:
    """Presence is not history: it is set, and what the sweep would have noted of it is written, so
    that the first sweep of the new database has nothing to report."""
    changes = []
    for name, minutes in SILENT_FOR.items():
        agent = story.agents[name]
        agent.last_seen = THE_END - timedelta(minutes=minutes)
        agent.noted_liveness = Liveness.DOWN
        for before, after, silence in _NOTED_AFTER:
            changes.append(
                LivenessChange(
                    id=natural_id("liveness", agent.pk, agent.last_seen, after),
                    agent=agent,
                    before=before,
                    after=after,
                    last_seen=agent.last_seen,
                    noticed_at=agent.last_seen + silence,
                )
            )
    Agent.objects.bulk_update(story.agents.values(), ["last_seen", "noted_liveness"])
    rows.insert_many(changes)
