"""What a person must be told: rows that could not be brought home as they were written."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rodcorp.databases import clock, results
from rodcorp.databases.ids import natural_id
from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.sides import mode_file
from rodcorp.databases.sync.rules import Row

# Columns that are nobody's business, in whatever table. Of their values a conflict keeps a digest,
# so that it can still be said where they differ.
SECRET = frozenset({"password", "secret_hash", "lease_token", "body_hash", "result"})


@dataclass(frozen=True)
class Finding:
    """One row that was not taken, or not whole."""

    table: str
    key: UUID
    rule: str
    lost: frozenset[str] = frozenset()
    base: Row | None = None
    ours: Row | None = None
    theirs: Row | None = None


def record(marker: UnitMarker, findings: Iterable[Finding], kind: Conflict.Kind) -> None:
    """On the primary, in the transaction that decides; a second time it changes nothing."""
    now = clock.now()
    host = mode_file().host_id()
    for finding in findings:
        Conflict.objects.using(MSSQL).get_or_create(
            pk=natural_id("conflict", marker.pk, finding.table, finding.key),
            defaults={
                "kind": kind,
                "unit": marker.pk,
                "host": host,
                "operation": marker.operation,
                "caller": marker.caller,
                "table_name": finding.table,
                "row_key": finding.key,
                "rule": finding.rule[:300],
                "lost": ", ".join(sorted(finding.lost)),
                "base": _text(finding.base),
                "ours": _text(finding.ours),
                "theirs": _text(finding.theirs),
                "happened_at": marker.created_at,
                "recorded_at": now,
            },
        )


def _text(image: Row | None) -> str | None:
    if image is None:
        return None
    return json.dumps({name: results.encode(_kept(name, image[name])) for name in image})


def _kept(name: str, value: Any) -> Any:
    if name in SECRET and value:
        return f"sha256:{hashlib.sha256(str(value).encode()).hexdigest()[:16]}"
    return _plain(value)


def _plain(value: Any) -> Any:
    return value.value if hasattr(value, "value") else value
