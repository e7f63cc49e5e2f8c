"""How tasks written on both sides become one.

Assignee, lease and attempt go together: they say who works on it. A status that only one side has
changed is that side's; of two, a terminal one stands over an open one, and of two terminal ones the
primary's, which a person is told.
"""

from rodcorp.databases.sync.rules import Rule, declare
from tasks.models import (
    DispatchDecision,
    Review,
    Task,
    TaskDependency,
    TaskLabel,
    TaskSkill,
    TaskStatus,
)

CLAIM = frozenset({"agent_id", "lease_token", "lease_until", "attempt"})
STATUS = frozenset(
    {"status", "completion_percentage", "review_state", "started_at", "completed_at"}
)
TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED})

declare(
    Rule(TaskSkill),
    Rule(TaskLabel),
    Rule(TaskDependency),
    Rule(Review, append_only=True),
    Rule(DispatchDecision, append_only=True),
    Rule(Task),
)
