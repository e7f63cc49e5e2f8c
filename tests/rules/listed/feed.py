"""The feed."""

from tests.rules.listed.where import (
    ELIGIBILITY,
    FEED,
    MIDDLEWARE,
    REPLAY,
    ROWVERSIONS,
    START,
    T_FAILOVER,
    T_FEED,
    T_RATINGS,
    T_REQUESTS,
    T_ROWVERSIONS,
    T_START,
    T_WATCHER,
    WATCHER,
)
from tests.rules.rule import Edit, Rule, rule, without

THE_FEED: tuple[Rule, ...] = (
    rule(
        "every-replicated-table-has-versions",
        "A `rowversion` and its index on every replicated table.",
        without(
            ROWVERSIONS,
            "            if table.lower() not in columns:\n",
            "            if not rule.append_only and table.lower() not in columns:\n",
            f"{T_ROWVERSIONS}::test_every_replicated_table_gets_versions_and_a_trigger",
        ),
    ),
    rule(
        "deletions-leave-tombstones",
        "A trigger keeps the keys of deleted rows, each with a version of its own.",
        without(
            ROWVERSIONS,
            "                yield _trigger(table, str(rule.model._meta.pk.column))",
            "                pass",
            f"{T_ROWVERSIONS}::test_every_replicated_table_gets_versions_and_a_trigger",
        ),
        without(
            ROWVERSIONS,
            "    [{COLUMN}] ROWVERSION NOT NULL)\n",
            "    [{COLUMN}] BIGINT NOT NULL)\n",
            f"{T_ROWVERSIONS}::test_a_tombstone_has_a_version_of_its_own",
        ),
        without(
            ROWVERSIONS,
            "deleted = self._deleted(cursor, by_table)",
            "deleted: dict[str, list[tuple[UUID, int]]] = {}",
            f"{T_ROWVERSIONS}::test_tombstones_arrive_with_the_rows",
        ),
    ),
    rule(
        "the-lowest-active-version-is-read-first",
        "MIN_ACTIVE_ROWVERSION is read before the snapshot begins, and is where the next begins.",
        without(
            ROWVERSIONS,
            "        return Pull(low - 1, rows, deleted)",
            "        return Pull(self.low_water() - 1, rows, deleted)",
            f"{T_ROWVERSIONS}::test_the_lowest_active_version_is_asked_for_before_the_snapshot",
            also=(Edit(ROWVERSIONS, "        low = self.low_water()\n", ""),),
        ),
        without(
            ROWVERSIONS,
            "        return Pull(low - 1, rows, deleted)",
            "        return Pull(\n"
            "            max([low - 1, *(v for each in rows.values() for v, _ in each)]),\n"
            "            rows, deleted,\n"
            "        )",
            f"{T_ROWVERSIONS}::test_the_next_pull_begins_where_this_ones_transactions_may_still_be",
        ),
    ),
    rule(
        "rows-are-read-without-an-upper-bound",
        "As an upper bound the lowest active version would tear units apart.",
        without(
            ROWVERSIONS,
            'above = f"[{table}].[{COLUMN}] > {_literal(cursor)}"',
            'above = f"[{table}].[{COLUMN}] > {_literal(cursor)} AND [{table}].[{COLUMN}] < 9"',
            f"{T_ROWVERSIONS}::test_rows_are_read_from_the_cursor_on_without_an_upper_bound",
        ),
        without(
            ROWVERSIONS,
            'f"WHERE [{COLUMN}] > {_literal(cursor)}"\n        ):',
            'f"WHERE [{COLUMN}] > {_literal(cursor)} AND [{COLUMN}] < 9"\n        ):',
            f"{T_ROWVERSIONS}::test_rows_are_read_from_the_cursor_on_without_an_upper_bound",
        ),
    ),
    rule(
        "all-tables-are-read-in-one-snapshot",
        "One transaction, under SNAPSHOT isolation.",
        without(
            ROWVERSIONS,
            'self._run("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")',
            'self._run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")',
            f"{T_ROWVERSIONS}::test_all_tables_are_read_in_one_snapshot",
        ),
        without(
            ROWVERSIONS,
            "            with transaction.atomic(using=MSSQL):",
            "            if True:",
            f"{T_ROWVERSIONS}::test_all_tables_are_read_in_one_snapshot",
        ),
    ),
    rule(
        "snapshots-are-allowed",
        "A start says when the server allows no snapshots.",
        without(
            START,
            "if connections[MSSQL].vendor == MICROSOFT and not snapshots_are_allowed():",
            "if False:",
            f"{T_START}::test_a_server_that_allows_no_snapshots_is_told_of",
        ),
    ),
    rule(
        "no-hint-skips-rows",
        "READPAST and NOLOCK are forbidden in the feed.",
        without(
            ROWVERSIONS,
            'SELECT 1 FROM [{name}] "',
            'SELECT 1 FROM [{name}] WITH (READPAST) "',
            f"{T_ROWVERSIONS}::test_no_hint_skips_what_is_locked",
        ),
    ),
    rule(
        "a-batch-is-fetched-before-the-copy-is-locked",
        "Nobody who writes to the copy waits for the primary.",
        without(
            FEED,
            "        pulled = self.source.pull(cursor, rules().values())\n"
            "        self._apply(pulled, cursor",
            "        with transaction.atomic(using=SQLITE):\n"
            "            pulled = self.source.pull(cursor, rules().values())\n"
            "        self._apply(pulled, cursor",
            f"{T_FEED}::test_the_copy_is_not_locked_while_the_primary_is_asked",
        ),
    ),
    rule(
        "a-batch-is-applied-in-one-transaction",
        "The copy has all of a pull or nothing.",
        without(
            FEED,
            "        with transaction.atomic(using=SQLITE), journal.as_feed():",
            "        with journal.as_feed():",
            f"{T_FEED}::test_a_pull_that_breaks_leaves_nothing",
        ),
    ),
    rule(
        "a-batch-counts-only-at-its-cursor",
        "A pull commits only if the cursor is where it began.",
        without(
            FEED,
            "            if self.cursor() != expected:\n                raise FeedLost",
            "            self.cursor()",
            f"{T_FEED}::test_a_pull_whose_cursor_moved_is_thrown_away",
        ),
    ),
    rule(
        "only-one-feeds",
        "A pull commits only under its own lease.",
        without(
            FEED,
            '"SELECT cursor FROM rodcorp_copy WHERE lease = %s", [self._lease]',
            '"SELECT cursor FROM rodcorp_copy"',
            f"{T_FEED}::test_a_second_feed_ends_the_first",
        ),
    ),
    rule(
        "rows-with-unreplayed-changes-are-left-alone",
        "What was written here waits for the replay, and the feed with it.",
        without(
            FEED,
            "(table, row[key.attname]) not in busy and version > known.get(row[key.attname], -1)",
            "version > known.get(row[key.attname], -1)",
            f"{T_FEED}::test_rows_that_were_written_here_are_left_alone_until_they_are_replayed",
        ),
        without(
            FEED,
            "if (table, key) not in busy and version > known.get(key, -1)",
            "if version > known.get(key, -1)",
            f"{T_FEED}::test_a_deletion_there_leaves_what_was_written_here_alone",
        ),
    ),
    rule(
        "parents-that-are-needed-stay",
        "A parent that such rows need is not deleted under them; replay settles it.",
        without(
            FEED,
            "needed = [key for key, _ in newer if busy.needs(table, key)]",
            "needed: list[UUID] = []",
            f"{T_FEED}::test_a_parent_that_rows_written_here_need_is_not_deleted_under_them",
        ),
        without(
            REPLAY,
            "                self._settle_what_waited()",
            "                pass",
            f"{T_FEED}::test_a_parent_that_was_kept_goes_once_the_journal_is_home",
        ),
    ),
    rule(
        "a-row-is-applied-if-its-version-is-higher",
        "An older version never replaces a newer one.",
        without(
            FEED,
            "(table, row[key.attname]) not in busy and version > known.get(row[key.attname], -1)",
            "(table, row[key.attname]) not in busy",
            f"{T_FEED}::test_an_older_version_of_a_row_never_replaces_a_newer_one",
        ),
    ),
    rule(
        "a-tombstone-applies-if-its-version-is-higher",
        "A row that was made again outlives its old tombstone.",
        without(
            FEED,
            "if (table, key) not in busy and version > known.get(key, -1)",
            "if (table, key) not in busy",
            f"{T_FEED}::test_an_older_tombstone_does_not_delete_a_row_that_was_made_again",
        ),
    ),
    rule(
        "append-only-rows-are-inserted-if-absent",
        "A row of the ledger that is here never changes.",
        without(
            FEED,
            "new if keeps else rows, but=rule.derived",
            "rows, but=rule.derived",
            f"{T_FEED}::test_a_row_that_is_only_ever_added_is_never_changed",
        ),
    ),
    rule(
        "what-follows-from-deleted-rows-is-made-anew",
        "A balance, a total or a rating no longer counts what is gone there.",
        without(
            FEED,
            "                if gone and rule.rebuild:\n",
            "                if False:\n",
            f"{T_RATINGS}::test_what_was_deleted_there_counts_no_more_here",
        ),
    ),
    rule(
        "derived-columns-are-never-copied",
        "Balances, totals and ratings follow from rows.",
        without(
            FEED,
            "new if keeps else rows, but=rule.derived)\n            if",
            "new if keeps else rows, but=frozenset())\n            if",
            f"{T_FEED}::test_balances_and_totals_follow_from_the_ledger_and_are_not_copied",
            also=(
                Edit(
                    FEED,
                    "            write_copy(rule.model, rows, but=rule.derived)\n        note",
                    "            write_copy(rule.model, rows, but=frozenset())\n        note",
                ),
            ),
        ),
    ),
    rule(
        "each-ledger-row-that-arrives-applies-its-delta",
        "Once, however often it arrives.",
        without(
            FEED,
            "                rule.after_insert(SQLITE, new)",
            "                rule.after_insert(SQLITE, rows)",
            f"{T_FEED}::test_a_ledger_row_that_is_here_already_moves_no_balance_again",
        ),
        without(
            FEED,
            "                rule.after_insert(SQLITE, new)",
            "                pass",
            f"{T_FEED}::test_balances_and_totals_follow_from_the_ledger_and_are_not_copied",
        ),
    ),
    rule(
        "sizes-are-compared-every-minute",
        "Counts and highest versions; a difference fills the copy anew.",
        without(
            WATCHER,
            "            self._compare()\n        self._say",
            "            pass\n        self._say",
            f"{T_WATCHER}::test_a_copy_that_differs_is_filled_anew",
        ),
        without(
            FEED,
            "if here[table] != there[table] and",
            "if here[table].count != there[table].count and",
            f"{T_FEED}::test_a_table_whose_highest_version_is_another_differs",
        ),
        without(
            FEED,
            "            for table, rule in reversed(rules().items()):\n"
            "                gone = pulled.deleted.get(table, [])\n"
            "                if is_complete:",
            "            for table, rule in reversed(rules().items()):\n"
            "                gone = pulled.deleted.get(table, [])\n"
            "                if False:",
            f"{T_WATCHER}::test_a_copy_that_differs_is_filled_anew",
        ),
        without(
            FEED,
            '        cursor.execute("DELETE FROM rodcorp_versions")\n',
            "",
            f"{T_FEED}::test_filled_anew_the_copy_has_what_was_lost_here",
        ),
    ),
    rule(
        "the-copy-may-stand-in-after-a-complete-pull",
        "Until then an outage is an error that says when to come back.",
        without(
            ELIGIBILITY,
            "        if seen or has_seen_primary:\n",
            "        if False:\n",
            f"{T_FAILOVER}::test_a_copy_that_was_never_filled_does_not_stand_in",
            f"{T_REQUESTS}::test_without_a_copy_that_may_stand_in_the_page_says_when_to_come_back",
        ),
        without(
            FEED,
            "                eligibility.note_complete(connection)",
            "                pass",
            f"{T_FEED}::test_the_first_pull_brings_everything_and_makes_the_copy_eligible",
        ),
        without(
            MIDDLEWARE,
            '    response["Retry-After"] =',
            '    response["X-Later"] =',
            f"{T_REQUESTS}::test_without_a_copy_that_may_stand_in_the_page_says_when_to_come_back",
        ),
    ),
    rule(
        "the-copy-stands-in-at-its-own-schema-only",
        "A complete pull counts for the code's revision of the schema.",
        without(
            ELIGIBILITY,
            "if revision != schema_revision():",
            "if False:",
            f"{T_FAILOVER}::test_a_copy_of_another_schema_does_not_stand_in",
        ),
    ),
    rule(
        "a-host-that-never-saw-the-primary-starts-empty",
        "It has nothing to be behind of; either of its two files remembers that it did.",
        without(
            ELIGIBILITY,
            "        if seen or has_seen_primary:\n",
            "        if True:\n",
            f"{T_START}::test_a_host_that_has_never_seen_the_primary_starts_on_its_empty_copy",
        ),
        without(
            ELIGIBILITY,
            "        if seen or has_seen_primary:\n",
            "        if has_seen_primary:\n",
            f"{T_FAILOVER}::test_either_file_remembers_that_the_primary_was_seen",
        ),
        without(
            ELIGIBILITY,
            "        if seen or has_seen_primary:\n",
            "        if seen:\n",
            f"{T_FAILOVER}::test_either_file_remembers_that_the_primary_was_seen",
        ),
    ),
)
