import secrets
import signal
import sys
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import CommandParser

from rodcorp.databases.repeatable import run_repeatable
from rodcorp.databases.sides import has_primary
from rodcorp.databases.sync.watcher import watcher_hangs
from rodcorp.errors import Unavailable
from rodcorp.kit.commands import RodCorpCommand
from rodcorp.operations.children import Child, Children
from rodcorp.operations.start import start
from rodcorp.people.models import User
from rodcorp.people.services import create_user

ADMIN = "admin"


class Command(RodCorpCommand):
    help = (
        "Starts the company: databases up to date, web server, job worker and, with a SQL Server, "
        "the watcher of its copy. Ctrl-C stops it all."
    )
    needs_schema = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)"
        )
        parser.add_argument("--port", type=int, default=8000, help="the port to listen on (8000)")

    def run(self, **options: Any) -> None:
        host, port = options["host"], options["port"]
        start(say=self.say)
        try:
            password = self._make_sure_somebody_can_sign_in()
        except Unavailable:
            password = None  # `start` has said why
        self._welcome(f"http://{host}:{port}/", password)
        # uvicorn raises the signals it caught once more when it is done; TERM then must not end
        # this process before its children are stopped
        signal.signal(signal.SIGTERM, lambda *caught: sys.exit(0))
        children = Children(_children())
        children.start()
        try:
            _Server(host, port, children).run()
        except KeyboardInterrupt:
            self.say("Stopped.")
        finally:
            children.stop()

    def _make_sure_somebody_can_sign_in(self) -> str | None:
        """The new admin's password, to be shown this once; None if there is an admin."""
        admins = User.objects.filter(role="admin", is_active=True)
        if run_repeatable(admins.all().exists):
            return None
        password = settings.RODCORP_ADMIN_PASSWORD or secrets.token_urlsafe(12)
        create_user(actor=self.actor, username=ADMIN, password=password, role="admin")
        return "the one in RODCORP_ADMIN_PASSWORD" if settings.RODCORP_ADMIN_PASSWORD else password

    def _welcome(self, address: str, password: str | None) -> None:
        self.say(f"\n  Rod-Corp is at {address}")
        if password is not None:
            self.say(f"  Sign in as {ADMIN}, password: {password}")
        else:
            self.say("  Sign in as before; `manage.py changepassword NAME` sets a new password.")
        self.say("  Ctrl-C stops it.\n")


def _children() -> list[Child]:
    """The job worker and, where there are two databases, their watcher."""
    watcher = Child("databases", "watch", hangs=watcher_hangs)
    return [Child("work"), *([watcher] if has_primary() else [])]


class _Server(uvicorn.Server):
    """uvicorn that passes on the wish to stop at once, so that both stop at the same time."""

    def __init__(self, host: str, port: int, children: Children) -> None:
        super().__init__(
            uvicorn.Config(
                "rodcorp.asgi:application",
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
                server_header=False,
            )
        )
        self._children = children

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._children.ask_to_stop()
        super().handle_exit(sig, frame)
