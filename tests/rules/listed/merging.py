"""How rows written on both sides become one."""

from tests.rules.listed.where import (
    HERE,
    LEDGER,
    MERGE,
    OVERDRAWN,
    REPLAY,
    T_DEPARTMENTS,
    T_GUARDS,
    T_REPLAY,
    TASKS,
)
from tests.rules.rule import Edit, Rule, rule, without

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
