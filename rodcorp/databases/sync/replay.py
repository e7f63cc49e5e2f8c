"""From the copy to the primary: what was written here is brought home unit by unit, in the order in
which it was committed, each unit as one transaction of the primary.

A unit that cannot be applied is quarantined: its marker and its images go to the primary, so that
its caller gets its answer and a person can see what was lost. Before entries leave the journal,
every row they name is read again from the primary, so that a unit that lost leaves no ghost here.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from django.db import connections, transaction

from rodcorp.actors import Actor
from rodcorp.databases import clock, journal
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.failures import Kind, Phase, classify
from rodcorp.databases.fence import Fenced
from rodcorp.databases.journal import PRESENCE, Entry
from rodcorp.databases.models import Conflict, Host, UnitMarker
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sides import Side, mode_file
from rodcorp.databases.sync import conflicts
from rodcorp.databases.sync.conflicts import Finding
from rodcorp.databases.sync.feed import note_versions, put_off
from rodcorp.databases.sync.images import (
    delete_from_copy,
    fields_of,
    from_copy,
    key_of,
    needed_in_copy,
    read_copy,
    stored_key,
    write_copy,
)
from rodcorp.databases.sync.merge import differing, is_unchanged, latest, merge
from rodcorp.databases.sync.rules import Row, Rule, reason_against, rules
from rodcorp.databases.sync.source import ChangeSource, Versioned
from rodcorp.databases.units import Unit, inside_open_transaction

# Entries read at a time; a unit with more is read whole.
PAGE = 500

# How often a unit is tried again after an error that passes by itself, or after a race.
RETRIES = 5

MARKERS = UnitMarker._meta.db_table

# by table: keys as the copy stores them, and those rows of the primary that are there
Found = dict[str, tuple[list[str], dict[UUID, Versioned]]]

logger = logging.getLogger(__name__)


class Raced(Exception):
    """Somebody wrote a row on the primary between our reading it and our writing it."""


@dataclass(frozen=True)
class RowChange:
    """What one unit did to one row: how it was before and after, None where it was not there."""

    rule: Rule
    key: UUID
    base: Row | None
    ours: Row | None

    @property
    def table(self) -> str:
        return str(self.rule.model._meta.db_table)

    @property
    def says_something(self) -> bool:
        """False if only derived columns differ; those follow from other rows."""
        if self.base is None or self.ours is None:
            return self.base is not self.ours
        return any(
            self.ours[name] != value
            for name, value in self.base.items()
            if name not in self.rule.derived
        )


@dataclass
class Work:
    """One unit of the journal, and what it did."""

    unit: str
    entries: list[Entry]
    changes: list[RowChange] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.entries[-1].sequence


class Replay:
    """Brings a host's journal home, in the epoch in which it heals. `alive` is called with every
    unit."""

    def __init__(
        self, source: ChangeSource, epoch: int, alive: Callable[[], None] = lambda: None
    ) -> None:
        self.source, self.epoch, self._alive = source, epoch, alive
        # what is to be called once all rows of the unit are there, with two images of one row
        self._after: list[tuple[Callable[[str, Row, Row], None], Row, Row]] = []
        self._inserted: dict[str, list[Row]] = {}
        self.units = self.conflicts = self.quarantined = 0
        self._is_careful = False

    def run(self, limit: int = PAGE) -> int:
        """Bring home about so many entries; how many units that were. Raises `Fenced` when
        another epoch has begun, and what the primary says when it is gone."""
        done = self._replay(limit)
        if done:
            # the primary is asked before the copy's write lock is taken
            found = self._read_again(done)
            with transaction.atomic(using=SQLITE):
                self._settle(done, found)
        return len(done)

    def run_holding_the_copy(self, limit: int = PAGE) -> int:
        """The same inside the caller's transaction on the copy."""
        done = self._replay(limit)
        if done:
            self._settle(done, self._read_again(done))
        return len(done)

    def _replay(self, limit: int) -> list[Work]:
        done = []
        for work in _units(limit):
            if work.unit == PRESENCE:
                self._bring_presence(work)
            else:
                self._bring(work)
            done.append(work)
            self.units += 1
            self._alive()
        return done

    # --- one unit -------------------------------------------------------------------------------
    def _bring(self, work: Work) -> None:
        """At first as if nobody had made the same rows there; if somebody has, the primary refuses
        a duplicate, and all is read before it is written."""
        work.changes = list(_changes(work))
        self._is_careful = False
        attempts = 0
        while True:
            try:
                self._in_one_transaction(work, self._apply)
                return
            except Fenced:
                raise
            except Exception as error:
                attempts += 1
                failure = classify(error, Phase.WRITING)
                if failure.kind is Kind.DUPLICATE and not self._is_careful:
                    self._is_careful = True
                elif failure.kind in (Kind.DUPLICATE, Kind.DATA):
                    reason = f"the primary refuses it ({failure.code})"
                    break
                elif attempts == RETRIES or not _may_pass(error, failure.kind):
                    raise
        logger.error("A unit from the copy is quarantined: %s", reason)
        self._is_careful = True
        self._in_one_transaction(work, lambda work, marker: self._quarantine(work, marker, reason))

    def _in_one_transaction(self, work: Work, bring: Callable[[Work, UnitMarker], None]) -> None:
        with transaction.atomic(using=MSSQL):
            if self._is_here_already(work):
                return
            markers = _markers_of(work)
            fresh = [marker for marker in markers if self._insert_marker(marker)]
            outermost = next((each for each in markers if each.pk.hex == work.unit), None)
            if outermost is None or outermost in fresh:
                bring(work, outermost or UnitMarker(pk=UUID(work.unit)))
                return
            # an attempt on the primary was committed after all
            theirs = UnitMarker.objects.using(MSSQL).get(pk=outermost.pk)
            if theirs.changes != outermost.changes:
                bring(work, outermost)
                self._tell_of_others(work, outermost, theirs)
                # a retry gets the answer that was given
                outermost.save(force_update=True, using=MSSQL)

    def _is_here_already(self, work: Work) -> bool:
        """Move the host's row on, which nobody of another epoch can; True after a crash between
        the primary's commit and ours."""
        mine = Host.objects.using(MSSQL).filter(pk=mode_file().host_id())
        ours = mine.filter(epoch=self.epoch, replayed_sequence__lt=work.last)
        if ours.update(replayed_sequence=work.last):
            return False
        if mine.filter(epoch=self.epoch).exists():
            return True
        raise Fenced

    def _insert_marker(self, marker: UnitMarker) -> bool:
        if self._is_careful and UnitMarker.objects.using(MSSQL).filter(pk=marker.pk).exists():
            return False
        marker.save(force_insert=True, using=MSSQL)
        return True

    def _tell_of_others(self, work: Work, ours: UnitMarker, theirs: UnitMarker) -> None:
        """What only the attempt on the primary wrote: nobody was told of it, and it stays."""
        here = _touched(ours) | {(entry.table, key_of(entry.key)) for entry in work.entries}
        # too many to list: the unit itself is told
        there = _touched(theirs) or {(MARKERS, theirs.pk)}
        note = "only an attempt that nobody got an answer of wrote it"
        findings = [Finding(table, key, note) for table, key in sorted(there - here, key=str)]
        conflicts.record(ours, findings, Conflict.Kind.CONFLICT)
        self.conflicts += len(findings)

    def _apply(self, work: Work, marker: UnitMarker) -> None:
        if reason := reason_against(marker.caller, MSSQL):
            self._quarantine(work, marker, reason)
            return
        findings: list[Finding] = []
        self._after, self._inserted = [], {}
        order = list(rules())
        present = [change for change in work.changes if change.ours is not None]
        gone = [change for change in work.changes if change.ours is None]
        present.sort(key=lambda change: order.index(change.table))
        for _, group in groupby(present, key=lambda change: change.table):
            findings += self._bring_rows(list(group))
        for change in sorted(gone, key=lambda change: -order.index(change.table)):
            findings += self._bring_deletion(change)
        if self._after:
            self._compensate(marker)
        findings += self._flaws()
        if findings:
            conflicts.record(marker, findings, Conflict.Kind.CONFLICT)
            self.conflicts += len(findings)

    def _flaws(self) -> Iterator[Finding]:
        """What is only wrong where both sides' rows are together."""
        for table, rows in self._inserted.items():
            find = rules()[table].flaws
            for model, key, note in find(MSSQL, rows) if find else ():
                yield Finding(str(model._meta.db_table), key, note)

    def _compensate(self, marker: UnitMarker) -> None:
        """What follows from rows that lost or won, as rows of a unit of the primary."""
        side = Side(MSSQL, self.epoch)
        unit_id = uuid5(marker.pk, "replay")
        unit = Unit(unit_id, "databases.replay", Actor.system("replay"), side, clock.now())
        with inside_open_transaction(unit):
            for follow, one, other in self._after:
                follow(MSSQL, one, other)

    def _bring_rows(self, changes: Sequence[RowChange]) -> Iterator[Finding]:
        """Of one table; those that are new all at once."""
        rule = changes[0].rule
        new = [] if self._is_careful else [change for change in changes if change.base is None]
        if new:
            self._insert(rule, [change.ours for change in new if change.ours is not None])
        for change in changes:
            if self._is_careful or change.base is not None:
                yield from self._bring_row(change)

    def _bring_row(self, change: RowChange) -> Iterable[Finding]:
        assert change.ours is not None
        rule, ours = change.rule, change.ours
        found = self.source.read(rule, [change.key]).get(change.key)
        if found is None and change.base is not None:
            # never turned into an insert
            return [self._finding(change, "it was deleted on the primary")]
        if found is None:
            self._insert(rule, [ours])
            return []
        version, theirs = found
        if rule.append_only or change.base is None:
            if lost := differing(rule, ours, theirs):
                return [self._finding(change, "it was there already, and is other", lost, theirs)]
            return []
        verdict = merge(rule, change.base, ours, theirs)
        values = {name: value for name, value in verdict.values.items() if theirs[name] != value}
        if values and self.source.guarded(rule, change.key, version).update(**values) != 1:
            raise Raced
        if values and rule.after_win:
            self._after.append((rule.after_win, theirs, {**theirs, **values}))
        if not verdict.lost:
            return []
        if rule.after_loss:
            self._after.append((rule.after_loss, ours, {**theirs, **values}))
        return [self._finding(change, verdict.note, verdict.lost, theirs)]

    def _bring_deletion(self, change: RowChange) -> Iterable[Finding]:
        rule = change.rule
        found = self.source.read(rule, [change.key]).get(change.key)
        if found is None or change.base is None:
            return []
        version, theirs = found
        if not is_unchanged(rule, change.base, theirs):
            return [
                self._finding(
                    change, "it was changed on the primary, and stays", frozenset(), theirs
                )
            ]
        mine = self.source.guarded(rule, change.key, version)
        # what others point at is retired; the database would refuse to delete it
        done = mine.update(**rule.retire) if rule.retire else mine._raw_delete(MSSQL)
        if done != 1:
            raise Raced
        return []

    def _insert(self, rule: Rule, ours: Sequence[Row]) -> None:
        derived = [
            field for field in rule.model._meta.concrete_fields if field.attname in rule.derived
        ]
        rows = []
        for image in ours:
            row = dict(image)
            for each in derived:
                if row[each.attname] is not None:
                    row[each.attname] = each.get_default()
            rows.append(rule.prepare(MSSQL, row) if rule.prepare else row)
        made = [rule.model(**row) for row in rows]
        rule.model._base_manager.using(MSSQL).bulk_create(made, batch_size=PAGE)
        if rule.after_insert:
            rule.after_insert(MSSQL, rows)
        self._inserted.setdefault(str(rule.model._meta.db_table), []).extend(rows)

    def _finding(
        self,
        change: RowChange,
        note: str,
        lost: frozenset[str] = frozenset(),
        theirs: Row | None = None,
    ) -> Finding:
        return Finding(change.table, change.key, note, lost, change.base, change.ours, theirs)

    def _quarantine(self, work: Work, marker: UnitMarker, reason: str) -> None:
        conflicts.record(
            marker,
            [self._finding(change, reason) for change in work.changes],
            Conflict.Kind.QUARANTINE,
        )
        self.quarantined += 1

    def _bring_presence(self, work: Work) -> None:
        """No unit: the later time stands."""
        for entry in work.entries:
            rule = rules()[entry.table]
            key = key_of(entry.key)
            stored = _stored(rule, entry.key)
            found = self.source.read(rule, [key]).get(key)
            if stored is None or found is None:
                continue
            ours, theirs = from_copy(rule.model, stored), found[1]
            later = {name: latest(ours[name], theirs[name]) for name in rule.latest}
            values = {name: value for name, value in later.items() if value is not None}
            if values:
                rule.model._base_manager.using(MSSQL).filter(pk=key).update(**values)

    # --- and back -------------------------------------------------------------------------------
    def _read_again(self, done: Sequence[Work]) -> Found:
        touched = {(entry.table, entry.key) for work in done for entry in work.entries}
        return self._read(touched)

    def _read(self, rows: Iterable[tuple[str, str]]) -> Found:
        """These rows as they are there, and the parents of theirs that the copy does not have."""
        found: Found = {}
        asked: set[tuple[str, str]] = set()
        wanted = set(rows)
        while wanted:
            asked |= wanted
            new: dict[str, dict[UUID, Versioned]] = {}
            for table in {table for table, _ in wanted}:
                keys = [key for name, key in wanted if name == table]
                new[table] = self.source.read(rules()[table], [key_of(key) for key in keys])
                known, there = found.setdefault(table, ([], {}))
                known += keys
                there.update(new[table])
            wanted = {
                (table, stored_key(key))
                for table, key in _missing_parents(new)
                if (table, stored_key(key)) not in asked
            }
        return found

    def _settle(self, done: Sequence[Work], found: Found) -> None:
        """Make the copy's rows what the primary's became, and forget the entries."""
        sequences = [entry.sequence for work in done for entry in work.entries]
        with journal.as_feed():
            journal.forget(connections[SQLITE], sequences)
            self._refresh_all(found)
            if not journal.count(connections[SQLITE]):
                self._settle_what_waited()

    def _refresh_all(self, found: Found) -> None:
        gone: dict[str, list[UUID]] = {}
        changed = []
        for table, rule in rules().items():
            if table in found:
                keys, rows = found[table]
                wanted = [key_of(key) for key in keys if not _is_busy(table, key)]
                there = {key: rows[key] for key in wanted if key in rows}
                gone[table] = [key for key in wanted if key not in there]
                if rule.rebuild and _are_others(rule, wanted, there):
                    changed.append(rule.rebuild)
                write_copy(rule.model, [row for _, row in there.values()], but=rule.derived)
                note_versions(table, [(key, version) for key, (version, _) in there.items()])
        for table in reversed(rules()):
            if gone.get(table):
                # others may still point at it here until the feed brings what became of them
                model = rules()[table].model
                needed = needed_in_copy(model, gone[table])
                put_off(table, needed)
                delete_from_copy(model, [key for key in gone[table] if key not in needed])
        for rebuild in changed:
            rebuild(SQLITE)

    def _settle_what_waited(self) -> None:
        with connections[SQLITE].cursor() as cursor:
            cursor.execute("SELECT table_name, row_key FROM rodcorp_later")
            waiting = cursor.fetchall()
            cursor.execute("DELETE FROM rodcorp_later")
        self._refresh_all(self._read(waiting))


def _units(limit: int) -> Iterator[Work]:
    """Whole units from the beginning of the journal, about `limit` entries together."""
    copy = connections[SQLITE]
    entries = journal.entries(copy, limit=limit)
    if len(entries) == limit:
        entries += _rest_of(entries[-1])
    for unit, group in groupby(entries, key=lambda entry: entry.unit):
        yield Work(unit, list(group))


def _rest_of(last: Entry) -> list[Entry]:
    """The entries that still belong to the unit of this one."""
    rest: list[Entry] = []
    while more := journal.entries(
        connections[SQLITE], after=rest[-1].sequence if rest else last.sequence, limit=PAGE
    ):
        for entry in more:
            if entry.unit != last.unit:
                return rest
            rest.append(entry)
    return rest


def _changes(work: Work) -> Iterator[RowChange]:
    """What the unit did to each row. The journal keeps only how rows were before, so the row as
    the unit left it is the row as it is now, less what later units did."""
    by_row: dict[tuple[str, str], list[Entry]] = {}
    for entry in work.entries:
        if entry.table != MARKERS:
            by_row.setdefault((entry.table, entry.key), []).append(entry)
    for (table, key), entries in by_row.items():
        rule = rules()[table]
        stored = _stored(rule, key)
        for later in reversed(journal.later_entries(connections[SQLITE], table, key, work.last)):
            stored = _before(later, stored)
        ours = stored
        for entry in reversed(entries):
            stored = _before(entry, stored)
        change = RowChange(rule, key_of(key), _image(rule, stored), _image(rule, ours))
        if change.says_something:
            yield change


def _before(entry: Entry, after: dict[str, Any] | None) -> dict[str, Any] | None:
    if entry.operation == "I":
        return None
    return {**(after or {}), **(entry.base or {})}


def _image(rule: Rule, stored: dict[str, Any] | None) -> Row | None:
    return None if stored is None else from_copy(rule.model, stored)


def _stored(rule: Rule, key: str) -> dict[str, Any] | None:
    """A row of the copy as it is stored."""
    connection = connections[SQLITE]
    quote = connection.ops.quote_name
    table, column = rule.model._meta.db_table, str(rule.model._meta.pk.column)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quote(table)} WHERE {quote(column)} = %s", [key])
        row = cursor.fetchone()
        if row is None:
            return None
        return dict(zip([about[0] for about in cursor.description], row, strict=True))


def _markers_of(work: Work) -> list[UnitMarker]:
    keys = {key_of(entry.key) for entry in work.entries if entry.table == MARKERS}
    return list(UnitMarker.objects.using(SQLITE).filter(pk__in={*keys, UUID(work.unit)}))


def _touched(marker: UnitMarker) -> set[tuple[str, UUID]]:
    listed: dict[str, list[str]] = json.loads(marker.touched or "{}")
    return {(table, UUID(key)) for table, keys in listed.items() for key in keys}


def _may_pass(error: Exception, kind: Kind) -> bool:
    return isinstance(error, Raced) or kind is Kind.TRANSIENT


def _missing_parents(rows: dict[str, dict[UUID, Versioned]]) -> Iterator[tuple[str, UUID]]:
    """What rows of the primary point at and the copy does not have."""
    for table, found in rows.items():
        for each in fields_of(rules()[table].model):
            if not getattr(each, "db_constraint", False):
                continue
            keys = {row[each.attname] for _, row in found.values()} - {None}
            parents = each.related_model._base_manager.using(SQLITE)
            here = set(parents.filter(pk__in=keys).values_list("pk", flat=True))
            for key in keys - here:
                yield str(each.related_model._meta.db_table), key


def _are_others(rule: Rule, keys: Sequence[UUID], there: dict[UUID, Versioned]) -> bool:
    """Whether a row that counted here does not count there, or counts for something else."""
    here = read_copy(rule.model, keys)
    return here.keys() != there.keys() or any(
        differing(rule, row, there[key][1]) for key, row in here.items()
    )


def _is_busy(table: str, key: str) -> bool:
    with connections[SQLITE].cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM rodcorp_journal WHERE table_name = %s AND row_key = %s LIMIT 1",
            [table, key],
        )
        return cursor.fetchone() is not None
