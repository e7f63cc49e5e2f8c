from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

from rodcorp.databases.schema import aliases, is_behind
from rodcorp.errors import RodCorpError


class Command(createsuperuser.Command):
    help = "Creates a user with the role admin."
    # Django's check asks `default`, which is no database here
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        if any(map(is_behind, aliases())):
            raise CommandError("The databases are not up to date; run: manage.py migrate")
        try:
            super().handle(*args, **options)
        except RodCorpError as error:
            raise CommandError(error.message) from error
