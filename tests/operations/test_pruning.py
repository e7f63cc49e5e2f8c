from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Failure, Task

from rodcorp.databases.models import UnitMarker
from rodcorp.databases.units import run_in_unit
from rodcorp.operations.jobs import prune

pytestmark = pytest.mark.django_db


def keyed_unit(actor, key, *, age_days):
    run_in_unit(lambda unit: key, actor=actor, operation="test", key=key)
    then = timezone.now() - timedelta(days=age_days)
    UnitMarker.objects.filter(result=f'"{key}"').update(created_at=then)


def test_only_markers_past_the_window_are_pruned(system, settings):
    settings.RODCORP_KEY_WINDOW_DAYS = 10
    keyed_unit(system, "old", age_days=11)
    keyed_unit(system, "young", age_days=9)
    assert prune() == (1, 0)
    assert [marker.result for marker in UnitMarker.objects.all()] == ['"young"']


def test_more_markers_than_one_batch_are_pruned(system, monkeypatch):
    monkeypatch.setattr("rodcorp.databases.housekeeping.BATCH", 2)
    for number in range(5):
        keyed_unit(system, f"k{number}", age_days=400)
    assert prune() == (5, 0)


def test_old_failures_of_jobs_are_pruned():
    for number, days in enumerate((31, 1)):
        stopped = timezone.now() - timedelta(days=days)
        Task.objects.create(
            id=str(number), name="x", func="f", started=stopped, stopped=stopped, success=False
        )
    assert prune() == (0, 1)
    assert [failure.id for failure in Failure.objects.all()] == ["1"]
