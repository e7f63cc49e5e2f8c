"""The journal."""

from tests.rules.listed.where import (
    CONFIGURATION,
    FAILOVER,
    HERE,
    JOURNAL,
    MIGRATE,
    START,
    T_FAILOVER,
    T_GUARDS,
    T_JOURNAL,
    T_START,
    T_SWITCHING,
)
from tests.rules.rule import Rule, rule, without

THE_JOURNAL: tuple[Rule, ...] = (
    rule(
        "triggers-on-every-replicated-table",
        "Every replicated table journals inserts, updates and deletions, below the ORM.",
        without(
            JOURNAL,
            'for operation in ("insert", "update", "delete"):',
            'for operation in ("insert", "update"):',
            f"{T_JOURNAL}::test_every_replicated_table_has_its_three_triggers",
        ),
        without(
            f"{HERE}/replicated.py",
            'frozenset({"databases.host", "databases.outboxmessage"})',
            'frozenset({"databases.host", "databases.outboxmessage", "agents.agentskill"})',
            f"{T_JOURNAL}::test_all_rows_of_a_unit_carry_its_id",
        ),
    ),
    rule(
        "an-entry-has-its-unit",
        "All rows of a unit carry its id.",
        without(
            JOURNAL,
            "return unit.outermost.id.hex if unit else _writer.get()",
            "return unit.new_id().hex if unit else _writer.get()",
            f"{T_JOURNAL}::test_all_rows_of_a_unit_carry_its_id",
        ),
    ),
    rule(
        "an-entry-has-what-was-before",
        "The journal keeps the columns as they were, and the version they were read at.",
        without(
            JOURNAL,
            '"update": _changed(quote, columns),',
            '"update": "NULL",',
            f"{T_JOURNAL}::test_an_update_keeps_what_the_changed_columns_were",
        ),
        without(
            JOURNAL,
            'f"{base}, (SELECT version FROM rodcorp_versions "',
            'f"{base}, (SELECT NULL FROM rodcorp_versions "',
            f"{T_JOURNAL}::test_the_version_the_row_was_read_at_goes_with_it",
        ),
    ),
    rule(
        "no-sequence-comes-twice",
        "What was replayed is known by its number for ever.",
        without(
            JOURNAL,
            "sequence INTEGER PRIMARY KEY AUTOINCREMENT,",
            "sequence INTEGER PRIMARY KEY,",
            f"{T_JOURNAL}::test_replayed_entries_are_forgotten_and_numbers_never_used_again",
        ),
    ),
    rule(
        "only-the-feed-says-feed",
        "Anywhere else a writer who cannot name a unit is refused, not lost.",
        without(
            JOURNAL,
            "return unit.outermost.id.hex if unit else _writer.get()",
            "return unit.outermost.id.hex if unit else _writer.get() or FEED",
            f"{T_JOURNAL}::test_a_write_outside_a_unit_is_refused_and_not_lost",
        ),
        without(
            JOURNAL,
            "f\"SELECT RAISE(ABORT, '{NO_UNIT}') WHERE {WRITER_FUNCTION}() IS NULL; \"",
            '""',
            f"{T_SWITCHING}::test_a_foreign_write_to_the_copy_is_refused",
        ),
    ),
    rule(
        "a-foreign-program-is-refused",
        "The triggers call a function that only connections of ours have.",
        without(
            JOURNAL,
            'WRITER_FUNCTION = "rodcorp_writer"',
            'WRITER_FUNCTION = "random"',
            f"{T_JOURNAL}::test_a_foreign_program_is_refused",
        ),
    ),
    rule(
        "a-replaced-row-is-deleted-first",
        "recursive_triggers is ON: INSERT OR REPLACE deletes without it.",
        without(
            CONFIGURATION,
            "PRAGMA recursive_triggers=ON",
            "PRAGMA recursive_triggers=OFF",
            f"{T_JOURNAL}::test_a_replaced_row_is_journaled_as_deleted_and_inserted",
        ),
    ),
    rule(
        "the-copy-is-synced-in-full",
        "What the copy acknowledged survives a power loss.",
        without(
            CONFIGURATION,
            '_sqlite(data_dir / SQLITE_FILE, synchronous="FULL")',
            '_sqlite(data_dir / SQLITE_FILE, synchronous="NORMAL")',
            f"{T_JOURNAL}::test_what_is_committed_survives_a_power_loss",
        ),
    ),
    rule(
        "triggers-are-verified",
        "At start, before the copy takes over, and after migrations.",
        without(
            START,
            "    if journal.missing(copy):\n        journal.install(copy)",
            "    pass",
            f"{T_START}::test_triggers_that_were_lost_are_made_again",
        ),
        without(
            FAILOVER,
            "    if not journal.is_whole(copy):",
            "    if False:",
            f"{T_FAILOVER}::test_triggers_that_are_missing_are_made_before_the_copy_is_written_to",
        ),
        without(
            MIGRATE,
            "                journal.install(connections[SQLITE])",
            "                pass",
            f"{T_GUARDS}::test_after_a_migration_the_copy_has_its_triggers",
        ),
    ),
    rule(
        "without-a-primary-no-journal",
        "A company on SQLite alone has no triggers and pays for none.",
        without(
            MIGRATE,
            'if options["database"] == SQLITE and has_primary():',
            'if options["database"] == SQLITE:',
            f"{T_JOURNAL}::test_without_a_primary_there_is_no_journal",
        ),
    ),
    rule(
        "what-follows-from-other-rows-is-not-journaled",
        "An update of derived columns alone leaves no entry.",
        without(
            JOURNAL,
            "if f.attname not in derived]",
            "]",
            f"{T_JOURNAL}::test_what_follows_from_other_rows_is_not_journaled",
        ),
    ),
)
