"""Row ids. Two databases that create the same thing must give it the same id."""

import json
from uuid import UUID, uuid4, uuid5

from rodcorp.databases.current import current_unit
from rodcorp.databases.fields import fold

NAMESPACE = UUID("6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11")


def natural_id(kind: str, *parts: object) -> UUID:
    """The id of a row that has a natural key: the same parts always give the same id. Text counts
    folded, as a `KeyField` compares it; bytes count as they are."""
    folded = [_comparable(part) for part in parts]
    return uuid5(NAMESPACE, json.dumps([kind, *folded], ensure_ascii=True))


def _comparable(part: object) -> str:
    if isinstance(part, str):
        return fold(part)
    return part.hex() if isinstance(part, bytes) else str(part)


def new_id() -> UUID:
    """The next id of the open unit of work, derived from its key, so that a unit run again makes
    the same rows. Outside a unit (an unsaved form instance) it is random."""
    unit = current_unit()
    return unit.new_id() if unit else uuid4()
