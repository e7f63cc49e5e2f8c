"""What people do about conflicts."""

from rodcorp.actors import Actor, Permission
from rodcorp.databases.models import Conflict
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict as Refused
from rodcorp.errors import NotFound
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service


def find_conflict(conflict_id: object) -> Conflict:
    """Raises `NotFound`."""
    wanted = validation.guid(conflict_id, "conflict")
    found = Conflict.objects.filter(pk=wanted).first()
    if found is None:
        raise NotFound(f"There is no conflict {wanted}.", field="conflict")
    return found


@service("databases.resolve_conflict", needs=Permission.RUN_SYSTEM)
def resolve_conflict(*, actor: Actor, conflict: Conflict, resolution: object) -> Conflict:
    """Note that somebody has dealt with it, and how. It stays in the list of all conflicts."""
    if conflict.resolved_at is not None:
        raise Refused(f"{conflict.resolved_by} has resolved this already.", field="conflict")
    return rows.change(
        conflict,
        resolved_at=open_unit().now,
        resolved_by=actor.name[:100],
        resolution=validation.text(resolution, "resolution", max_length=500),
    )
