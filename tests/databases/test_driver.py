import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from rodcorp.databases import driver
from rodcorp.databases.driver import (
    NAME,
    Driver,
    DriverUnavailable,
    advice,
    fitting_library,
    operators_driver,
    packaged_library,
    write_registration,
)


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "libmsodbcsql-18.9.so.1.1"
    path.touch()
    return path


@pytest.fixture
def no_system_files(monkeypatch, tmp_path):
    monkeypatch.setattr(driver, "SYSTEM_DIRECTORIES", (str(tmp_path / "nowhere"),))


def register(directory, library, name=NAME):
    directory.mkdir(exist_ok=True)
    (directory / "odbcinst.ini").write_text(f"[{name}]\nDriver={library}\n")
    return {"ODBCSYSINI": str(directory)}


def wheel(tmp_path, *paths):
    for path in paths:
        file = tmp_path / "libs" / path
        file.parent.mkdir(parents=True)
        file.touch()
    return tmp_path / "libs"


def test_importing_the_module_loads_no_driver(repository):
    code = "import sys, rodcorp.databases.driver as d; sys.exit('pyodbc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0


def test_a_driver_the_operator_registered_is_respected(tmp_path, library):
    environ = register(tmp_path / "own", library)
    found = operators_driver(environ)
    assert found == Driver(str(library), tmp_path / "own" / "odbcinst.ini")


def test_a_driver_the_system_registered_is_respected(monkeypatch, tmp_path, library):
    register(tmp_path / "etc", library)
    monkeypatch.setattr(driver, "SYSTEM_DIRECTORIES", (str(tmp_path / "etc"),))
    assert operators_driver({}).library == str(library)


def test_the_operators_file_may_have_another_name(tmp_path, library):
    environ = register(tmp_path / "own", library)
    (tmp_path / "own" / "odbcinst.ini").rename(tmp_path / "own" / "drivers.ini")
    assert operators_driver(environ) is None
    assert operators_driver({**environ, "ODBCINSTINI": "drivers.ini"}).library == str(library)


def test_a_registration_that_names_no_such_file_does_not_count(tmp_path, library):
    assert operators_driver(register(tmp_path / "own", tmp_path / "gone.so")) is None
    assert operators_driver(register(tmp_path / "own", library, name="FreeTDS")) is None


def test_a_file_nobody_can_read_does_not_count(tmp_path):
    (tmp_path / "odbcinst.ini").write_bytes(b"no section = \xff\n")
    assert operators_driver({"ODBCSYSINI": str(tmp_path)}) is None


def test_the_registration_names_the_driver(tmp_path, library, no_system_files):
    made = write_registration(tmp_path / "odbc", library, {})
    assert operators_driver({"ODBCSYSINI": str(made.registered_in.parent)}) == made


def test_the_registration_is_written_only_when_it_changes(tmp_path, library):
    first = write_registration(tmp_path / "odbc", library, {}).registered_in
    written = first.stat().st_mtime_ns, first.stat().st_ino
    assert write_registration(tmp_path / "odbc", library, {}).registered_in == first
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == written
    write_registration(tmp_path / "odbc", tmp_path / "moved.so", {})
    assert "moved.so" in first.read_text()
    assert [path.name for path in first.parent.iterdir()] == ["odbcinst.ini"]


@pytest.mark.parametrize(
    ("system", "machine", "path"),
    [
        ("linux", "x86_64", "linux/debian_ubuntu/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("linux", "aarch64", "linux/rhel/arm64/lib/libmsodbcsql-18.6.so.2.1"),
        ("linux", "AMD64", "linux/alpine/x86_64/lib/libmsodbcsql-18.6.so.2.1"),
        ("darwin", "arm64", "macos/arm64/lib/libmsodbcsql.18.dylib"),
    ],
)
def test_the_package_has_a_driver_for_this_platform(tmp_path, system, machine, path):
    libs = wheel(tmp_path, path)
    assert fitting_library(libs, system, machine) == libs / path


def test_this_distributions_own_driver_comes_first(monkeypatch, tmp_path):
    libs = wheel(
        tmp_path,
        *(
            f"linux/{name}/x86_64/lib/libmsodbcsql-18.6.so.2.1"
            for name in ("alpine", "debian_ubuntu", "rhel", "suse")
        ),
    )
    monkeypatch.setattr(driver.os.path, "exists", lambda path: path == "/etc/SUSE-brand")
    assert "/suse/" in str(fitting_library(libs, "linux", "x86_64"))
    monkeypatch.setattr(driver.os.path, "exists", lambda path: False)
    assert "/debian_ubuntu/" in str(fitting_library(libs, "linux", "x86_64"))


@pytest.mark.parametrize("platform", [("linux", "riscv64"), ("freebsd14", "x86_64")])
def test_a_platform_without_a_driver_is_told_so(tmp_path, platform):
    libs = wheel(tmp_path, "linux/debian_ubuntu/arm64/lib/libmsodbcsql-18.6.so.2.1")
    with pytest.raises(DriverUnavailable, match=f"this platform .*{platform[1]}"):
        fitting_library(libs, *platform)


def test_windows_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setattr(driver.sys, "platform", "win32")
    with pytest.raises(DriverUnavailable, match="Linux and macOS only"):
        driver.register_driver.__wrapped__(tmp_path)


def test_a_missing_package_is_told_so(monkeypatch):
    monkeypatch.setattr(driver, "PACKAGE", "no_such_package")
    with pytest.raises(DriverUnavailable, match=r"mssql-python-odbc.*not installed"):
        packaged_library()


def test_a_missing_system_library_says_what_to_install():
    error = ImportError("libodbc.so.2: cannot open shared object file: No such file or directory")
    assert "apt install libodbc2" in advice(error)
    assert "unixODBC" in advice(error)
    assert "pip install" in advice(ImportError("No module named 'pyodbc'"))


def test_what_cannot_be_loaded_is_a_configuration_error(monkeypatch, tmp_path, no_system_files):
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    monkeypatch.setenv("ODBCSYSINI", str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match="pyodbc cannot be loaded"):
        driver.register_driver.__wrapped__(tmp_path)


def test_a_driver_that_lacks_a_library_of_its_own_says_which(library):
    with pytest.raises(DriverUnavailable, match=r"libmsodbcsql-18\.9\.so\.1\.1 cannot be loaded"):
        driver._check_library(Driver(str(library), library))


@pytest.mark.tsql_driver
def test_pyodbc_finds_the_driver_without_a_manual_step(repository, tmp_path):
    """In a process of its own: unixODBC reads the folder's name once."""
    code = (
        "import sys, pathlib\n"
        "from rodcorp.databases import driver\n"
        "driver.SYSTEM_DIRECTORIES = ()\n"
        "try:\n"
        "    driver.register_driver(pathlib.Path(sys.argv[1]))\n"
        "except driver.DriverUnavailable as error:\n"
        "    sys.exit(str(error))\n"
        "import pyodbc\n"
        "assert driver.NAME in pyodbc.drivers(), pyodbc.drivers()\n"
        "assert pyodbc.pooling is False\n"
    )
    environ = {name: value for name, value in os.environ.items() if name[:4] != "ODBC"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=repository,
        env=environ,
        capture_output=True,
        text=True,
    )
    if "unixODBC's library is missing" in done.stderr and not os.environ.get("RODCORP_REQUIRE_ALL"):
        pytest.skip(f"NOT TESTED: registering the ODBC driver ({done.stderr.strip()})")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "odbc" / "odbcinst.ini").exists()
