"""Microsoft's ODBC driver, as the pip package brings it, registered for pyodbc."""

import os
import platform
import tempfile
from pathlib import Path
from typing import Any

NAME = "ODBC Driver 18 for SQL Server"
LAYOUT = "debian_ubuntu"
_folder = tempfile.TemporaryDirectory(prefix="odbc-")


def library() -> Path:
    import mssql_python_odbc

    machine = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    libs = Path(mssql_python_odbc.get_libs_dir()) / "linux" / LAYOUT / machine / "lib"
    [found] = libs.glob("libmsodbcsql-18*.so*")
    return found


def register() -> Any:
    """pyodbc, which finds the driver by its name. Before the process's first connect: the driver
    manager reads ODBCSYSINI once, and whoever set it before is not overruled."""
    import pyodbc

    pyodbc.pooling = False
    if "ODBCSYSINI" not in os.environ:
        (Path(_folder.name) / "odbcinst.ini").write_text(f"[{NAME}]\nDriver={library()}\n")
        os.environ["ODBCSYSINI"] = _folder.name
    return pyodbc


def missing() -> str:
    """Why pyodbc cannot be used here, if it cannot."""
    try:
        import pyodbc  # noqa: F401

        library()
    except (ImportError, ValueError) as error:
        if os.environ.get("RODCORP_REQUIRE_ALL") == "1":
            raise
        return str(error)
    return ""
