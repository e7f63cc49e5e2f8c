"""What must be true in the end, and of each step, whatever happened."""

import sqlite3
from contextlib import closing

from django.db.models import Q, Sum

from agents.models import Agent, Discussion
from payroll.models import EARNING_TYPES, LedgerAccount, RodCoinsTransaction
from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.sync.images import row_of
from rodcorp.databases.sync.rules import rules
from tasks.models import Task, TaskStatus
from tests.sides.files import PRIMARY_FILE

FINAL = {"completed", "cancelled"}


class Told:
    """The list of conflicts: of which units, and of which rows of them."""

    def __init__(self):
        self.units, self.rows, self.whole = set(), set(), set()
        for unit, key, kind in Conflict.objects.using("mssql").values_list(
            "unit", "row_key", "kind"
        ):
            self.units.add(unit)
            self.rows.add((unit, str(key)))
            if kind == Conflict.Kind.QUARANTINE:
                self.whole.add(unit)


def copies_are_the_primary():
    for table, rule in rules().items():
        there, here = (
            {row.pk: row_of(row) for row in rule.model._base_manager.using(alias)}
            for alias in ("mssql", "sqlite")
        )
        unequal = [
            (key, name, there.get(key, {}).get(name), here.get(key, {}).get(name))
            for key in {*here, *there}
            for name in {**there.get(key, {}), **here.get(key, {})}
            if there.get(key, {}).get(name) != here.get(key, {}).get(name)
        ]
        assert not unequal, (table, unequal)


def everything_acknowledged_is_there_or_told(deeds, told):
    marked = set(UnitMarker.objects.using("mssql").values_list("pk", flat=True))
    lost = [
        deed
        for deed in deeds
        if deed.is_acknowledged and deed.has_written and not deed.excuse
        if deed.unit not in marked | told.units
    ]
    assert lost == []


def nothing_took_effect_twice(deeds, told):
    """By what each deed alone writes: the row that names it."""
    for deed in deeds:
        if deed.operation in ("award", "spend", "give"):
            found = RodCoinsTransaction.objects.using("mssql").filter(description=deed.word)
        elif deed.operation in ("say", "chat", "answer", "speak"):
            found = Discussion.objects.using("mssql").filter(message=deed.word)
        else:
            continue
        keys = [str(key) for key in found.values_list("pk", flat=True)]
        untold = [key for key in keys if (deed.unit, key) not in told.rows]
        assert len(untold) <= 1, (deed, keys)
        if deed.is_acknowledged and not deed.excuse and deed.unit not in told.units:
            # a message can be removed by another deed
            assert len(untold) == 1 or deed.operation in ("chat", "answer", "speak"), deed
        if deed.answers and untold and not deed.is_open and not deed.excuse:
            answered = {deed.details[one["attempt"]].get("row") for one in deed.answers}
            assert untold[0] in answered or None in answered, deed


def the_last_edit_stands(deeds, told):
    """An edit that began when the one that stands was over is told."""
    edits = [deed for deed in deeds if deed.operation == "edit"]
    by_word = {deed.word: deed for deed in edits}
    for agent in Agent.objects.using("mssql"):
        standing = by_word.get(agent.team)
        over = 0
        if standing is not None:
            over = standing.ended if standing.answers and not standing.is_open else float("inf")
        for deed in edits:
            if not deed.is_acknowledged or deed.excuse or deed is standing:
                continue
            if deed.details[deed.answers[-1]["attempt"]]["row"] != str(agent.pk):
                continue
            if _is_edited_again(deed, edits):
                continue
            assert deed.began <= over or deed.unit in told.units, (agent.team, deed)


def _is_edited_again(deed, edits):
    """Whether an older edit, done on another side first, was repeated after this one on its own:
    what that wrote stood there, and it is the one to be told of."""
    mine = deed.answers[-1]["attempt"]
    place = deed.details[mine]
    return any(
        attempt > mine and details == place
        for other in edits
        if other.number < deed.number
        for attempt, details in other.details.items()
    )


def one_has_the_claim(deeds, told):
    """Of all who were told they have it one has it, and the others were told they have not."""
    for task in Task.objects.using("mssql").filter(lease_token__isnull=False):
        granted = [
            deed
            for deed in deeds
            if deed.operation == "claim" and deed.is_acknowledged and not deed.excuse
        ]
        for deed in granted:
            details = deed.details[deed.answers[-1]["attempt"]]
            if details["row"] == str(task.pk) and deed.unit not in told.units:
                assert details["token"] == task.lease_token, deed


def books_add_up(alias):
    ledger = RodCoinsTransaction.objects.using(alias)
    for account in LedgerAccount.objects.using(alias).filter(agent__isnull=False):
        assert account.balance == _sum(ledger.filter(target=account)) - _sum(
            ledger.filter(source=account)
        )
    for agent in Agent.objects.using(alias):
        own = ledger.filter(agent=agent)
        earned = _sum(own.filter(transaction_type__in=EARNING_TYPES))
        lost = _sum(own.filter(reverses__transaction_type__in=EARNING_TYPES))
        assert agent.total_rodcoins_earned == earned - lost


def overdrafts_are_told():
    """Two hosts that were cut off from each other may have spent the same coins."""
    short = LedgerAccount.objects.using("mssql").filter(kind="wallet", balance__lt=0)
    for account in short:
        spent = RodCoinsTransaction.objects.using("mssql").filter(source=account)
        keys = list(spent.values_list("pk", flat=True))
        concerned = Q(row_key=account.pk) | Q(row_key__in=keys)
        assert Conflict.objects.using("mssql").filter(concerned).exists(), account


def tasks_are_in_a_legal_state():
    ledger = RodCoinsTransaction.objects.using("mssql").filter(source_kind="task")
    paid = {
        award.source_key: award
        for award in ledger.order_by("created_at")
        if not award.reversals.using("mssql").exists()
    }
    for task in Task.objects.using("mssql"):
        is_done = task.status == TaskStatus.COMPLETED
        assert (task.completed_at is not None) == is_done, task.status
        assert not is_done or task.completion_percentage == 100
        if task.status in FINAL:
            assert task.lease_token is None
        standing = [key for key in paid if key.startswith(f"{task.pk}/")]
        rounds = [int(key.split("/")[1]) for key in standing]
        assert rounds == ([task.round_number] if is_done and rounds else []), (task.status, rounds)
        assert bool(rounds) == is_done or not task.agent_id or task.title != "A task"


def ranks(root):
    """How far each task is on the primary: its round, then whether its state is final."""
    with closing(sqlite3.connect(f"file:{root / PRIMARY_FILE}?mode=ro", uri=True)) as file:
        found = file.execute('SELECT "TaskUUID", "Round", "Status" FROM "AgentTodoTracking"')
        return {key: (round_, status in FINAL) for key, round_, status in found}


def units_on(path):
    """The units a database knows."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return {row[0] for row in file.execute('SELECT "UnitUUID" FROM "UnitMarkers"')}


def journal_of(path):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return {row[0] for row in file.execute("SELECT unit FROM rodcorp_journal")} | {
            # units inside a unit have markers of their own
            row[0]
            for row in file.execute(
                "SELECT row_key FROM rodcorp_journal WHERE table_name = 'UnitMarkers'"
            )
        }


def _sum(found):
    return found.aggregate(sum=Sum("amount"))["sum"] or 0
