"""Every rule by which SQL Server (the primary) and this host's file (the copy) are one database, in
the order in which they are needed, with what takes it out and who notices."""

from tests.rules.rule import Edit, Rule, rule, without

HERE = "rodcorp/databases"
SYNC = f"{HERE}/sync"

BEACON, CLOCK, CONFIGURATION = f"{SYNC}/beacon.py", f"{HERE}/clock.py", f"{HERE}/configuration.py"
ELIGIBILITY, FAILOVER, FENCE = f"{HERE}/eligibility.py", f"{HERE}/failover.py", f"{HERE}/fence.py"
CODES, FEED, HEALING = f"{HERE}/failure_codes.py", f"{SYNC}/feed.py", f"{SYNC}/healing.py"
HOSTS, JOURNAL, MARKERS = f"{HERE}/hosts.py", f"{HERE}/journal.py", f"{HERE}/markers.py"
MERGE, MIDDLEWARE, MODE = f"{SYNC}/merge.py", f"{HERE}/middleware.py", f"{HERE}/mode.py"
MIGRATE, PRIMARY = f"{HERE}/management/commands/migrate.py", f"{HERE}/primary.py"
PROBE, PROTECTION, REACH = f"{HERE}/probe.py", f"{HERE}/protection.py", f"{HERE}/reach.py"
REPEATABLE, REPLAY = f"{HERE}/repeatable.py", f"{SYNC}/replay.py"
ROUTER, ROWVERSIONS, SIDES = f"{HERE}/router.py", f"{SYNC}/rowversions.py", f"{HERE}/sides.py"
SWITCHING, UNITS, WATCHER = f"{HERE}/switching.py", f"{HERE}/units.py", f"{SYNC}/watcher.py"
ADMISSION, CHECKS = f"{HERE}/admission.py", f"{HERE}/checks.py"
HOUSEKEEPING, COMPARE = f"{HERE}/housekeeping.py", f"{SYNC}/compare.py"
JOBS, ROWS, START = "rodcorp/kit/jobs.py", "rodcorp/kit/rows.py", "rodcorp/operations/start.py"
LEDGER, TASKS = "payroll/services/ledger.py", "tasks/sync.py"

T_UNITS, T_MODE = "tests/databases/test_units.py", "tests/databases/test_mode.py"
T_SWITCHING, T_FAILOVER = "tests/databases/test_switching.py", "tests/databases/test_failover.py"
T_UNKNOWN, T_MATRIX = (
    "tests/databases/test_unknown_commits.py",
    "tests/databases/test_fault_matrix.py",
)
T_JOURNAL, T_REQUESTS = "tests/databases/test_journal.py", "tests/databases/test_requests.py"
T_ADMISSION, T_PROBE = "tests/databases/test_admission.py", "tests/databases/test_probe.py"
T_PRIMARY, T_BACKEND = "tests/databases/test_primary.py", "tests/databases/test_backend.py"
T_FEED, T_REPLAY = "tests/sync/test_feed.py", "tests/sync/test_replay.py"
T_DEPARTMENTS, T_GUARDS = "tests/sync/test_departments.py", "tests/sync/test_guards.py"
T_WATCHER, T_RESTORING = "tests/sync/test_watcher.py", "tests/sync/test_restoring.py"
T_ROWVERSIONS, T_HEALING = "tests/sync/test_rowversions.py", "tests/sync/test_healing.py"
T_START, T_JOBS = "tests/operations/test_start.py", "tests/kit/test_jobs.py"
T_COMMANDS, T_REACH = "tests/sync/test_commands.py", "tests/databases/test_reach.py"
T_FIGURES, T_CHECKS = "tests/rules/test_figures.py", "tests/databases/test_checks.py"
T_FAILURES, T_HOLDER = "tests/databases/test_failures.py", "tests/databases/test_holder.py"

OVERDRAWN = (
    f"{T_DEPARTMENTS}::"
    "test_two_sides_that_spent_the_same_coins_overdraw_the_account_and_a_person_is_told"
)
PROMISED = f"{T_FIGURES}::test_a_figure_is_no_more_than_was_promised"
STEADY = f"{T_FIGURES}::test_a_primary_is_trusted_after_five_seconds"

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

UNIT: tuple[Rule, ...] = (
    rule(
        "a-marker-is-inserted-never-looked-up",
        "Whether a unit was committed is asked by inserting its marker.",
        without(
            UNITS,
            "                markers.insert(unit, None, guarded=False)\n",
            "                from rodcorp.databases.models import UnitMarker\n"
            "                if UnitMarker.objects.using(unit.alias).filter(pk=unit.id).exists():\n"
            "                    raise AlreadyCommitted\n",
            f"{T_UNKNOWN}::test_nobody_looks_for_a_marker",
        ),
    ),
    rule(
        "a-keys-marker-comes-first",
        "What a key has done already is not begun again.",
        without(
            UNITS,
            "    markers.insert(unit, body_hash)\n    unit.is_marked = True\n    result = fn(unit)\n",
            "    result = fn(unit)\n    markers.insert(unit, body_hash)\n    unit.is_marked = True\n",
            f"{T_UNITS}::test_the_same_key_runs_once_and_answers_alike",
        ),
    ),
    rule(
        "a-unit-leaves-a-marker-without-a-key-too",
        "Every unit that writes can be asked about.",
        without(
            UNITS,
            "        markers.insert(unit, None)\n        unit.is_marked = True",
            "        pass",
            f"{T_FAILOVER}::test_a_unit_leaves_its_marker_on_the_primary",
            f"{T_UNKNOWN}::test_a_unit_on_sql_server_leaves_a_marker_even_without_a_key",
        ),
    ),
    rule(
        "a-key-belongs-to-its-caller-and-operation",
        "A unit's id is a hash of caller, operation and the client's key.",
        without(
            UNITS,
            "[str(actor.kind), actor.id, operation, key]",
            "[str(actor.kind), operation, key]",
            f"{T_UNITS}::test_a_key_belongs_to_its_caller_and_its_operation",
        ),
        without(
            UNITS,
            "[str(actor.kind), actor.id, operation, key]",
            "[str(actor.kind), actor.id, key]",
            f"{T_UNITS}::test_a_key_belongs_to_its_caller_and_its_operation",
        ),
    ),
    rule(
        "the-same-key-and-body-get-the-stored-answer",
        "A unit that was done answers what it answered.",
        without(
            MARKERS,
            'values["result"] = json.dumps(results.encode(result))',
            'values["result"] = None',
            f"{T_UNITS}::test_the_same_key_runs_once_and_answers_alike",
        ),
    ),
    rule(
        "the-same-key-with-another-body-is-refused",
        "The body's hash is beside the key: another body is a conflict (409).",
        without(
            MARKERS,
            "if marker.body_hash != body_hash:",
            "if False:",
            f"{T_UNITS}::test_the_same_key_with_another_body_is_refused",
        ),
    ),
    rule(
        "without-a-key-a-random-one",
        "Two calls without a key are two units.",
        without(
            UNITS,
            "return outer.id if outer else uuid4()",
            "return outer.id if outer else NAMESPACE",
            f"{T_UNITS}::test_without_a_key_ids_differ",
        ),
    ),
    rule(
        "what-is-random-derives-from-the-key",
        "Ids and tokens are the same when a unit runs again.",
        without(
            UNITS,
            "return uuid5(self.id, str(next(self.numbers)))",
            "return uuid4()",
            f"{T_UNITS}::test_ids_and_tokens_derive_from_the_key",
        ),
        without(
            UNITS,
            'f"{self.id}/token/{next(self.numbers)}"',
            'f"{uuid4()}/token/{next(self.numbers)}"',
            f"{T_UNITS}::test_ids_and_tokens_derive_from_the_key",
        ),
    ),
    rule(
        "a-units-time-is-fixed",
        "All attempts of a unit have one `now`.",
        without(
            UNITS,
            "started = started or clock.on(side)",
            "started = clock.on(side)",
            f"{T_UNITS}::TestRunningAgain::"
            "test_a_unit_that_met_a_lock_runs_again_with_the_same_ids_and_time",
        ),
    ),
    rule(
        "a-marker-has-a-digest-of-the-changes",
        "Two runs that did the same have one digest, two that did not have two.",
        without(
            UNITS,
            "return str(self.changes.hexdigest())",
            'return ""',
            f"{T_FAILOVER}::test_two_runs_that_did_the_same_leave_the_same_digest",
        ),
        without(
            UNITS,
            "repr((operation, table, str(key), values))",
            "repr((operation, table))",
            f"{T_FAILOVER}::test_two_runs_that_did_otherwise_leave_different_digests",
        ),
    ),
    rule(
        "what-was-lost-before-its-commit-runs-again",
        "A link that is lost before COMMIT: the unit runs again on the active side.",
        without(
            FAILOVER,
            "        switch_to_copy(side, judged.code)\n        return True",
            "        switch_to_copy(side, judged.code)\n        return False",
            f"{T_FAILOVER}::test_what_never_works_on_the_primary_goes_to_the_copy",
        ),
    ),
    rule(
        "a-lost-commit-is-asked-about",
        "A link that is lost during COMMIT: a duplicate marker means that it was committed.",
        without(
            UNITS,
            "            known = _was_committed(unit)",
            "            known = False",
            f"{T_FAILOVER}::test_a_commit_that_was_carried_out_is_not_repeated",
        ),
        without(
            UNITS,
            "        except AlreadyCommitted:\n            return True",
            "        except AlreadyCommitted:\n            return False",
            f"{T_UNKNOWN}::test_a_commit_that_was_carried_out_is_not_repeated",
        ),
    ),
    rule(
        "nobody-can-be-asked-so-it-runs-on-the-copy",
        "If the primary does not answer about a commit, the unit runs on the copy, with its id.",
        without(
            UNITS,
            "            failure = known\n",
            "            if isinstance(known, Failure) and known.kind is Kind.UNAVAILABLE:\n"
            "                raise _unknown()\n"
            "            failure = known\n",
            f"{T_FAILOVER}::"
            "test_a_commit_nobody_can_ask_about_is_done_on_the_copy_under_the_same_id",
        ),
        without(
            UNITS,
            "return Unit(unit_id, operation, actor, side, started)",
            "return Unit(uuid4(), operation, actor, side, started)",
            f"{T_FAILOVER}::"
            "test_a_commit_nobody_can_ask_about_is_done_on_the_copy_under_the_same_id",
        ),
    ),
    rule(
        "a-commit-under-way-is-not-done-elsewhere",
        "While the server still works on a commit, the caller hears that nobody knows.",
        without(
            UNITS,
            "    raise _unknown()\n\n\ndef _unknown",
            "    return False\n\n\ndef _unknown",
            f"{T_MATRIX}::test_a_commit_that_never_ends_is_told_and_not_done_a_second_time",
        ),
    ),
    rule(
        "on-replay-an-attempt-that-did-the-same-is-skipped",
        "Same marker, same digest: the primary has it already.",
        without(
            REPLAY,
            "if theirs.changes != outermost.changes:",
            "if True:",
            f"{T_REPLAY}::test_what_came_after_an_attempt_that_was_committed_after_all_stands",
        ),
    ),
    rule(
        "on-replay-the-copys-attempt-is-the-acknowledged-one",
        "Same marker, other digest: the copy's version is merged like any unit.",
        without(
            REPLAY,
            "if theirs.changes != outermost.changes:",
            "if False:",
            f"{T_REPLAY}::test_rows_that_only_an_unanswered_attempt_wrote_are_told",
        ),
    ),
    rule(
        "on-replay-what-only-the-other-attempt-wrote-is-told",
        "Rows that only an attempt nobody heard of wrote become a conflict.",
        without(
            REPLAY,
            "                self._tell_of_others(work, outermost, theirs)\n",
            "",
            f"{T_REPLAY}::test_rows_that_only_an_unanswered_attempt_wrote_are_told",
        ),
    ),
    rule(
        "a-victim-runs-again-on-its-side",
        "Deadlock, snapshot conflict and throttling: again on the same side.",
        without(
            CODES,
            "(_AGAIN, (1205, 1222, 1204, 1203, 1221)),",
            "(_MISTAKE, (1205, 1222, 1204, 1203, 1221)),",
            f"{T_MATRIX}::test_a_victim_runs_again_where_it_was",
            f"{T_FAILURES}::test_every_number_counts_wherever_it_stands",
        ),
        without(
            CODES,
            "(_AGAIN, (3960, 3957, 3950, 3966, 3947, 3948, 3935, 3980)),",
            "(_MISTAKE, (3960, 3957, 3950, 3966, 3947, 3948, 3935, 3980)),",
            f"{T_FAILURES}::test_every_number_counts_wherever_it_stands",
            f"{T_FAILURES}::test_what_the_driver_says_has_a_meaning",
        ),
        without(
            CODES,
            "(Verdict(Kind.TRANSIENT, wait_s=10.0), (40501,)),",
            "(_GONE, (40501,)),",
            f"{T_FAILURES}::test_a_throttled_server_is_left_alone_for_a_while",
        ),
    ),
    rule(
        "at-most-three-times",
        "Who is always the victim hears of it.",
        without(
            FAILOVER,
            "if tries.passing > RETRIES:",
            "if tries.passing > 9 * RETRIES:",
            f"{T_UNITS}::TestRunningAgain::test_it_gives_up_after_three_more_attempts",
        ),
    ),
    rule(
        "with-jitter",
        "Two victims do not wait equally long.",
        without(
            FAILOVER,
            "(1.0 + secrets.randbelow(1000) / 1000)",
            "1.0",
            f"{T_FAILOVER}::test_two_victims_do_not_wait_equally_long",
        ),
    ),
    rule(
        "an-error-ends-the-transaction",
        "Sessions on the primary have XACT_ABORT ON.",
        without(
            PRIMARY,
            'f"SET XACT_ABORT ON; SET LOCK_TIMEOUT',
            'f"SET LOCK_TIMEOUT',
            f"{T_BACKEND}::test_a_session_is_set_up_once_and_leased_again_without_a_word",
        ),
    ),
    rule(
        "a-lock-wait-is-no-outage",
        "LOCK_TIMEOUT is set, and below the query timeout: a lock wait is 1222.",
        without(
            PRIMARY,
            "SET LOCK_TIMEOUT {int(settings['LIMITS']['lock_timeout_ms'])};\"",
            '"',
            f"{T_BACKEND}::test_a_session_is_set_up_once_and_leased_again_without_a_word",
        ),
        without(
            PRIMARY,
            "if not 0.001 <= seconds < query_timeout_s:",
            "if not 0.001 <= seconds:",
            f"{T_PRIMARY}::test_a_lock_is_waited_for_less_long_than_a_query",
        ),
    ),
    rule(
        "the-driver-does-not-reconnect",
        "ConnectRetryCount is 0: a connection that comes back alone has lost its transaction.",
        without(
            PRIMARY,
            '"ConnectRetryCount": "0",',
            '"ConnectRetryCount": "1",',
            f"{T_PRIMARY}::test_nothing_retries_but_the_engine",
        ),
    ),
    rule(
        "a-unit-has-no-effect-but-rows",
        "Jobs are rows of the unit, with its id, and sent after its commit.",
        without(
            JOBS,
            "    if unit is None:\n        _send(name, text)\n        return",
            "    if unit is None or name:\n        _send(name, text)\n        return",
            f"{T_JOBS}::test_inside_a_unit_a_job_waits_for_the_commit",
        ),
        without(
            JOBS,
            "        unit=unit.id,",
            "        unit=new_id(),",
            f"{T_JOBS}::test_a_message_carries_the_id_of_its_unit",
        ),
    ),
    rule(
        "the-host-that-wrote-a-message-sends-it",
        "The outbox of another host is left alone.",
        without(
            JOBS,
            "            host=socket.gethostname()[:100], created_at__lt",
            "            created_at__lt",
            f"{T_JOBS}::test_the_outbox_of_another_host_is_left_alone",
        ),
    ),
    rule(
        "pages-are-rendered-outside-the-unit",
        "The copy's one write lock is not held while a page is rendered.",
        without(
            MIDDLEWARE,
            "            return view(request, *args, **kwargs)\n",
            "            answer: Any = view(request, *args, **kwargs)\n"
            "            return answer.render() if hasattr(answer, 'render') else answer\n",
            f"{T_REQUESTS}::"
            "test_a_page_that_breaks_after_its_form_was_saved_is_rendered_again_and_nothing_else",
        ),
    ),
    rule(
        "uploads-are-read-before-the-unit",
        "Nor while an upload arrives.",
        without(
            MIDDLEWARE,
            "self._files = [file for _, files in request.FILES.lists() for file in files]",
            "self._files: list[Any] = []",
            f"{T_REQUESTS}::test_an_upload_is_read_before_the_unit_begins",
        ),
    ),
    rule(
        "a-request-is-repeated-after-a-switch",
        "No request fails because of a switch.",
        without(
            REPEATABLE,
            "        if not settle(failure, side, tries):\n            raise failed",
            "        if settle(failure, side, tries) is not None:\n            raise failed",
            f"{T_REQUESTS}::"
            "test_a_page_is_read_again_on_the_copy_when_the_link_breaks_in_the_middle",
        ),
    ),
    rule(
        "an-acknowledgement-is-protected",
        "A unit is acknowledged when this host's copy contains its commit.",
        without(
            UNITS,
            "                    wait_for_copy(unit.id)",
            "                    pass",
            f"{T_WATCHER}::test_what_is_acknowledged_is_on_the_copy",
        ),
        without(
            PROTECTION,
            "is_protected = nudge() and _arrives(unit)",
            "is_protected = nudge()",
            f"{T_WATCHER}::test_a_watcher_that_hangs_holds_nobody_for_long",
        ),
    ),
    rule(
        "the-feed-is-nudged",
        "Who waits for the copy does not wait for the next pull.",
        without(
            PROTECTION,
            "is_protected = nudge() and _arrives(unit)",
            "is_protected = _arrives(unit)",
            f"{T_WATCHER}::test_without_a_watcher_nobody_waits",
        ),
        without(
            f"{SYNC}/nudge.py",
            '            os.write(pipe, b"!")',
            "            pass",
            f"{T_WATCHER}::test_a_nudge_wakes_the_watcher_and_many_wake_it_once",
        ),
    ),
    rule(
        "who-waits-in-vain-is-counted",
        "After a quarter of a second a unit is acknowledged as unprotected.",
        without(
            PROTECTION,
            "        if time.monotonic() > deadline:",
            "        if time.monotonic() > deadline + 5:",
            f"{T_WATCHER}::test_a_watcher_that_hangs_holds_nobody_for_long",
        ),
        without(
            PROTECTION,
            "_figures.unprotected + (not is_protected)",
            "_figures.unprotected",
            f"{T_WATCHER}::test_without_a_watcher_nobody_waits",
        ),
    ),
    rule(
        "presence-is-no-unit",
        "When somebody was seen is journaled as the latest value of a row, without a marker.",
        without(
            JOURNAL,
            'OR NOT EXISTS (SELECT 1 FROM rodcorp_journal "',
            'OR EXISTS (SELECT 1) OR NOT EXISTS (SELECT 1 FROM rodcorp_journal "',
            f"{T_SWITCHING}::test_presence_is_journaled_once_for_a_row",
        ),
        without(
            REPEATABLE,
            "    with as_presence():\n        return run_repeatable(fn)",
            "    from rodcorp.actors import Actor\n"
            "    from rodcorp.databases.units import run_in_unit\n\n"
            "    return run_in_unit(\n"
            '        lambda unit: fn(), actor=Actor.system("presence"), operation="presence"\n'
            "    )",
            f"{T_REQUESTS}::test_somebody_can_sign_in_while_the_primary_is_lost",
        ),
    ),
    rule(
        "roles-are-changed-on-the-primary-only",
        "Who may do what is not decided by a host that is cut off.",
        without(
            "rodcorp/people/services.py",
            '        require_primary("Changing a role")',
            "        pass",
            f"{T_GUARDS}::test_a_role_is_not_changed_on_the_copy",
        ),
    ),
    rule(
        "the-primary-is-migrated-on-the-primary-only",
        "While the copy stands in, the primary's schema stays as it is.",
        without(
            MIGRATE,
            "if not current().is_primary:",
            "if False:",
            f"{T_GUARDS}::test_on_the_copy_the_primary_is_not_migrated",
        ),
    ),
)

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

MERGING: tuple[Rule, ...] = (
    rule(
        "a-differing-immutable-body-keeps-the-primarys",
        "Ledger, history, reviews: insert if absent; another body is a conflict.",
        without(
            REPLAY,
            "            if lost := differing(rule, ours, theirs):\n",
            "            if (lost := differing(rule, ours, theirs)) and not lost:\n",
            f"{T_REPLAY}::test_a_row_that_is_there_with_another_body_stays_and_a_person_is_told",
        ),
    ),
    rule(
        "what-is-derived-adds-up-from-both-sides",
        "Balances and totals are not brought home; the ledger rows move them.",
        without(
            REPLAY,
            "            rule.after_insert(MSSQL, rows)",
            "            pass",
            f"{T_REPLAY}::test_balances_add_up_from_both_sides",
        ),
        without(
            MERGE,
            "        if name not in together and name not in rule.derived:",
            "        if name not in together:",
            f"{T_REPLAY}::test_a_derived_column_is_never_brought_home",
        ),
    ),
    rule(
        "columns-merge-three-ways",
        "What only one side changed is that side's.",
        without(
            MERGE,
            "            values |= {name: ours[name] for name in group}",
            "            pass",
            f"{T_REPLAY}::test_columns_that_only_one_side_changed_are_that_sides",
        ),
    ),
    rule(
        "what-both-changed-is-the-primarys",
        "And the loser is recorded.",
        without(
            MERGE,
            "            lost |= {name for name in changed if ours[name] != theirs[name]}",
            "            values |= {name: ours[name] for name in changed}",
            f"{T_REPLAY}::test_a_column_both_sides_changed_is_the_primarys_and_a_person_is_told",
        ),
        without(
            MERGE,
            "            lost |= {name for name in changed if ours[name] != theirs[name]}",
            "            pass",
            f"{T_REPLAY}::test_a_column_both_sides_changed_is_the_primarys_and_a_person_is_told",
        ),
    ),
    rule(
        "the-later-time-stands",
        "When somebody was seen is the later of two times.",
        without(
            MERGE,
            "return ours if theirs is None or ours > theirs else None",
            "return ours",
            f"{T_REPLAY}::test_presence_that_is_older_changes_nothing",
        ),
    ),
    rule(
        "no-time-is-ahead-of-all-clocks",
        "A time is cut to a minute from now.",
        without(
            MERGE,
            "    ours = min(ours, clock.now() + AHEAD)\n",
            "",
            f"{T_GUARDS}::test_a_time_ahead_of_all_clocks_is_cut",
        ),
    ),
    rule(
        "a-claim-is-merged-as-a-whole",
        "Assignee, token, lease and attempt are taken or left together.",
        without(
            TASKS,
            "values |= _of(CLAIM, ours) if claimed_here else {}",
            "values |= {n: ours[n] for n in CLAIM if ours[n] != base[n] and n > 'b'}",
            f"{T_DEPARTMENTS}::test_a_group_is_never_torn_apart",
        ),
    ),
    rule(
        "a-live-claim-on-the-primary-wins",
        "And what its loser did afterwards is lost with it, and told.",
        without(
            TASKS,
            "    if claimed_there and (claimed_here or (moved_here and _is_live(theirs))):",
            "    if False:",
            f"{T_DEPARTMENTS}::test_what_the_loser_of_a_claim_did_is_lost_with_it",
        ),
        without(
            TASKS,
            "(claimed_here or (moved_here and _is_live(theirs)))",
            "claimed_here",
            f"{T_DEPARTMENTS}::test_a_live_claim_on_the_primary_stands_over_a_completion",
        ),
        without(
            TASKS,
            "        lost |= _differing(CLAIM, ours, theirs) if claimed_here else set()\n",
            "",
            f"{T_DEPARTMENTS}::test_what_is_not_taken_is_told",
        ),
    ),
    rule(
        "a-round-that-was-taken-back-is-over",
        "Who holds the claim on the primary completes the next one, and is paid for it.",
        without(
            TASKS,
            'max(theirs["round_number"], ours["round_number"] + 1)',
            'theirs["round_number"]',
            f"{T_DEPARTMENTS}::test_who_holds_the_claim_is_paid_although_the_loser_had_been_paid",
        ),
    ),
    rule(
        "a-state-changed-on-one-side-is-that-sides",
        "Whichever side changed it since the base.",
        without(
            TASKS,
            "(not _changed(STATE, base, theirs) or _rank(ours) > _rank(theirs)):",
            "(_rank(ours) > _rank(theirs)):",
            f"{T_DEPARTMENTS}::test_what_nobody_changed_there_becomes_ours",
        ),
    ),
    rule(
        "a-final-state-stands-over-an-open-one",
        "Of two states the later round stands, then a final one.",
        without(
            TASKS,
            "or _rank(ours) > _rank(theirs)):",
            "or False):",
            f"{T_DEPARTMENTS}::test_a_final_state_stands_over_an_open_one",
        ),
    ),
    rule(
        "two-final-states-are-a-conflict",
        "The primary's stands.",
        without(
            TASKS,
            '            lost |= _differing(STATE, ours, theirs)\n            notes.append("the state',
            '            notes.append("the state',
            f"{T_DEPARTMENTS}::"
            "test_of_two_final_states_the_primarys_stands_and_the_reward_follows_it",
        ),
    ),
    rule(
        "the-ledger-follows-the-state-that-stands",
        "A completion that does not stand is taken back by a reversal.",
        without(
            TASKS,
            "        after_loss=take_back_lost_reward,\n",
            "",
            f"{T_DEPARTMENTS}::"
            "test_of_two_final_states_the_primarys_stands_and_the_reward_follows_it",
        ),
    ),
    rule(
        "a-natural-key-makes-one-row",
        "Two sides that make the same thing make the same row.",
        without(
            "agents/services/registry.py",
            'natural_id("agent", project, name)',
            "new_id()",
            f"{T_REPLAY}::test_two_sides_that_made_the_same_thing_made_one_row",
            also=(
                Edit(
                    "agents/services/registry.py",
                    "from rodcorp.databases.ids import ",
                    "from rodcorp.databases.ids import new_id\nfrom rodcorp.databases.ids import ",
                ),
            ),
        ),
        without(
            f"{HERE}/ids.py",
            "        return fold(part)\n",
            "        return part\n",
            f"{T_REPLAY}::test_two_sides_that_made_the_same_thing_made_one_row",
        ),
        without(
            LEDGER,
            'wanted = {natural_id("account", agent.pk, kind): agent',
            "wanted = {open_unit().new_id(): agent",
            f"{T_REPLAY}::test_two_sides_that_opened_an_account_opened_one",
        ),
        without(
            LEDGER,
            'id=natural_id("transaction", kind, key),',
            "id=unit.new_id(),",
            f"{T_DEPARTMENTS}::test_a_task_both_sides_completed_is_completed_and_paid_once",
        ),
        without(
            "tasks/services/creation.py",
            'id=natural_id("dependency", new.task, kind, new.depends_on or external),',
            "id=new_id(),",
            f"{T_DEPARTMENTS}::test_two_sides_that_linked_the_same_tasks_made_one_link",
        ),
    ),
    rule(
        "no-check-forbids-a-negative-balance",
        "A merge may overdraw an account.",
        without(
            REPLAY,
            "            rule.after_insert(MSSQL, rows)",
            "            rule.after_insert(MSSQL, rows)\n"
            "            from payroll.models import LedgerAccount\n\n"
            "            if LedgerAccount.objects.using(MSSQL).filter(\n"
            "                agent__isnull=False, balance__lt=0\n"
            "            ).exists():\n"
            "                from django.db import IntegrityError\n\n"
            '                raise IntegrityError("CHECK constraint failed")',
            OVERDRAWN,
        ),
    ),
    rule(
        "an-overdrawn-account-is-flagged",
        "A person is told, though no row was lost.",
        without("payroll/sync.py", "        flaws=_overdrawn,\n", "", OVERDRAWN),
    ),
)

CUT_BACK: tuple[Rule, ...] = (
    rule(
        "the-primary-was-steady",
        "It answered every look for five seconds.",
        without(
            WATCHER,
            "if now - self._well_since < STEADY_S or now < self._not_before:",
            "if now < self._not_before:",
            f"{T_WATCHER}::test_it_leads_home_when_the_primary_was_well_for_five_seconds",
        ),
        without(
            WATCHER,
            '            self._well_since = None\n            self._say("away"',
            '            self._say("away"',
            f"{T_WATCHER}::test_a_primary_that_comes_and_goes_is_not_trusted",
        ),
    ),
    rule(
        "the-primary-can-be-written-to",
        "One that is read-only is no primary.",
        without(
            PROBE,
            "return Answer(reached, None if state.writable else readonly, state)",
            "assert readonly\n    return Answer(reached, None, state)",
            f"{T_PROBE}::test_a_database_that_can_only_be_read_is_unavailable",
        ),
    ),
    rule(
        "the-beacon-is-verified-before-the-way-home",
        "Nothing is brought home to a primary that went back in time.",
        without(
            WATCHER,
            "        self._meet(Feed(self.source).cursor())\n",
            "",
            f"{T_RESTORING}::test_nothing_is_brought_home_to_a_primary_that_was_restored",
        ),
    ),
    rule(
        "the-primary-has-the-journals-columns",
        "Nothing is brought home to an older schema.",
        without(
            HEALING,
            "        _require_columns()\n",
            "",
            f"{T_HEALING}::test_nothing_is_brought_home_to_an_older_schema",
        ),
    ),
    rule(
        "writes-go-on-during-the-replay",
        "The copy's lock is held for the tail only.",
        without(
            HEALING,
            "            self._shorten(replay)\n",
            "",
            f"{T_REPLAY}::test_writes_go_on_while_the_journal_is_replayed",
        ),
    ),
    rule(
        "the-tail-has-a-deadline",
        "A tail that takes too long gives the lock up.",
        without(
            HEALING,
            "                    raise _TooLong\n",
            "                    pass\n",
            f"{T_REPLAY}::test_a_tail_that_takes_too_long_gives_the_lock_up",
        ),
    ),
    rule(
        "only-one-leads-home",
        "Who else would waits for the switch lock.",
        without(
            HEALING,
            "        with only_one():\n            state = modes.read()",
            "        if True:\n            state = modes.read()",
            f"{T_HEALING}::test_only_one_leads_home_at_a_time",
        ),
    ),
    rule(
        "after-the-way-home-the-two-are-compared",
        "All tables by count, with the first pull.",
        without(
            WATCHER,
            '        self._compared = float("-inf")\n',
            "",
            f"{T_WATCHER}::test_after_the_way_home_the_two_are_compared_at_once",
        ),
    ),
    rule(
        "the-two-are-compared-on-demand",
        "Row by row, over values as Django reads them.",
        without(
            COMPARE,
            "            if differing(rule, row, other) or any(",
            "            if any(",
            f"{T_COMMANDS}::test_a_row_that_differs_is_named",
        ),
        without(
            COMPARE,
            "                elif key not in there or key not in here:\n                    wrong",
            "                elif False:\n                    wrong",
            f"{T_COMMANDS}::test_a_row_that_one_side_lacks_is_named",
        ),
    ),
)

GUARDS: tuple[Rule, ...] = (
    rule(
        "a-probe-is-our-own-and-bounded",
        "TCP and the first message of SQL Server within one budget, then a login.",
        without(
            REACH,
            "        link.settimeout(_left(deadline))\n        part = link.recv",
            "        part = link.recv",
            f"{T_REACH}::test_the_budget_holds_for_all_steps_together",
        ),
        without(
            PROBE,
            "        state = _DEADLINE.run(login)",
            "        state = login()",
            f"{T_PROBE}::test_a_login_that_hangs_is_given_up",
        ),
    ),
    rule(
        "what-begins-after-a-silence-asks-first",
        "A host that is gone holds nobody for three query timeouts.",
        without(
            FAILOVER,
            "    if not side.is_primary or _news.is_fresh():",
            "    if side:",
            f"{T_MATRIX}::test_a_server_that_freezes_is_left_by_who_comes_next",
            f"{T_FAILOVER}::test_a_link_that_is_gone_is_noticed_without_a_statement",
        ),
    ),
    rule(
        "a-start-looks-three-times",
        "With growing pauses that differ.",
        without(
            PROBE,
            "        sleep(wait)\n        pause *= 2",
            "        sleep(wait)",
            f"{T_PROBE}::test_pauses_grow_and_differ",
        ),
        without(
            PROBE,
            "or attempt == START_ATTEMPTS:",
            "or attempt == 1:",
            f"{T_START}::test_a_primary_that_answers_the_second_time_is_kept",
        ),
        without(
            PROBE,
            "wait = pause * random.uniform(0.5, 1.5)",
            "wait = pause",
            f"{T_PROBE}::test_pauses_grow_and_differ",
        ),
    ),
    rule(
        "a-mistake-never-fails-over",
        "A wrong password, driver or certificate is an alarm and an error.",
        without(
            FAILOVER,
            "    if judged.kind is Kind.UNAVAILABLE:\n        tries.switched",
            "    if judged.kind in (Kind.UNAVAILABLE, Kind.CONFIGURATION):\n        tries.switched",
            f"{T_FAILOVER}::test_a_configuration_error_is_raised_and_never_fails_over",
        ),
        without(
            FAILOVER,
            '        logger.critical("SQL Server refuses',
            '        logger.debug("SQL Server refuses',
            f"{T_FAILOVER}::test_a_configuration_error_is_an_alarm",
        ),
        without(
            START,
            "    if answer.is_configuration:",
            "    if False:",
            f"{T_START}::test_a_host_that_is_refused_does_not_start_and_names_the_doctor",
        ),
    ),
    rule(
        "a-host-writes-a-beacon",
        "A random word in its row on the primary, every few seconds.",
        without(
            WATCHER,
            "            beacon.write()",
            "            pass",
            f"{T_RESTORING}::"
            "test_a_restored_primary_is_noticed_though_others_have_written_to_it_since",
        ),
    ),
    rule(
        "every-pull-verifies-the-beacon",
        "A primary that lacks this host's last word was restored.",
        without(
            BEACON,
            "found not in known",
            'found == "never"',
            f"{T_RESTORING}::"
            "test_a_restored_primary_is_noticed_though_others_have_written_to_it_since",
        ),
        without(
            WATCHER,
            "        self._meet(self._feed.cursor())\n",
            "",
            f"{T_RESTORING}::test_after_a_restore_nothing_is_fed_and_nothing_is_written",
        ),
    ),
    rule(
        "the-copy-is-never-ahead",
        "Its cursor is below the primary's lowest active version.",
        without(
            BEACON,
            "    if cursor >= source.low_water():",
            "    if False:",
            f"{T_RESTORING}::test_a_copy_that_is_ahead_of_the_primary_stops_the_host",
        ),
    ),
    rule(
        "a-host-the-primary-forgot-is-stopped",
        "Who once spoke to it and is not known any more does not register again.",
        without(
            HOSTS,
            '    if not known and modes.beacons() != ("", ""):',
            "    if False:",
            f"{T_RESTORING}::test_a_primary_that_forgot_this_host_stops_it_too",
        ),
    ),
    rule(
        "a-mismatch-stops-all-writes",
        "Nothing is written until a person has looked.",
        without(
            FAILOVER,
            "    if writes and side.stopped:",
            "    if False:",
            f"{T_RESTORING}::test_after_a_restore_nothing_is_fed_and_nothing_is_written",
        ),
    ),
    rule(
        "the-copy-is-kept-after-a-mismatch",
        "It may hold the only trace of what was acknowledged.",
        without(
            BEACON,
            "        copy.connection.backup(file)",
            "        pass",
            f"{T_RESTORING}::test_a_person_accepts_it_and_the_copy_is_put_aside",
        ),
    ),
    rule(
        "a-host-is-bound-to-machine-path-and-file",
        "Copied, moved or put back, it is another host.",
        without(
            HOSTS,
            "about = [_machine_id(), str(",
            'about = ["", str(',
            f"{T_GUARDS}::test_a_copied_folder_with_changes_to_bring_home_waits_for_a_person",
        ),
        without(
            HOSTS,
            "str(path.resolve()), ",
            "",
            f"{T_GUARDS}::test_a_folder_that_was_moved_makes_another_host",
        ),
        without(
            HOSTS,
            ", str(path.stat().st_ino)]",
            "]",
            f"{T_GUARDS}::test_a_copy_that_was_put_back_makes_another_host",
        ),
        without(
            MODE,
            "\"UPDATE host SET id = ?, beacon = '', beacon_before = ''\", [str(uuid4())]",
            "\"UPDATE host SET beacon = '', beacon_before = ''\"",
            f"{T_GUARDS}::test_a_copy_that_was_put_back_makes_another_host",
        ),
    ),
    rule(
        "a-person-decides-about-another-hosts-journal",
        "Changes that may be on the primary already are not brought there.",
        without(
            HOSTS,
            "    if waiting := journal.count(connections[SQLITE]):",
            "    if (waiting := journal.count(connections[SQLITE])) < 0:",
            f"{T_GUARDS}::test_a_copied_folder_with_changes_to_bring_home_waits_for_a_person",
        ),
    ),
    rule(
        "markers-stay-while-somebody-may-ask",
        "They go when they are past the window and every host has since said that it is home.",
        without(
            HOUSEKEEPING,
            "old = UnitMarker.objects.filter(created_at__lt=before).order_by",
            "old = UnitMarker.objects.order_by",
            "tests/operations/test_pruning.py::test_only_markers_past_the_window_are_pruned",
        ),
        without(
            HOUSEKEEPING,
            "        if hindering := hosts.those_with_changes():",
            "        if (hindering := hosts.those_with_changes()) is None:",
            f"{T_GUARDS}::test_old_markers_stay_while_a_host_may_ask_for_them",
        ),
        without(
            HOUSEKEEPING,
            "    if side.is_copy:\n        return 0",
            "    if False:\n        return 0",
            f"{T_GUARDS}::test_on_the_copy_markers_stay",
        ),
    ),
    rule(
        "absence-is-not-evidence",
        "Away from the primary, and for a while after each switch, nobody is marked down.",
        without(
            FAILOVER,
            "return state.mode is Mode.PRIMARY and time.time() - state.since > grace_s",
            "return time.time() - state.since > grace_s",
            f"{T_GUARDS}::test_away_from_the_primary_nobody_is_marked_down",
        ),
        without(
            FAILOVER,
            "return state.mode is Mode.PRIMARY and time.time() - state.since > grace_s",
            "return state.mode is Mode.PRIMARY",
            f"{T_GUARDS}::test_just_after_a_switch_nobody_is_marked_down_and_later_they_are",
        ),
    ),
    rule(
        "the-hosts-clock-is-corrected",
        "By what each look at the primary measures.",
        without(
            CLOCK,
            "return timezone.now() + timedelta(seconds=side.clock_offset)",
            "return timezone.now()",
            f"{T_GUARDS}::test_what_is_written_has_the_primarys_time",
        ),
        without(
            FAILOVER,
            "        clock.note_offset(answer.state.clock_offset_s, answer.state.clock_error_s)",
            "        pass",
            f"{T_GUARDS}::test_what_is_written_has_the_primarys_time",
        ),
    ),
    rule(
        "services-write-all-times",
        "A row of ours has the unit's time; the database's own clock is for foreign writers.",
        without(
            "agents/services/registry.py",
            "agent.first_registered = agent.last_seen = now",
            "agent.last_seen = now",
            f"{T_GUARDS}::test_what_is_written_has_the_primarys_time",
            also=(
                Edit(
                    "agents/models.py",
                    "first_registered = UtcDateTimeField(\n        null=True,\n"
                    "        default=unit_time,\n",
                    "first_registered = UtcDateTimeField(\n        null=True,\n",
                ),
            ),
        ),
    ),
    rule(
        "the-server-is-in-utc",
        "A start says when it is not.",
        without(
            START,
            "    if answer.state is not None and answer.state.utc_offset_min:",
            "    if False:",
            f"{T_START}::test_a_server_that_is_not_in_utc_is_told_of",
        ),
    ),
    rule(
        "the-primary-is-migrated-when-all-are-home",
        "Not while a host has a journal or has not reported.",
        without(
            MIGRATE,
            "    if hindering := _hindering():",
            '    if (hindering := _hindering()) == "never":',
            f"{T_GUARDS}::"
            "test_a_host_that_may_have_changes_to_bring_home_keeps_the_primary_from_being_migrated",
        ),
        without(
            HOSTS,
            "said_so = Q(journal_rows=0, reported_at__gt=after)",
            "said_so = Q(reported_at__gt=after)",
            f"{T_GUARDS}::"
            "test_a_host_that_may_have_changes_to_bring_home_keeps_the_primary_from_being_migrated",
        ),
    ),
    rule(
        "the-copy-is-migrated-first",
        "It must be able to take what the primary has.",
        without(
            CONFIGURATION,
            "    configured = {\n",
            "    if primary := primary_settings(environ):\n"
            '        return {"default": {}, MSSQL: primary, **databases(data_dir, {})}\n'
            "    configured = {\n",
            f"{T_CHECKS}::test_the_copy_is_named_before_the_primary",
        ),
        without(
            f"{HERE}/schema.py",
            "[alias for alias in connections if",
            "[alias for alias in reversed(list(connections)) if",
            f"{T_CHECKS}::test_the_copy_is_migrated_before_the_primary",
        ),
        without(
            START,
            "        for alias in (LOCAL, SQLITE):\n            _bring_up_to_date(alias, say)\n",
            "",
            f"{T_START}::test_the_copy_is_brought_up_to_date_before_the_primary",
            also=(
                Edit(
                    START,
                    "            if has_primary():\n                _meet_primary(say)\n",
                    "            if has_primary():\n                _meet_primary(say)\n"
                    "            for alias in (LOCAL, SQLITE):\n"
                    "                _bring_up_to_date(alias, say)\n",
                ),
            ),
        ),
    ),
    rule(
        "replicated-rows-have-uuid-keys",
        "Another key is an error at start.",
        without(
            CHECKS,
            "        if not isinstance(model._meta.pk, GuidField):",
            "        if False:",
            f"{T_CHECKS}::test_a_replicated_model_without_a_uuid_key_is_an_error",
        ),
    ),
    rule(
        "a-many-to-many-has-a-model-of-its-own",
        "Its hidden table would have keys nobody chose.",
        without(
            CHECKS,
            "        if model._meta.auto_created:",
            "        if False:",
            f"{T_CHECKS}::test_a_hidden_many_to_many_is_an_error",
        ),
    ),
    rule(
        "every-app-has-a-home",
        "An app with tables that nobody has placed is an error at start.",
        without(
            ROUTER,
            "    raise ImproperlyConfigured(\n        f\"The app '{app_label}' has tables",
            "    return active_alias()\n    raise ImproperlyConfigured(\n"
            "        f\"The app '{app_label}' has tables",
            f"{T_CHECKS}::test_an_app_nobody_has_placed_is_an_error",
        ),
    ),
    rule(
        "a-text-fits-in-utf16-units",
        "On the copy what SQL Server would refuse is refused: length,",
        without(
            ADMISSION,
            'len(value.encode("utf-16-le", "surrogatepass")) // 2',
            "len(value)",
            f"{T_ADMISSION}::test_a_text_that_is_too_long_in_utf16_is_refused",
        ),
    ),
    rule(
        "a-number-is-in-range",
        "ranges,",
        without(
            ADMISSION,
            "if isinstance(value, int) and not lowest <= value <= highest:",
            "if False:",
            f"{T_ADMISSION}::test_an_integer_out_of_range_is_refused",
        ),
        without(
            ADMISSION,
            "    if isinstance(field, models.DecimalField):\n        return partial",
            "    if False:\n        return partial",
            f"{T_ADMISSION}::test_a_decimal_with_too_many_digits_is_refused",
        ),
    ),
    rule(
        "names-are-told-apart-without-case",
        "uniqueness without case beyond ASCII,",
        without(
            ADMISSION,
            "    keys = [field for field in group if _ignores_case(field)]\n",
            "    return\n    keys = [field for field in group if _ignores_case(field)]\n",
            f"{T_ADMISSION}::test_names_that_differ_in_the_case_of_a_letter_beyond_ascii_clash",
        ),
    ),
    rule(
        "a-parent-is-there",
        "and a missing parent.",
        without(
            CONFIGURATION,
            "PRAGMA foreign_keys=ON",
            "PRAGMA foreign_keys=OFF",
            f"{T_ADMISSION}::test_a_missing_parent_is_refused_by_the_copy_itself",
        ),
    ),
    rule(
        "on-the-primary-the-server-decides",
        "Admission is for the copy alone.",
        without(
            ROWS,
            'if unit.side.is_copy and operation != "delete":',
            'if operation != "delete":',
            f"{T_ADMISSION}::test_on_the_primary_nothing_is_asked",
        ),
        without(
            ROWS,
            'if unit.side.is_copy and operation != "delete":',
            "if False:",
            f"{T_ADMISSION}::test_a_nul_character_is_refused",
        ),
    ),
    rule(
        "who-was-silent-for-long-is-filled-anew",
        "What a host that was away for a key window would ask for may be gone.",
        without(
            BEACON,
            "reported_at < beginning_of_window():",
            "False:",
            f"{T_GUARDS}::test_a_host_that_was_silent_for_long_is_filled_anew",
        ),
        without(
            BEACON,
            '    if waiting := journal.count(copy):\n        raise stop(\n            f"this host said',
            '    if waiting := 0:\n        raise stop(\n            f"this host said',
            f"{T_GUARDS}::test_a_host_that_was_silent_for_long_with_changes_waits_for_a_person",
        ),
        without(
            HOUSEKEEPING,
            "rowversions.primary_source().forget_deleted(before)",
            "pass",
            f"{T_GUARDS}::test_tombstones_go_when_no_host_can_ask_for_them_any_more",
        ),
    ),
    rule(
        "sample-rows-stay-on-their-host",
        "None are loaded where they would be brought to the primary.",
        without(
            "rodcorp/operations/sample/loading.py",
            '    require_primary("Loading sample data")\n',
            "",
            f"{T_START}::test_sample_data_is_not_loaded_into_a_copy_that_would_bring_it_to_the_primary",
        ),
    ),
    rule(
        "another-company-is-no-copy",
        "A file with rows of its own would lose them to the first complete pull.",
        without(
            START,
            "        _refuse_other_company()\n",
            "        pass\n",
            f"{T_START}::test_a_company_that_was_on_sqlite_alone_is_not_taken_for_a_copy",
        ),
    ),
    rule(
        "a-stuck-holder-is-ended",
        "Who holds the copy's lock for the tail is written down; a waiter may end it after 2 s.",
        without(
            "rodcorp/databases/embedded/base.py",
            "                if time.monotonic() > look_at:",
            "                if False:",
            f"{T_HOLDER}::test_a_holder_that_was_stopped_is_ended_by_who_waits",
        ),
        without(
            HEALING,
            ", holder.recorded(settings.DATA_DIR):",
            ":",
            f"{T_HEALING}::test_who_holds_the_copy_for_the_tail_is_written_down",
        ),
        without(
            "rodcorp/databases/holder.py",
            " or started != _started(pid)",
            "",
            f"{T_HOLDER}::test_another_process_that_has_the_number_by_now_is_left_alone",
        ),
        without(
            "rodcorp/databases/holder.py",
            "held_s < STUCK_S or ",
            "",
            f"{T_HOLDER}::test_a_holder_that_began_just_now_is_left_alone",
        ),
    ),
    rule(
        "a-conflict-keeps-no-secret",
        "Its images say that a secret differs, not what it is.",
        without(
            f"{SYNC}/conflicts.py",
            "    if name in SECRET and value:",
            "    if False:",
            f"{T_DEPARTMENTS}::test_a_password_that_both_sides_changed_is_told_without_either",
        ),
    ),
    rule(
        "no-network-file-system",
        "Locks do not hold there.",
        without(
            f"{HERE}/storage.py",
            "    if kind in _NETWORK:",
            "    if False:",
            f"{T_GUARDS}::test_a_network_file_system_is_refused",
        ),
        without(
            START,
            "    refuse_network_file_system(settings.DATA_DIR)\n",
            "",
            f"{T_START}::test_on_a_network_file_system_nothing_starts",
        ),
    ),
    rule(
        "the-figures",
        "What is promised in milliseconds, seconds and attempts.",
        without(PROTECTION, "PATIENCE_S = 0.25", "PATIENCE_S = 2.5", PROMISED),
        without(PROBE, "\nBUDGET_S = 0.3", "\nBUDGET_S = 3.0", PROMISED),
        without(HEALING, "TAIL_ESTIMATE_S = 0.1", "TAIL_ESTIMATE_S = 1.0", PROMISED),
        without(HEALING, "TAIL_DEADLINE_S = 0.15", "TAIL_DEADLINE_S = 1.5", PROMISED),
        without(WATCHER, "COMPARE_EVERY_S = 60.0", "COMPARE_EVERY_S = 600.0", PROMISED),
        without(WATCHER, "BEACON_EVERY_S = 3.0", "BEACON_EVERY_S = 30.0", PROMISED),
        without(WATCHER, "STEADY_S = 5.0", "STEADY_S = 0.5", STEADY),
        without(MERGE, "AHEAD = timedelta(seconds=60)", "AHEAD = timedelta(hours=1)", PROMISED),
        without(FAILOVER, "\nRETRIES = 3", "\nRETRIES = 30", PROMISED),
        without(PROBE, "START_ATTEMPTS = 3", "START_ATTEMPTS = 30", PROMISED),
    ),
)

RULES = (
    *MODES,
    *UNIT,
    *THE_JOURNAL,
    *THE_FEED,
    *THE_REPLAY,
    *MERGING,
    *CUT_BACK,
    *GUARDS,
)
