"""How agents and what they said become one when they were written on both sides, and who may still
act."""

from agents.models import Agent, AgentSkill, AgentStatus, Discussion, LivenessChange
from rodcorp.databases.sync.rules import Rule, declare, declare_actor

declare(
    Rule(
        Agent,
        # payroll's: they follow from the ledger and from the evaluations
        derived=frozenset({"performance_rating", "total_rodcoins_earned"}),
        latest=frozenset({"last_seen"}),
        retire={"status": AgentStatus.RETIRED.value},
    ),
    Rule(AgentSkill),
    Rule(LivenessChange, append_only=True),
    # what was said stays as it was said; who acknowledged it goes together
    Rule(Discussion, groups=(frozenset({"acknowledged_at", "acknowledged_by"}),)),
)


def _reason_against(alias: str, agent: str) -> str:
    found = Agent.objects.using(alias).filter(pk=agent).first()
    if found is None:
        return "the agent is not there any more"
    return "the agent was retired meanwhile" if found.status == AgentStatus.RETIRED else ""


declare_actor("agent", _reason_against)
