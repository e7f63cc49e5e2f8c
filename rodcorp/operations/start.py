"""The documented start: the schema up to date, the primary looked at, and a database that was never
used filled with sample data. Several processes may start at once; one does the work, the others
wait for it."""

from collections.abc import Callable

import portalocker
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections

from rodcorp.actors import Actor
from rodcorp.databases import failover, hosts, journal, refusals
from rodcorp.databases.configuration import LOCAL, SQLITE
from rodcorp.databases.doctor import snapshots_are_allowed
from rodcorp.databases.fields import MICROSOFT
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.probe import Answer, probe_at_start
from rodcorp.databases.schema import is_behind
from rodcorp.databases.sessions import drop
from rodcorp.databases.sides import NO_EPOCH, Side, current, has_primary, pinned
from rodcorp.databases.storage import refuse_network_file_system
from rodcorp.errors import Unavailable
from rodcorp.operations.sample import is_never_used, load_sample_data

# A first start migrates and loads the sample: seconds. Longer means that something hangs.
START_TIMEOUT_S = 120

Say = Callable[[str], None]


def start(say: Say = lambda message: None) -> None:
    """Make this host's databases ready to use. `say` is told of what takes time or attention.

    Raises `ImproperlyConfigured` when SQL Server refuses this host: that is no outage. When it
    cannot be reached the copy takes over, if it may; if not, everything answers that it is
    unavailable until one of the two is there.
    """
    refuse_network_file_system(settings.DATA_DIR)
    lock = settings.DATA_DIR / "start.lock"
    with portalocker.Lock(lock, "a", timeout=START_TIMEOUT_S, check_interval=0.05):
        if not has_primary():
            _refuse_orphaned_copy()
        # the copy first: it must be able to take what the primary has
        for alias in (LOCAL, SQLITE):
            _bring_up_to_date(alias, say)
        _put_triggers_back(SQLITE, say)
        try:
            if has_primary():
                _meet_primary(say)
            if settings.RODCORP_SAMPLE_DATA and is_never_used():
                say("Filling the new database with sample data ...")
                load_sample_data(actor=Actor.system("start"))
        except Unavailable as error:
            say(error.message)


def _bring_up_to_date(alias: str, say: Say) -> None:
    if is_behind(alias):
        say(f"Bringing the database '{alias}' up to date ...")
        call_command("migrate", database=alias, verbosity=0, interactive=False)


def _put_triggers_back(alias: str, say: Say) -> None:
    if lacking := refusals.put_back(connections[alias]):
        say(f"Triggers of the database '{alias}' were not as they should be: {', '.join(lacking)}")
        say("They are made anew. What was done meanwhile: manage.py verify_ledger")


def _meet_primary(say: Say) -> None:
    copy = connections[SQLITE]
    if not journal.is_installed(copy):
        _refuse_other_company()
    if journal.missing(copy):
        journal.install(copy)
    hosts.identify()
    side = current()
    answer = probe_at_start(failover.look) if side.is_primary else failover.look()
    if answer.is_configuration:
        assert answer.failure is not None
        raise ImproperlyConfigured(
            f"SQL Server refuses this host ({answer.failure.code}). This is no outage, so the copy "
            "does not take over. What mends it: manage.py databases doctor"
        )
    if not side.is_primary:
        say("The copy is the active database; see: manage.py databases status")
    elif answer.failure is not None:
        say(f"SQL Server cannot be used ({answer.failure.code}).")
        failover.switch_to_copy(side, answer.failure.code)
        say("This host's copy has taken over.")
    else:
        failover.heard()
        _bring_up_to_date(MSSQL, say)
        _put_triggers_back(MSSQL, say)
        # a session that has just made triggers may not say how many rows a statement changed
        drop(MSSQL)
        try:
            hosts.register()
        except hosts.Restored as error:
            say(f"Nothing is written: {error}. See: manage.py databases status")
        _warn(answer, say)


def _warn(answer: Answer, say: Say) -> None:
    """Of what does not keep the company from starting, and has to be mended."""
    if answer.state is not None and answer.state.utc_offset_min:
        say("SQL Server is not in UTC, so what other programs write has wrong times.")
    if connections[MSSQL].vendor == MICROSOFT and not snapshots_are_allowed():
        say("SQL Server does not allow snapshots, so the copy cannot be filled.")
        say("What mends it: manage.py databases doctor")


def _refuse_other_company() -> None:
    """A file that was the company's only database has rows of its own: filled from SQL Server it
    would lose them."""
    with pinned(Side(SQLITE, NO_EPOCH)):
        if is_never_used():
            return
    raise ImproperlyConfigured(
        f"{connections[SQLITE].settings_dict['NAME']} holds a company of its own, which a copy of "
        "SQL Server would replace. Name another folder in RODCORP_DATA_DIR, or unset MSSQL_HOST."
    )


def _refuse_orphaned_copy() -> None:
    """Written to without its primary, what is changed could never be told apart again."""
    if journal.installed(connections[SQLITE]):
        raise ImproperlyConfigured(
            f"{connections[SQLITE].settings_dict['NAME']} is the copy of a SQL Server. Set "
            "MSSQL_HOST again, or name another folder in RODCORP_DATA_DIR."
        )
