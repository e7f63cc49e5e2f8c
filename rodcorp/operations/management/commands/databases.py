import json
from argparse import _SubParsersAction
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from rodcorp.databases import switching
from rodcorp.databases.configuration import SQLITE
from rodcorp.databases.doctor import examine
from rodcorp.databases.primary import MSSQL
from rodcorp.databases.schema import aliases
from rodcorp.databases.status import Status, status
from rodcorp.databases.validation import validate
from rodcorp.kit.commands import RodCorpCommand


class Command(RodCorpCommand):
    help = (
        "The databases: `status` says where the data is, `doctor` what is wrong and its fix, "
        "`validate` where tables differ from what the code needs, `switch` leads by hand from one "
        "to the other. `doctor` and `validate` exit with 1 when something is wrong."
    )
    needs_schema = False

    def add_arguments(self, parser: CommandParser) -> None:
        tasks: _SubParsersAction[CommandParser] = parser.add_subparsers(
            dest="task", required=True, metavar="status|doctor|validate|switch"
        )
        for name in ("status", "doctor", "validate"):
            task = tasks.add_parser(name)
            task.add_argument("--json", action="store_true", dest="as_json", help="for programs")
        switch = tasks.add_parser("switch")
        switch.add_argument("--to", required=True, choices=[MSSQL, SQLITE])
        switch.add_argument("--reason", required=True, help="kept in the history of switches")

    def run(self, **options: Any) -> None:
        task = {
            "status": self._status,
            "doctor": self._doctor,
            "validate": self._validate,
            "switch": self._switch,
        }[options["task"]]
        task(options)

    def _doctor(self, options: dict[str, Any]) -> None:
        findings = list(examine())
        if options["as_json"]:
            self._as_json([asdict(finding) for finding in findings])
        for finding in [] if options["as_json"] else findings:
            mark = "ok   " if finding.is_well else "WRONG"
            self.stdout.write(f"{mark} {finding.about}: {finding.said}")
            if finding.fix:
                self.stdout.write(f"      {finding.fix}")
        if not all(finding.is_well for finding in findings):
            raise CommandError("Something is wrong; see above.")

    def _validate(self, options: dict[str, Any]) -> None:
        found = {alias: validate(alias) for alias in aliases()}
        if options["as_json"]:
            self._as_json({alias: [asdict(one) for one in all_] for alias, all_ in found.items()})
        for alias, differences in found.items() if not options["as_json"] else ():
            for one in differences:
                where = f"{one.table}.{one.column}" if one.column else one.table
                self.stdout.write(
                    f"WRONG {alias} {where}: {one.about} is {one.found}, not {one.expected}"
                )
                self.stdout.write(f"      {one.fix}")
            if not differences:
                self.stdout.write(f"ok    {alias}")
        if any(found.values()):
            raise CommandError("The tables are not what the code needs; see above.")

    def _switch(self, options: dict[str, Any]) -> None:
        lead = switching.to_primary if options["to"] == MSSQL else switching.to_copy
        state = lead(options["reason"])
        self.say(f"The mode is {state.mode}, epoch {state.epoch}.")

    def _status(self, options: dict[str, Any]) -> None:
        found = status()
        if options["as_json"]:
            switches = [switch._asdict() for switch in found.switches]
            self._as_json({**asdict(found), "switches": switches})
            return
        for line in _lines(found):
            self.stdout.write(line)

    def _as_json(self, data: Any) -> None:
        self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder))


def _lines(found: Status) -> list[str]:
    if found.primary is None or found.copy is None or found.since is None:
        return ["The company's data is in SQLite. No SQL Server is configured."]
    primary, copy = found.primary, found.copy
    place = "SQL Server" if found.active == MSSQL else "SQLite, this host's copy"
    trouble = f"cannot be used ({primary.trouble})" if primary.trouble else "answers"
    standing = f"may not stand in: {copy.why_not}" if copy.why_not else "may stand in"
    lines = [
        f"The company's data is in {place}.",
        f"Mode     {found.mode}, epoch {found.epoch}, since {_moment(found.since)}: {found.reason}",
        f"Primary  {primary.host} {primary.database}: {trouble}",
        f"Copy     {copy.file}: {standing}; {copy.to_replay} changes to replay",
    ]
    if found.switches:
        lines.append("Last switches")
    for switch in found.switches:
        at = _moment(datetime.fromtimestamp(switch.at, found.since.tzinfo))
        lines.append(f"  {at}  {switch.before} to {switch.mode}: {switch.reason}")
    return lines


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
