"""What the rules promise in figures."""

from datetime import timedelta

import pytest

from rodcorp.databases import failover, probe, protection, units
from rodcorp.databases.sync import healing, merge, watcher

FIGURES = [
    pytest.param(given, most, id=name)
    for name, given, most in [
        ("an acknowledgement waits for the copy", protection.PATIENCE_S, 0.25),
        ("the first look at the primary", probe.BUDGET_S, 0.3),
        ("the tail, as estimated", healing.TAIL_ESTIMATE_S, 0.1),
        ("nobody can write", healing.TAIL_DEADLINE_S, 0.15),
        ("sizes are compared every", watcher.COMPARE_EVERY_S, 60.0),
        ("two words to the primary", watcher.BEACON_EVERY_S, 5.0),
        ("a time may be ahead by", merge.AHEAD, timedelta(seconds=60)),
        ("a victim runs again", failover.RETRIES, 3),
        ("a commit is asked about", units.RETRIES, 3),
        ("a start looks", probe.START_ATTEMPTS, 3),
    ]
]


@pytest.mark.parametrize(("given", "most"), FIGURES)
def test_a_figure_is_no_more_than_was_promised(given, most):
    assert given <= most


def test_a_primary_is_trusted_after_five_seconds():
    assert watcher.STEADY_S >= 5.0
