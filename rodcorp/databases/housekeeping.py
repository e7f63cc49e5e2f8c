"""What the engine throws away when it is no longer needed."""

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from rodcorp.databases import hosts
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sides import current

logger = logging.getLogger(__name__)

# Deleted in one statement: a long delete would hold the write lock.
BATCH = 1_000


def prune_markers() -> int:
    """Delete the markers of units whose keys nobody may repeat any more. While the copy stands in
    they stay: replay asks for them."""
    side = current()
    if side.is_copy:
        return 0
    before = timezone.now() - timedelta(days=settings.RODCORP_KEY_WINDOW_DAYS)
    if side.is_primary and (hindering := hosts.those_that_hinder(before)):
        # a host with a journal asks for them when it comes home
        logger.info("Markers are kept because of %s.", ", ".join(map(str, hindering)))
        return 0
    pruned = 0
    while True:
        old = UnitMarker.objects.filter(created_at__lt=before).order_by("created_at")
        keys = list(old.values_list("pk", flat=True)[:BATCH])
        if not keys:
            return pruned
        UnitMarker.objects.filter(pk__in=keys).delete()
        pruned += len(keys)
