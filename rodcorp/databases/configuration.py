"""The DATABASES setting.

`default` is empty on purpose: code that forgets to say which database it means gets an error
instead of the wrong one. `sqlite` holds the company's data, unless a SQL Server is configured and
`mssql` does; `local` holds what belongs to this host alone (queue, sessions, lockouts, content
types).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rodcorp.databases.primary import MSSQL, primary_settings

SQLITE = "sqlite"
LOCAL = "local"

SQLITE_FILE = "agent_system.db"
LOCAL_FILE = "host_local.db"

# How long, in seconds, a writer waits for the file's one write lock.
BUSY_TIMEOUT_S = 30

# FULL: with WAL and NORMAL a power loss can take acknowledged commits with it.
# wal_autocheckpoint: pages that units share are written into the file once a checkpoint, so fewer
# checkpoints write less; SQLite's own 1,000 pages are few for units of a dozen and more.
# recursive_triggers: without it INSERT OR REPLACE deletes rows no trigger sees.
_PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON; "
    "PRAGMA recursive_triggers=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000; "
    "PRAGMA wal_autocheckpoint=4000"
)


def databases(data_dir: Path, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Raises `ImproperlyConfigured`, naming the variable, when SQL Server's are not complete."""
    configured = {
        "default": {},
        SQLITE: _sqlite(data_dir / SQLITE_FILE, synchronous="FULL"),
        LOCAL: _sqlite(data_dir / LOCAL_FILE, synchronous="NORMAL"),
    }
    if primary := primary_settings(environ):
        configured[MSSQL] = primary
    return configured


def _sqlite(path: Path, *, synchronous: str) -> dict[str, Any]:
    return {
        "ENGINE": "rodcorp.databases.embedded",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": BUSY_TIMEOUT_S,
            # A transaction that starts with a read and then writes can be refused at once as
            # locked, whatever the timeout; taking the write lock first cannot.
            "transaction_mode": "IMMEDIATE",
            "init_command": _PRAGMAS.format(synchronous=synchronous),
        },
        # A file, not memory: tests run real threads and processes against it.
        # Without DEPENDENCIES the test runner would look for a `default` to create first.
        "TEST": {"NAME": str(path.with_name(f"test_{path.name}")), "DEPENDENCIES": []},
    }
