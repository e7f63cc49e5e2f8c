"""Loaded before anything reads the settings (`-p tests.environment`): tests never touch the data of
a running company, and two test runs never touch each other's.

With MSSQL_HOST set the suite runs on that server, in databases of its own beside the one that
MSSQL_DATABASE names: `test_NAME`, and `test_NAME_processes` for the processes it starts. If it may
also be killed and made to hang, `tests.sides.dying` says how to tell.
"""

import os
import tempfile

_data = tempfile.TemporaryDirectory(prefix="rodcorp-test-")

for _name in [name for name in os.environ if name.startswith("RODCORP_")]:
    if _name != "RODCORP_REQUIRE_ALL":
        del os.environ[_name]

SERVER = {name: value for name, value in os.environ.items() if name.startswith("MSSQL_")}
HAS_SERVER = bool(SERVER.get("MSSQL_HOST"))

SUITE_DATABASE = f"test_{SERVER.get('MSSQL_DATABASE', '')}"
PROCESSES_DATABASE = f"{SUITE_DATABASE}_processes"

if not HAS_SERVER:
    os.environ["MSSQL_HOST"] = ""  # said here, so that no .env says otherwise
elif "MSSQL_DATABASE" in SERVER:
    os.environ["MSSQL_DATABASE"] = PROCESSES_DATABASE

os.environ.update(RODCORP_DATA_DIR=_data.name, RODCORP_HTTPS="0", RODCORP_SAMPLE_DATA="0")


def pytest_unconfigure() -> None:
    from django.db import connections

    connections.close_all()
    _data.cleanup()
