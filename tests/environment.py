"""Loaded before anything reads the settings (`-p tests.environment`): tests never touch the data of
a running company, and two test runs never touch each other's."""

import os
import tempfile

_data = tempfile.TemporaryDirectory(prefix="rodcorp-test-")

for _name in [name for name in os.environ if name.startswith("RODCORP_")]:
    if _name != "RODCORP_REQUIRE_ALL":
        del os.environ[_name]

# A T-SQL server for the tests marked `mssql`; the rest of the suite runs on SQLite.
SERVER = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("MSSQL_")}

os.environ.update(RODCORP_DATA_DIR=_data.name, RODCORP_HTTPS="0", RODCORP_SAMPLE_DATA="0")


def pytest_unconfigure() -> None:
    from django.db import connections

    connections.close_all()
    _data.cleanup()
