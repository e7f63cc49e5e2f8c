import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser

from rodcorp.kit.commands import RodCorpCommand
from rodcorp.people.services import find_user, set_password


class Command(RodCorpCommand):
    """Instead of Django's, which saves the user outside any unit of work."""

    help = "Sets a user's password; it asks for it twice."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username", nargs="?", default=getpass.getuser())

    def run(self, **options: Any) -> None:
        user = find_user(options["username"])
        password = getpass.getpass(f"New password for '{user.username}': ")
        if password != getpass.getpass("Again: "):
            raise CommandError("The two passwords differ; nothing was changed.")
        set_password(actor=self.actor, user=user, password=password)
        self.say(f"The password of '{user.username}' is changed.")
