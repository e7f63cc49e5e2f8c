"""What `manage.py databases` can do: each task a function that writes its lines and says whether
all is well."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from rodcorp.actors import Actor
from rodcorp.databases import switching
from rodcorp.databases.doctor import examine
from rodcorp.databases.hosts import forget
from rodcorp.databases.models import Conflict, Host
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.schema import aliases
from rodcorp.databases.sides import has_primary, mode_file
from rodcorp.databases.status import Status, status
from rodcorp.databases.sync import rowversions
from rodcorp.databases.sync.beacon import accept_restored
from rodcorp.databases.sync.compare import compare
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.validation import validate
from rodcorp.errors import Conflict as Refused
from rodcorp.errors import NotFound
from rodcorp.kit import validation
from rodcorp.operations.conflicts import find_conflict, resolve_conflict

IMAGES = frozenset({"base", "ours", "theirs"})

Write = Callable[[str], object]
Options = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """`run` gets a way to write, the options and who asks; False means that something is wrong."""

    help: str
    run: Callable[[Write, Options, Actor], bool]
    arguments: Callable[[CommandParser], object] = lambda parser: None
    for_programs: bool = True


def show_status(write: Write, options: Options, actor: Actor) -> bool:
    found = status()
    if options["as_json"]:
        switches = [switch._asdict() for switch in found.switches]
        _as_json(write, {**asdict(found), "switches": switches})
    else:
        _lines(write, _status_lines(found))
    return True


def ask_doctor(write: Write, options: Options, actor: Actor) -> bool:
    findings = list(examine())
    if options["as_json"]:
        _as_json(write, findings)
    for finding in [] if options["as_json"] else findings:
        write(f"{'ok   ' if finding.is_well else 'WRONG'} {finding.about}: {finding.said}")
        if finding.fix:
            write(f"      {finding.fix}")
    return all(finding.is_well for finding in findings)


def show_differences(write: Write, options: Options, actor: Actor) -> bool:
    found = {alias: validate(alias) for alias in aliases()}
    if options["as_json"]:
        _as_json(write, {alias: [asdict(one) for one in all_] for alias, all_ in found.items()})
    for alias, differences in found.items() if not options["as_json"] else ():
        for one in differences:
            where = f"{one.table}.{one.column}" if one.column else one.table
            write(f"WRONG {alias} {where}: {one.about} is {one.found}, not {one.expected}")
            write(f"      {one.fix}")
        if not differences:
            write(f"ok    {alias}")
    return not any(found.values())


def compare_sides(write: Write, options: Options, actor: Actor) -> bool:
    _require_primary()
    found = list(compare(rowversions.primary_source()))
    if options["as_json"]:
        _as_json(write, found)
    for one in [] if options["as_json"] else found:
        mark = "WRONG" if one.differing else "ok   "
        write(
            f"{mark} {one.table}: {one.same} the same, {one.moving} on their way, "
            f"{one.differing} differ"
        )
        for key in one.named:
            write(f"      {key}")
    return not any(one.differing for one in found)


def lead_home(write: Write, options: Options, actor: Actor) -> bool:
    _require_primary()
    healed = Healer(rowversions.primary_source()).heal("by hand")
    if healed is None:
        write(f"Not led home; the mode is {mode_file().read().mode}.")
        return mode_file().read().mode == "primary"
    write(
        f"SQL Server is the active database again. {healed.units} units came home, "
        f"{healed.conflicts} conflicts, {healed.quarantined} quarantined; for "
        f"{healed.frozen_s * 1000:.0f} ms nobody could write."
    )
    return True


def show_conflicts(write: Write, options: Options, actor: Actor) -> bool:
    if options["resolve"]:
        conflict = find_conflict(options["resolve"])
        resolve_conflict(actor=actor, conflict=conflict, resolution=options["note"])
        write("Resolved.")
        return True
    found = Conflict.objects.order_by("-recorded_at", "pk")
    if not options["all"]:
        found = found.filter(resolved_at__isnull=True)
    if options["as_json"]:
        # without the images, which may hold what nobody is to read
        told = [field.attname for field in Conflict._meta.concrete_fields]
        _as_json(write, list(found.values(*[n for n in told if n not in IMAGES])))
        return True
    for one in found:
        write(f"{one.pk}  {one.kind} in {one.table_name}, {_moment(one.happened_at)}: {one.rule}")
        write(f"      {one.operation} by {one.caller}; lost: {one.lost or 'the whole row'}")
    if not found:
        write("There are none.")
    return True


def show_hosts(write: Write, options: Options, actor: Actor) -> bool:
    _require_primary()
    if options["forget"]:
        wanted = validation.guid(options["forget"], "host")
        if not forget(wanted):
            raise NotFound(f"There is no other host {wanted}.", field="host")
        write("Forgotten.")
        return True
    found = Host.objects.using(MSSQL).order_by("name", "pk")
    if options["as_json"]:
        _as_json(write, list(found.values()))
        return True
    here = mode_file().host_id()
    for host in found:
        mark = "*" if host.pk == here else " "
        said = _moment(host.reported_at) if host.reported_at else "never"
        rows = "?" if host.journal_rows is None else host.journal_rows
        write(f"{mark} {host.pk}  {host.name}: epoch {host.epoch}, journal {rows}, heard {said}")
    return True


def switch(write: Write, options: Options, actor: Actor) -> bool:
    lead = switching.to_primary if options["to"] == MSSQL else switching.to_copy
    state = lead(options["reason"])
    write(f"The mode is {state.mode}, epoch {state.epoch}.")
    return True


def resume(write: Write, options: Options, actor: Actor) -> bool:
    _require_primary()
    why = mode_file().read().stopped
    if not why:
        raise Refused("This host is not stopped.")
    write(f"It was stopped because: {why}")
    write(f"The copy as it was is in {accept_restored()}; it is filled anew from SQL Server.")
    return True


def _add_switch(parser: CommandParser) -> None:
    parser.add_argument("--to", required=True, choices=["mssql", "sqlite"])
    parser.add_argument("--reason", required=True, help="kept in the history of switches")


def _add_hosts(parser: CommandParser) -> None:
    parser.add_argument("--forget", metavar="ID", help="one that will never come back")


def _add_conflicts(parser: CommandParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that were resolved")
    parser.add_argument("--resolve", metavar="ID", help="somebody has dealt with it")
    parser.add_argument("--note", default="", help="with --resolve: how")


TASKS = {
    "status": Task("where the data is, and how the two databases stand", show_status),
    "doctor": Task("what keeps this host from its SQL Server, with each fix", ask_doctor),
    "validate": Task("where tables differ from what the code needs", show_differences),
    "compare": Task("whether the copy is what SQL Server is, row by row", compare_sides),
    "conflicts": Task(
        "what could not be brought home as it was written", show_conflicts, _add_conflicts
    ),
    "hosts": Task("the hosts SQL Server knows", show_hosts, _add_hosts),
    "heal": Task("lead this host back to SQL Server now", lead_home, for_programs=False),
    "switch": Task("lead this host by hand", switch, _add_switch, for_programs=False),
    "resume": Task(
        "after a restore of SQL Server: take it as it is, and fill the copy anew",
        resume,
        for_programs=False,
    ),
}


def _status_lines(found: Status) -> Iterable[str]:
    if found.primary is None or found.copy is None or found.since is None:
        yield "The company's data is in SQLite. No SQL Server is configured."
        return
    primary, copy = found.primary, found.copy
    place = "SQL Server" if found.active == MSSQL else "SQLite, this host's copy"
    trouble = f"cannot be used ({primary.trouble})" if primary.trouble else "answers"
    standing = f"may not stand in: {copy.why_not}" if copy.why_not else "may stand in"
    yield f"The company's data is in {place}."
    if found.stopped:
        yield f"NOTHING IS WRITTEN: {found.stopped}"
    since = f"epoch {found.epoch}, since {_moment(found.since)}"
    yield f"Mode     {found.mode}, {since}: {found.reason}"
    yield f"Primary  {primary.host} {primary.database}: {trouble}"
    yield f"Copy     {copy.file}: {standing}; {copy.to_replay} changes to replay"
    yield f"Watcher  {found.watcher}"
    if found.switches:
        yield "Last switches"
    for each in found.switches:
        at = _moment(datetime.fromtimestamp(each.at, found.since.tzinfo))
        yield f"  {at}  {each.before} to {each.mode}: {each.reason}"


def _require_primary() -> None:
    if not has_primary():
        raise Refused("No SQL Server is configured.")


def _lines(write: Write, lines: Iterable[str]) -> None:
    for line in lines:
        write(line)


def _as_json(write: Write, data: Any) -> None:
    if isinstance(data, list):
        data = [asdict(one) if is_dataclass(one) else one for one in data]  # type: ignore[arg-type]
    write(json.dumps(data, cls=DjangoJSONEncoder))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
