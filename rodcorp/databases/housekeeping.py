"""What the engine throws away when it is no longer needed."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sides import current

# Deleted in one statement: a long delete would hold the write lock.
BATCH = 1_000


def prune_markers() -> int:
    """Delete the markers of units whose keys nobody may repeat any more. While the copy stands in
    they stay: replay asks for them."""
    if current().is_copy:
        return 0
    before = timezone.now() - timedelta(days=settings.RODCORP_KEY_WINDOW_DAYS)
    pruned = 0
    while True:
        old = UnitMarker.objects.filter(created_at__lt=before).order_by("created_at")
        keys = list(old.values_list("pk", flat=True)[:BATCH])
        if not keys:
            return pruned
        UnitMarker.objects.filter(pk__in=keys).delete()
        pruned += len(keys)
