"""The way home's end."""

from tests.rules.listed.where import (
    COMPARE,
    HEALING,
    PROBE,
    T_COMMANDS,
    T_HEALING,
    T_PROBE,
    T_REPLAY,
    T_RESTORING,
    T_WATCHER,
    WATCHER,
)
from tests.rules.rule import Rule, rule, without

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
