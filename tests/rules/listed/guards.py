"""The guards."""

from tests.rules.listed.where import (
    ADMISSION,
    BEACON,
    CHECKS,
    CLOCK,
    CONFIGURATION,
    FAILOVER,
    HEALING,
    HERE,
    HOSTS,
    HOUSEKEEPING,
    MERGE,
    MIGRATE,
    MODE,
    PROBE,
    PROMISED,
    PROTECTION,
    REACH,
    ROUTER,
    ROWS,
    START,
    STEADY,
    SYNC,
    T_ADMISSION,
    T_CHECKS,
    T_DEPARTMENTS,
    T_FAILOVER,
    T_GUARDS,
    T_HEALING,
    T_HOLDER,
    T_MATRIX,
    T_PROBE,
    T_REACH,
    T_RESTORING,
    T_START,
    WATCHER,
)
from tests.rules.rule import Edit, Rule, rule, without

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
