"""Mode, epoch and fence."""

from tests.rules.listed.where import (
    FAILOVER,
    FENCE,
    HEALING,
    HOSTS,
    JOURNAL,
    MARKERS,
    MODE,
    ROUTER,
    SIDES,
    SWITCHING,
    T_CHECKS,
    T_HEALING,
    T_MODE,
    T_REPLAY,
    T_SWITCHING,
    T_UNKNOWN,
)
from tests.rules.rule import Edit, Rule, rule, without

MODES: tuple[Rule, ...] = (
    rule(
        "the-mode-changes-by-compare-and-set",
        "The mode changes only from the epoch that was read, in one statement.",
        without(
            MODE,
            '"WHERE epoch = ? AND mode = ?"',
            '"WHERE ? IS NOT NULL AND ? IS NOT NULL"',
            f"{T_MODE}::test_of_eight_racing_processes_exactly_one_wins_each_epoch",
        ),
        without(
            MODE,
            "if state.epoch != expected_epoch:\n            return False",
            "if False:\n            return False",
            f"{T_MODE}::test_who_comes_late_changes_nothing",
        ),
    ),
    rule(
        "the-epoch-only-grows",
        "No epoch comes twice, not even by hand.",
        without(
            MODE,
            "WHEN new.epoch <= old.epoch BEGIN",
            "WHEN 0 BEGIN",
            f"{T_MODE}::test_the_epoch_never_goes_back_not_even_by_hand",
        ),
    ),
    rule(
        "the-way-back-leads-through-healing",
        "From the copy nobody goes back to the primary but through `healing`.",
        without(
            MODE,
            "(Mode.FALLBACK, Mode.HEALING),",
            "(Mode.FALLBACK, Mode.HEALING), (Mode.FALLBACK, Mode.PRIMARY),",
            f"{T_MODE}::test_there_is_no_way_back_but_through_healing",
        ),
    ),
    rule(
        "while-healing-the-copy-is-written-to",
        "In `healing` writes still go to the copy.",
        without(
            SIDES,
            "alias = MSSQL if state.mode is Mode.PRIMARY else SQLITE",
            "alias = SQLITE if state.mode is Mode.FALLBACK else MSSQL",
            f"{T_REPLAY}::test_writes_go_on_while_the_journal_is_replayed",
        ),
    ),
    rule(
        "the-mode-survives-a-power-loss",
        "The mode file is read in autocommit and synced in full.",
        without(
            MODE,
            "PRAGMA synchronous=EXTRA",
            "PRAGMA synchronous=NORMAL",
            f"{T_MODE}::test_a_switch_survives_a_power_loss",
        ),
        without(
            MODE,
            "timeout=BUSY_TIMEOUT_S, isolation_level=None",
            'timeout=BUSY_TIMEOUT_S, isolation_level="DEFERRED"',
            f"{T_MODE}::test_a_switch_survives_a_power_loss",
        ),
    ),
    rule(
        "what-belongs-to-a-host-lives-elsewhere",
        "Queue, sessions, lockouts, groups and permissions are in a file of this host's own.",
        without(
            ROUTER,
            '{"admin", "auth", "axes", "contenttypes", "django_q", "kit", "sessions"}',
            '{"admin", "auth", "contenttypes", "kit"}',
            f"{T_CHECKS}::test_what_belongs_to_a_host_is_in_its_own_file",
            also=(
                Edit(
                    ROUTER,
                    'frozenset({"databases", "people",',
                    'frozenset({"axes", "django_q", "sessions", "databases", "people",',
                ),
            ),
        ),
        without(
            ROUTER,
            "        if app_label in HOST_LOCAL_APPS:\n            return db == LOCAL\n",
            "",
            f"{T_CHECKS}::test_what_belongs_to_a_host_is_in_its_own_file",
        ),
    ),
    rule(
        "the-admin-keeps-no-log",
        "The admin's own log is never made: the history tables are the audit.",
        without(
            ROUTER,
            "        if app_label in _WITHOUT_TABLES:\n            return False\n",
            "",
            f"{T_CHECKS}::test_the_admins_own_log_is_never_made",
        ),
    ),
    rule(
        "every-write-obeys-the-fence",
        "The triggers read the fence, so that a statement outside any transaction obeys it.",
        without(
            JOURNAL,
            'FROM rodcorp_fence WHERE is_open = 0; "',
            'FROM rodcorp_fence WHERE is_open = 7; "',
            f"{T_SWITCHING}::test_a_statement_outside_any_transaction_obeys_the_fence_too",
        ),
    ),
    rule(
        "a-unit-passes-the-fence-at-its-own-epoch",
        "A unit that began before the fence closed does not write after it.",
        without(
            FENCE,
            "elif found != (True, epoch):\n        raise Fenced",
            "elif found != (True, epoch):\n        pass",
            f"{T_SWITCHING}::test_a_unit_cannot_pass_a_fence_that_closed_meanwhile",
        ),
    ),
    rule(
        "the-fence-opens-for-a-higher-epoch-only",
        "A fence is opened only if its epoch is lower.",
        without(
            FENCE,
            'epoch = %s WHERE epoch < %s"',
            'epoch = %s WHERE epoch <> %s"',
            f"{T_SWITCHING}::test_a_fence_is_not_opened_again_for_an_epoch_that_is_over",
        ),
    ),
    rule(
        "any-unit-opens-the-fence",
        "Whoever writes first after a switch opens the fence.",
        without(
            FENCE,
            "_write(connection, Fence(is_open=True, epoch=epoch))",
            "raise Fenced",
            f"{T_SWITCHING}::test_an_operator_leads_to_the_copy_and_says_why",
            also=(Edit(FAILOVER, "fence.open_if_lower(copy, state.epoch)", "pass"),),
        ),
    ),
    rule(
        "to-the-copy-the-mode-changes-first",
        "The fence stays closed until the mode file says `fallback`.",
        without(
            FAILOVER,
            "        if modes.change(Mode.FALLBACK, side.epoch, reason):",
            "        fence.open_if_lower(connections[SQLITE], side.epoch + 1)\n"
            "        if modes.change(Mode.FALLBACK, side.epoch, reason):",
            f"{T_SWITCHING}::test_on_the_way_to_the_copy_the_mode_changes_before_the_fence_opens",
        ),
    ),
    rule(
        "to-the-primary-the-fence-closes-first",
        "The fence is closed and committed before the mode file says `primary`.",
        without(
            HEALING,
            "            fence.close(connections[SQLITE], epoch + 1)",
            '            mode_file().change(Mode.PRIMARY, epoch, "early")\n'
            "            fence.close(connections[SQLITE], epoch + 1)",
            f"{T_HEALING}::test_the_fence_is_closed_before_the_mode_changes",
        ),
        without(
            SWITCHING,
            "        fence.close(copy, epoch + 1)",
            '        mode_file().change(Mode.PRIMARY, epoch, "early")\n'
            "        fence.close(copy, epoch + 1)",
            f"{T_SWITCHING}::test_by_hand_too_the_fence_is_closed_before_the_mode_changes",
        ),
        without(
            HEALING,
            "            fence.close(connections[SQLITE], epoch + 1)",
            "            pass",
            f"{T_HEALING}::test_the_fence_is_closed_before_the_mode_changes",
        ),
    ),
    rule(
        "the-tail-and-the-fence-are-one-transaction",
        "What was found to be replayed stays all there is: nobody writes before the fence closes.",
        without(
            HEALING,
            "        with transaction.atomic(using=SQLITE), holder.recorded(settings.DATA_DIR):\n            while journal.count",
            "        if True:\n            while journal.count",
            f"{T_HEALING}::test_nobody_writes_while_the_tail_is_replayed",
        ),
    ),
    rule(
        "a-switch-back-that-was-cut-short-is-finished",
        "Between the closed fence and the mode a host may die; the next one finishes.",
        without(
            FAILOVER,
            'modes.change(Mode.PRIMARY, state.epoch, "a switch back that was under way',
            '(lambda *a: None)(Mode.PRIMARY, state.epoch, "a switch back that was under way',
            f"{T_SWITCHING}::"
            "test_a_switch_back_that_was_cut_short_is_finished_by_whoever_writes_next",
        ),
    ),
    rule(
        "a-lost-mode-file-comes-from-the-fence",
        "If the mode file is lost, the fence says what the mode was.",
        without(
            SIDES,
            "mode = Mode.FALLBACK if left.is_open else Mode.PRIMARY",
            "mode = Mode.PRIMARY",
            f"{T_SWITCHING}::test_a_mode_file_that_was_lost_is_made_again_from_the_fence",
        ),
    ),
    rule(
        "a-marker-fails-on-a-newer-epoch",
        "On the primary a unit's marker is refused once the host's row has a newer epoch.",
        without(
            MARKERS,
            '{epoch} <= %s"',
            '{epoch} <> -1 - %s"',
            f"{T_SWITCHING}::test_a_unit_that_slept_through_a_switch_there_and_back"
            "_runs_again_before_it_commits",
        ),
    ),
    rule(
        "a-marker-locks-the-hosts-row",
        "The host's row is read under a shared lock that lasts until the commit.",
        without(
            MARKERS,
            '" WITH (REPEATABLEREAD, ROWLOCK)" if vendor',
            '"" if vendor',
            f"{T_UNKNOWN}::test_a_marker_reads_the_hosts_row_under_a_lock_of_its_transaction",
        ),
    ),
    rule(
        "the-primary-learns-the-epoch-before-the-first-replay",
        "Who leads home raises the epoch of the host's row before anything else.",
        without(
            HEALING,
            "        hosts.raise_epoch(epoch)\n        replay = Replay(self.source, epoch, self._alive)\n",
            "        replay = Replay(self.source, epoch, self._alive)\n",
            f"{T_HEALING}::test_the_primary_knows_the_epoch_though_nothing_was_written",
        ),
        without(
            SWITCHING,
            "    hosts.raise_epoch(epoch)\n",
            "",
            f"{T_SWITCHING}::test_by_hand_too_the_primary_learns_the_epoch",
        ),
    ),
    rule(
        "the-hosts-row-never-goes-back",
        "The epoch of a host's row on the primary only grows.",
        without(
            HOSTS,
            ", epoch__lt=epoch)",
            ")",
            f"{T_SWITCHING}::test_the_primarys_row_of_a_host_never_goes_back",
        ),
    ),
)
