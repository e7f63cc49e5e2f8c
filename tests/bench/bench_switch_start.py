"""`manage.py serve` where SQL Server refuses connections: from the process's start to a page.

The bound is for a data directory that an earlier start, also without the primary, has prepared: it
says already that the copy is the active database, or it says that the primary is, which was lost
since. The page is the home page, for somebody who has signed in before. The very first start makes
the databases as well and is for information; its page is the sign-in.
"""

import http.cookiejar
import re
import socket
import sqlite3
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rodcorp.databases.configuration import SQLITE_FILE
from rodcorp.databases.mode import Mode, ModeFile
from tests.bench.company import why_no_driver
from tests.bench.harness import Line, seconds
from tests.bench.writers import ROOT
from tests.processes import company

BOUND_S = 5.0
STARTS = 3
GIVE_UP_S = 60
PASSWORD = "correct-horse-9"

NAMES = {
    Mode.FALLBACK: f"start with the primary down -> home page, worst of {STARTS}",
    Mode.PRIMARY: f"start with the primary lost since the last -> home page, worst of {STARTS}",
}
FIRST = "the very first start, with the primary down -> sign-in page"


def run() -> list[Line]:
    if why := why_no_driver():
        return [Line(name, None, BOUND_S, "s", why_not=why) for name in NAMES.values()]
    lines = []
    with tempfile.TemporaryDirectory(prefix="rodcorp-bench-") as directory, _closed_port() as port:
        browser = _Browser()
        data = Path(directory)
        first = _first_page(data, port, browser, sign_in=True)
        for mode, name in NAMES.items():
            taken = []
            for _ in range(STARTS):
                if mode is Mode.PRIMARY:
                    _pretend_primary(data)
                taken.append(_first_page(data, port, browser, sign_in=False))
            lines.append(seconds(name, max(taken), BOUND_S))
    return [*lines, seconds(FIRST, first)]


def _pretend_primary(data: Path) -> None:
    """As if all had been led home before the last process ended."""
    modes = ModeFile(data)
    epoch = modes.read().epoch
    assert modes.change(Mode.HEALING, epoch, "bench")
    assert modes.change(Mode.PRIMARY, epoch + 1, "bench")
    modes.close()
    with closing(sqlite3.connect(data / SQLITE_FILE)) as copy:
        copy.execute("DELETE FROM rodcorp_journal")
        copy.execute("UPDATE rodcorp_fence SET is_open = 0, epoch = ?", [epoch + 2])
        copy.commit()


def _first_page(data: Path, port: int, browser: "_Browser", *, sign_in: bool) -> float:
    began = time.perf_counter()
    with company(ROOT, data, **_environment(port)) as (process, address):
        # who connects before it listens may be given its port for his own
        while not (_said(data, address) and "Rod-Corp" in browser.page(address)):
            assert process.poll() is None, (data / "out.txt").read_text()
            assert time.perf_counter() - began < GIVE_UP_S, "no page"
            time.sleep(0.01)
        taken = time.perf_counter() - began
        assert browser.is_signed_in is not sign_in
        if sign_in:
            browser.sign_in(address)
    return taken


def _said(data: Path, address: str) -> bool:
    return address in (data / "out.txt").read_text()


def _environment(port: int) -> dict[str, str]:
    return {
        "MSSQL_HOST": "127.0.0.1",
        "MSSQL_PORT": str(port),
        "MSSQL_DATABASE": "company",
        "MSSQL_USER": "nobody",
        "MSSQL_PASSWORD": PASSWORD,
        "RODCORP_ADMIN_PASSWORD": PASSWORD,
        "RODCORP_SAMPLE_DATA": "0",
    }


@contextmanager
def _closed_port() -> Iterator[int]:
    """Bound, so that nobody else listens there, and refusing."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class _Browser:
    """It keeps its cookies from one start to the next, whatever the port."""

    def __init__(self) -> None:
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies)
        )
        self.is_signed_in = False

    def page(self, address: str) -> str:
        """The home page, or the sign-in page it leads to; nothing until it is answered."""
        try:
            with self._opener.open(address + "/", timeout=GIVE_UP_S) as answer:
                self.is_signed_in = "/login/" not in answer.url
                return answer.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return ""

    def sign_in(self, address: str) -> None:
        page = address + "/admin/login/?next=/"
        with self._opener.open(page) as answer:
            found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.read().decode())
        assert found
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": found[1]}
        data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(page, data, headers={"Referer": page})
        with self._opener.open(request) as answer:
            assert "/login/" not in answer.url, "could not sign in"
