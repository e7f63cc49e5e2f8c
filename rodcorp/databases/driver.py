"""Makes Microsoft's ODBC driver, which pip installs beside mssql-django, known to pyodbc.

unixODBC finds drivers by an `odbcinst.ini`, whose folder it reads once from ODBCSYSINI. So that is
set before the first connection, unless the operator's own file already names a driver that exists.
Nothing of the driver is copied: it is proprietary, its wheel is depended on.
"""

import configparser
import ctypes
import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

NAME = "ODBC Driver 18 for SQL Server"
PACKAGE = "mssql_python_odbc"

# Where unixODBC's file is when ODBCSYSINI does not say: Debian and Red Hat, SUSE, Homebrew.
SYSTEM_DIRECTORIES = ("/etc", "/etc/unixODBC", "/usr/local/etc", "/opt/homebrew/etc")

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_DISTRIBUTIONS = {
    "alpine": ("/etc/alpine-release",),
    "rhel": ("/etc/redhat-release", "/etc/centos-release"),
    "suse": ("/etc/SuSE-release", "/etc/SUSE-brand"),
    "debian_ubuntu": (),
}


class DriverUnavailable(ImproperlyConfigured):
    """SQL Server cannot be reached from this machine until somebody installs something."""


@dataclass(frozen=True)
class Driver:
    """`library` is the driver itself, `registered_in` the odbcinst.ini that names it."""

    library: str
    registered_in: Path


@lru_cache(maxsize=1)
def register_driver(data_dir: Path) -> Driver:
    """Register the driver, load pyodbc and turn ODBC's own pooling off. Call it before the first
    connection; a second call costs nothing."""
    if sys.platform == "win32":
        raise DriverUnavailable(
            "Rod-Corp reaches SQL Server from Linux and macOS only; on Windows run it in WSL or a "
            "container, or leave MSSQL_HOST unset."
        )
    driver = operators_driver(os.environ) or write_registration(
        data_dir / "odbc", packaged_library(), os.environ
    )
    os.environ["ODBCSYSINI"] = str(driver.registered_in.parent)
    _load_pyodbc().pooling = False
    _check_library(driver)
    return driver


def operators_driver(environ: Mapping[str, str]) -> Driver | None:
    """The driver an odbcinst.ini of this machine already names, if its library is there."""
    own = environ.get("ODBCSYSINI")
    for directory in [own] if own else SYSTEM_DIRECTORIES:
        path = Path(directory) / _file_name(environ)
        library = _read(path)
        if library and (os.path.isfile(library) or "/" not in library):
            return Driver(library, path)
    return None


def _file_name(environ: Mapping[str, str]) -> str:
    return environ.get("ODBCINSTINI") or "odbcinst.ini"


def _read(path: Path) -> str | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
        return parser.get(NAME, "Driver", fallback=None)
    except (configparser.Error, OSError, UnicodeDecodeError):
        return None


def packaged_library() -> Path:
    """The driver inside the pip package that fits this machine."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise DriverUnavailable(
            "The package mssql-python-odbc, which brings Microsoft's ODBC driver, is not "
            "installed; run `pip install -r requirements.txt`."
        )
    return fitting_library(Path(spec.origin).parent / "libs", sys.platform, platform.machine())


def fitting_library(libs: Path, system: str, machine: str) -> Path:
    """`libs/linux/<distribution>/<machine>/lib/libmsodbcsql-18*.so*`, or macOS's."""
    architecture = _MACHINES.get(machine.lower(), machine)
    if system == "darwin":
        found = sorted(libs.glob(f"macos/{architecture}/lib/libmsodbcsql*18*.dylib"))
    else:
        # The wheel for musl holds nothing but Alpine's, so any that is there beats none.
        names = [_distribution(), *_DISTRIBUTIONS]
        found = [
            path
            for name in names
            for path in sorted(libs.glob(f"linux/{name}/{architecture}/lib/libmsodbcsql-18*.so*"))
        ]
    if not found:
        raise DriverUnavailable(
            f"The package mssql-python-odbc has no ODBC driver for this platform ({system}, "
            f"{machine}). Install Microsoft's '{NAME}' and name it in /etc/odbcinst.ini."
        )
    return found[0]


def _distribution() -> str:
    for name, markers in _DISTRIBUTIONS.items():
        if any(os.path.exists(marker) for marker in markers):
            return name
    return "debian_ubuntu"


def write_registration(directory: Path, library: Path, environ: Mapping[str, str]) -> Driver:
    """Replaced whole, and only if it differs: several processes may start at once."""
    path = directory / _file_name(environ)
    text = f"[{NAME}]\nDescription=Microsoft {NAME}\nDriver={library}\nUsageCount=1\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        directory.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    return Driver(str(library), path)


def _load_pyodbc() -> Any:
    try:
        return importlib.import_module("pyodbc")
    except ImportError as error:
        raise DriverUnavailable(advice(error)) from error


def advice(error: ImportError) -> str:
    if "libodbc" not in str(error):
        return f"pyodbc cannot be loaded ({error}); run `pip install -r requirements.txt`."
    return (
        f"unixODBC's library is missing ({error}). Install it: `apt install libodbc2` on Debian "
        "and Ubuntu, `unixODBC` on Red Hat and SUSE, `unixodbc` on Alpine and Homebrew."
    )


def _check_library(driver: Driver) -> None:
    """unixODBC says "file not found" of a driver whose own libraries are missing; the loader says
    which. After pyodbc, so that the system's libodbcinst is the one both use."""
    try:
        ctypes.CDLL(driver.library)
    except OSError as error:
        raise DriverUnavailable(
            f"The ODBC driver {driver.library} cannot be loaded: {error}. On Debian and Ubuntu it "
            "also needs `apt install libgssapi-krb5-2`."
        ) from error
