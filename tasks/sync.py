"""How tasks written on both sides become one.

Who works on it (assignee, lease, attempt) is taken or left as a whole, and so is how far it is. A
live claim on the primary stands, and what its loser did afterwards is lost with it; had it
completed the task, who holds the claim works on in the next round. Of two states the one of the
later round stands, then a final one over an open one; two that are final are a conflict, and the
primary's stands. A reward follows the state that stands.
"""

from payroll.services.ledger import take_back_task_reward
from rodcorp.actors import Actor
from rodcorp.databases import clock
from rodcorp.databases.sync.merge import merge_columns
from rodcorp.databases.sync.rules import Row, Rule, Verdict, declare
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
STATE = frozenset(
    {
        "status",
        "round_number",
        "completion_percentage",
        "review_state",
        "started_at",
        "completed_at",
    }
)
FINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.CANCELLED})

# The rest, column by column. The version only counts.
_REST = Rule(Task, derived=CLAIM | STATE | {"version"})


def merge_task(base: Row, ours: Row, theirs: Row) -> Verdict:
    rest = merge_columns(_REST, base, ours, theirs)
    values, lost, notes = dict(rest.values), set(rest.lost), [rest.note]
    claimed_here = _changed(CLAIM, base, ours)
    claimed_there = _changed(CLAIM, base, theirs) and _differs(CLAIM, ours, theirs)
    moved_here = _changed(STATE, base, ours)
    if claimed_there and (claimed_here or (moved_here and _is_live(theirs))):
        lost |= _differing(CLAIM, ours, theirs) if claimed_here else set()
        lost |= _differing(STATE, ours, theirs) if moved_here else set()
        notes.append("somebody has claimed it on the primary")
        if ours["status"] == TaskStatus.COMPLETED and theirs["status"] not in FINAL:
            # this round was paid for, and that is taken back: it is over
            values["round_number"] = max(theirs["round_number"], ours["round_number"] + 1)
    else:
        values |= _of(CLAIM, ours) if claimed_here else {}
        if moved_here and (not _changed(STATE, base, theirs) or _rank(ours) > _rank(theirs)):
            values |= _of(STATE, ours)
        elif moved_here and ours["status"] != theirs["status"]:
            lost |= _differing(STATE, ours, theirs)
            notes.append("the state on the primary stands")
    if any(theirs[name] != value for name, value in values.items()):
        values["version"] = max(ours["version"], theirs["version"]) + 1
    return Verdict(values, frozenset(lost), "; ".join(note for note in notes if note))


def take_back_lost_reward(alias: str, ours: Row, theirs: Row) -> None:
    """A completion that does not stand is not paid for."""
    stands = theirs["status"] == TaskStatus.COMPLETED and (
        theirs["round_number"] == ours["round_number"]
    )
    if ours["status"] == TaskStatus.COMPLETED and not stands:
        take_back_task_reward(
            actor=Actor.system("replay"),
            task_id=ours["id"],
            round_number=ours["round_number"],
            reason=f"Its completion does not stand: {ours['title']}",
        )


declare(
    Rule(TaskSkill),
    Rule(TaskLabel),
    Rule(TaskDependency),
    Rule(Review, append_only=True),
    Rule(DispatchDecision, append_only=True),
    Rule(
        Task,
        merge=merge_task,
        after_loss=take_back_lost_reward,
        # who moved on from a completion on the copy may not have seen there what it paid
        after_win=take_back_lost_reward,
    ),
)


def _rank(row: Row) -> tuple[int, bool]:
    return row["round_number"], row["status"] in FINAL


def _is_live(row: Row) -> bool:
    return bool(row["lease_token"]) and row["lease_until"] > clock.now()


def _changed(names: frozenset[str], base: Row, row: Row) -> bool:
    return any(row[name] != base[name] for name in names)


def _differs(names: frozenset[str], ours: Row, theirs: Row) -> bool:
    return bool(_differing(names, ours, theirs))


def _differing(names: frozenset[str], ours: Row, theirs: Row) -> set[str]:
    return {name for name in names if ours[name] != theirs[name]}


def _of(names: frozenset[str], row: Row) -> Row:
    return {name: row[name] for name in names}
