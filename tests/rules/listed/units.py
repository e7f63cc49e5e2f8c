"""A unit of work: its marker, its rerun, its acknowledgement."""

from tests.rules.listed.where import (
    CODES,
    FAILOVER,
    JOBS,
    JOURNAL,
    MARKERS,
    MIDDLEWARE,
    MIGRATE,
    PRIMARY,
    PROTECTION,
    REPEATABLE,
    REPLAY,
    SYNC,
    T_BACKEND,
    T_FAILOVER,
    T_FAILURES,
    T_GUARDS,
    T_JOBS,
    T_MATRIX,
    T_PRIMARY,
    T_REPLAY,
    T_REQUESTS,
    T_SWITCHING,
    T_UNITS,
    T_UNKNOWN,
    T_WATCHER,
    UNITS,
)
from tests.rules.rule import Rule, rule, without

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
