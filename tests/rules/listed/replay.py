"""The replay."""

from tests.rules.listed.where import (
    HEALING,
    JOURNAL,
    MERGE,
    REPLAY,
    ROWVERSIONS,
    SYNC,
    T_DEPARTMENTS,
    T_HEALING,
    T_REPLAY,
    T_ROWVERSIONS,
    T_WATCHER,
    UNITS,
    WATCHER,
)
from tests.rules.rule import Rule, rule, without

THE_REPLAY: tuple[Rule, ...] = (
    rule(
        "units-come-home-in-their-order",
        "The journal is replayed in the order in which it was committed.",
        without(
            JOURNAL,
            '"FROM rodcorp_journal WHERE sequence > %s ORDER BY sequence LIMIT %s",',
            '"FROM rodcorp_journal WHERE sequence > %s ORDER BY sequence DESC LIMIT %s",',
            f"{T_REPLAY}::test_units_come_home_in_the_order_they_were_committed",
        ),
    ),
    rule(
        "a-unit-comes-home-in-one-transaction",
        "All of a unit is on the primary, or nothing of it.",
        without(
            REPLAY,
            "        with transaction.atomic(using=MSSQL):\n            if self._is_here",
            "        if True:\n            if self._is_here",
            f"{T_REPLAY}::test_of_a_unit_that_is_refused_nothing_is_left",
        ),
    ),
    rule(
        "a-unit-of-another-epoch-does-not-come-home",
        "Who leads home at an epoch that is over changes nothing.",
        without(
            REPLAY,
            "mine.filter(epoch=self.epoch, replayed_sequence__lt=work.last)",
            "mine.filter(replayed_sequence__lt=work.last)",
            f"{T_REPLAY}::test_an_older_epoch_brings_nothing_home",
        ),
    ),
    rule(
        "the-primary-knows-what-was-replayed",
        "After a crash between the two commits nothing is applied twice.",
        without(
            REPLAY,
            "mine.filter(epoch=self.epoch, replayed_sequence__lt=work.last)",
            "mine.filter(epoch=self.epoch)",
            f"{T_REPLAY}::test_what_is_home_does_not_come_again_even_without_its_marker",
        ),
        without(
            REPLAY,
            "                return\n            markers = _markers_of(work)",
            "                pass\n            markers = _markers_of(work)",
            f"{T_REPLAY}::test_what_is_home_does_not_come_again_even_without_its_marker",
        ),
    ),
    rule(
        "a-unit-brings-its-marker-home",
        "A key that was used on the copy was used on the primary, with its answer.",
        without(
            REPLAY,
            "        marker.save(force_insert=True, using=MSSQL)\n",
            "",
            f"{T_REPLAY}::test_a_key_that_was_used_here_is_used_up_there",
        ),
    ),
    rule(
        "parents-before-children",
        "Rows are brought parents first, and deleted children first.",
        without(
            REPLAY,
            "        present.sort(key=lambda change: order.index(change.table))",
            "        present.sort(key=lambda change: -order.index(change.table))",
            f"{T_REPLAY}::test_parents_are_made_before_their_children",
        ),
        without(
            REPLAY,
            "sorted(gone, key=lambda change: -order.index(change.table))",
            "sorted(gone, key=lambda change: order.index(change.table))",
            f"{T_REPLAY}::test_children_are_deleted_before_their_parents",
        ),
    ),
    rule(
        "a-write-needs-the-version-it-merged-with",
        "A row that somebody changed in between is read and merged again.",
        without(
            REPLAY,
            "if values and self.source.guarded(rule, change.key, version).update(**values) != 1:",
            "every = rule.model._base_manager.using(MSSQL).filter(pk=change.key)\n"
            "        if values and every.update(**values) != 1:",
            f"{T_REPLAY}::test_a_row_that_changes_between_reading_and_writing_is_merged_again",
        ),
        without(
            REPLAY,
            "        mine = self.source.guarded(rule, change.key, version)\n",
            "        mine = rule.model._base_manager.using(MSSQL).filter(pk=change.key)\n",
            f"{T_REPLAY}::test_a_row_that_changes_before_it_is_deleted_stays",
        ),
        without(
            ROWVERSIONS,
            "        return every.filter(pk=key).extra(where=[at])",
            "        assert at\n        return every.filter(pk=key)",
            f"{T_ROWVERSIONS}::test_a_guarded_row_is_written_only_at_its_version",
        ),
    ),
    rule(
        "a-row-equal-to-its-base-is-unchanged",
        "Whatever its version: what counts is what it holds.",
        without(
            MERGE,
            "        elif all(theirs[name] == base.get(name, theirs[name]) for name in group):",
            "        elif False:",
            f"{T_REPLAY}::test_a_row_that_came_back_to_what_it_was_counts_as_unchanged",
        ),
        without(
            REPLAY,
            "        if not is_unchanged(rule, change.base, theirs):",
            "        if version != change.key.int:",
            f"{T_REPLAY}::test_a_deletion_comes_home",
        ),
    ),
    rule(
        "what-leaves-the-journal-is-read-again",
        "A unit that was skipped or lost leaves no ghost on the copy.",
        without(
            REPLAY,
            "            self._refresh_all(found)\n            if not",
            "            if not",
            f"{T_REPLAY}::"
            "test_what_the_primary_refuses_is_quarantined_with_its_marker_and_the_rest_goes_on",
        ),
        without(
            f"{SYNC}/images.py",
            "cursor.executemany(sql, [[stored_key(each)] for each in keys])",
            "cursor.executemany(sql, [[stored_key(each)] for each in keys if not sql])",
            f"{T_REPLAY}::"
            "test_what_the_primary_refuses_is_quarantined_with_its_marker_and_the_rest_goes_on",
        ),
    ),
    rule(
        "strays-are-replayed-at-once",
        "Unreplayed rows that are found in mode `primary` are brought home.",
        without(
            WATCHER,
            "            self._healer.bring_strays()",
            "            pass",
            f"{T_WATCHER}::test_rows_left_behind_in_mode_primary_are_replayed_at_once",
        ),
    ),
    rule(
        "an-update-is-never-turned-into-an-insert",
        "What was deleted on the primary stays deleted.",
        without(
            REPLAY,
            "        if found is None and change.base is not None:",
            "        if False:",
            f"{T_REPLAY}::test_an_update_of_what_was_deleted_there_inserts_nothing",
        ),
    ),
    rule(
        "what-others-point-at-is-retired",
        "Not deleted.",
        without(
            REPLAY,
            "done = mine.update(**rule.retire) if rule.retire else mine._raw_delete(MSSQL)",
            "done = mine._raw_delete(MSSQL)",
            f"{T_REPLAY}::test_who_was_deleted_here_is_retired_there",
        ),
    ),
    rule(
        "update-beats-delete",
        "What somebody changed on the primary is not deleted.",
        without(
            REPLAY,
            "        if not is_unchanged(rule, change.base, theirs):",
            "        if False:",
            f"{T_REPLAY}::test_an_update_beats_a_deletion",
        ),
    ),
    rule(
        "what-cannot-be-applied-is-quarantined",
        "With what depends on it; everything else goes on.",
        without(
            REPLAY,
            "                elif failure.kind in (Kind.DUPLICATE, Kind.DATA):",
            "                elif failure.kind in (Kind.FOREIGN,):",
            f"{T_REPLAY}::"
            "test_what_the_primary_refuses_is_quarantined_with_its_marker_and_the_rest_goes_on",
            f"{T_REPLAY}::test_what_depends_on_a_quarantined_unit_is_quarantined_too",
        ),
    ),
    rule(
        "a-quarantined-unit-leaves-its-marker",
        "So that a client's retry gets its answer.",
        without(
            REPLAY,
            "        self._in_one_transaction(work, lambda work, marker: self._quarantine(work, marker, reason))",
            "        self._quarantine(work, UnitMarker(pk=UUID(work.unit), created_at=timezone.now()), reason)",
            f"{T_REPLAY}::"
            "test_what_the_primary_refuses_is_quarantined_with_its_marker_and_the_rest_goes_on",
        ),
    ),
    rule(
        "the-actor-must-still-be-allowed",
        "Who was locked out or retired meanwhile changes nothing more.",
        without(
            REPLAY,
            "        if reason := reason_against(marker.caller, MSSQL):",
            '        if (reason := reason_against(marker.caller, MSSQL)) == "never":',
            f"{T_DEPARTMENTS}::test_a_unit_of_somebody_who_was_locked_out_meanwhile_is_a_conflict",
        ),
        without(
            "rodcorp/people/sync.py",
            'return "" if found.is_active else "the user was locked out meanwhile"',
            'return ""',
            f"{T_DEPARTMENTS}::test_a_unit_of_somebody_who_was_locked_out_meanwhile_is_a_conflict",
        ),
        without(
            "agents/sync.py",
            'return "the agent was retired meanwhile" if found.status == AgentStatus.RETIRED else ""',
            'return ""',
            f"{T_DEPARTMENTS}::test_a_unit_of_an_agent_who_was_retired_meanwhile_is_a_conflict",
        ),
    ),
    rule(
        "a-closed-cycle-takes-no-more-rows",
        "A ledger row for it is booked in the open one and keeps its date.",
        without(
            "payroll/sync.py",
            "        prepare=_book_in_open_cycle,\n",
            "",
            f"{T_DEPARTMENTS}::"
            "test_a_ledger_row_for_a_cycle_that_was_closed_meanwhile_is_booked_in_the_open_one",
        ),
    ),
    rule(
        "a-link-that-breaks-leads-back-to-the-copy",
        "What was replayed stays replayed, and the way home is tried again later and later.",
        without(
            HEALING,
            "                self._give_up(state.epoch, type(error).__name__)\n",
            "                assert error\n",
            f"{T_REPLAY}::test_a_link_that_breaks_on_the_way_home_leads_back_and_loses_nothing",
        ),
        without(
            WATCHER,
            "        self._backoff = min(self._backoff * 2, MAX_BACKOFF_S)\n",
            "",
            f"{T_WATCHER}::test_after_a_way_home_that_failed_it_waits_longer_each_time",
        ),
    ),
    rule(
        "arrivals-are-slowed-while-the-backlog-grows",
        "Units on the copy keep the pace at which they can be brought home.",
        without(
            HEALING,
            "        mode_file().set_pace(self._pace)\n",
            "",
            f"{T_HEALING}::test_who_writes_faster_than_can_be_replayed_is_slowed",
        ),
        without(
            UNITS,
            "        time.sleep(unit.side.pace)",
            "        pass",
            f"{T_HEALING}::test_a_unit_on_the_copy_keeps_the_pace",
        ),
        without(
            HEALING,
            "                modes.set_pace(0.0)\n",
            "",
            f"{T_HEALING}::test_at_home_nobody_is_slowed",
        ),
    ),
)
