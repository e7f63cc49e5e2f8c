"""What the engine throws away when it is no longer needed.

It keeps, for as long as a key may be repeated, what a host asks for that was away: the markers that
tell what of its journal the primary has already, and the tombstones that tell what was deleted. Who
was silent for longer is filled anew, or stopped if it has changes to bring home (`beacon.verify`).
"""

import logging

from rodcorp.databases import hosts
from rodcorp.databases.models import UnitMarker
from rodcorp.databases.sides import current
from rodcorp.databases.sync import rowversions

logger = logging.getLogger(__name__)

# Deleted in one statement: a long delete would hold the write lock.
BATCH = 1_000


def prune_markers() -> int:
    """Delete the markers of units whose keys nobody may repeat any more, and old tombstones. While
    the copy stands in they stay: replay asks for them."""
    side = current()
    if side.is_copy:
        return 0
    before = hosts.beginning_of_window()
    if side.is_primary:
        if hindering := hosts.those_with_changes():
            logger.info("Markers are kept because of %s.", ", ".join(map(str, hindering)))
            return 0
        rowversions.primary_source().forget_deleted(before)
    pruned = 0
    while True:
        old = UnitMarker.objects.filter(created_at__lt=before).order_by("created_at")
        keys = list(old.values_list("pk", flat=True)[:BATCH])
        if not keys:
            return pruned
        UnitMarker.objects.filter(pk__in=keys).delete()
        pruned += len(keys)
