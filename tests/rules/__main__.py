"""`python -m tests.rules [--why] [NAME ...]`: take each rule out, or those that are named, in a
copy of the tree, and look whether the tests that stand for it notice; `--why` says in which words.
Exit code 1 unless all do."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tests.rules.kept import VARIABLE
from tests.rules.listed import RULES
from tests.rules.rule import ROOT, NoLongerApplies, Rule, Way, edited

NOTICED, MISSED = "noticed", "NOT NOTICED"
GONE, BROKEN = "no longer applies", "cannot be run"

# Tests that take longer than this wait for something that does not come.
PATIENCE_S = 240

_PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")

# What has a part in making the files that tests begin with.
_MAKERS = ("journal.py", "configuration.py", "replicated.py", "router.py", "migrate.py", "sync.py")

_LEFT_OUT = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "var")


@dataclass(frozen=True)
class Outcome:
    """What became of some tests: the first that failed, with its words, and why some were not
    run."""

    failed: str = ""
    words: str = ""
    skipped: str = ""
    trouble: str = ""


def main(arguments: Sequence[str]) -> int:
    names = [argument for argument in arguments if argument != "--why"]
    chosen = [rule for rule in RULES if not names or rule.name in names]
    if unknown := set(names) - {rule.name for rule in chosen}:
        for name in sorted(unknown):
            near = ", ".join(get_close_matches(name, [rule.name for rule in RULES])) or "none"
            print(f"There is no rule {name!r}; like it: {near}.", file=sys.stderr)
        return 2
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rodcorp-rules-") as kept:
        tree = Path(kept) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
        before = _run(
            tree, [test for rule in chosen for way in rule.ways for test in way.noticed_by]
        )
        if before.failed or before.trouble:
            print(f"With every rule in place: {before.failed or before.trouble}", file=sys.stderr)
            return 1
        _print_row("rule", "taken out in", "noticed by", "verdict")
        verdicts = Counter(_verdicts(tree, chosen, says_why="--why" in arguments))
    seconds = time.monotonic() - begun
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    print(f"\n{len(chosen)} rules in {seconds:.0f} s: {told}")
    return int(any(verdict in (MISSED, GONE, BROKEN) for verdict in verdicts))


def _verdicts(tree: Path, chosen: Iterable[Rule], *, says_why: bool) -> Iterator[str]:
    for rule in chosen:
        for way in rule.ways:
            where = ", ".join(dict.fromkeys(edit.file for edit in way.edits))
            outcome, verdict = _judge(tree, way)
            by = outcome.failed or outcome.trouble or "-"
            _print_row(rule.name, where.replace("rodcorp/databases/", ""), by, verdict)
            if says_why and outcome.words:
                print(f"    {outcome.words}", flush=True)
            yield verdict


def _judge(tree: Path, way: Way) -> tuple[Outcome, str]:
    try:
        changed = edited(way, tree)
    except NoLongerApplies as error:
        return Outcome(trouble=str(error)), GONE
    with _changed(tree, changed):
        outcome = _run(tree, way.noticed_by, anew=any(file.endswith(_MAKERS) for file in changed))
    if outcome.failed:
        return outcome, NOTICED
    if outcome.trouble:
        return outcome, BROKEN
    return outcome, outcome.skipped or MISSED


@contextmanager
def _changed(tree: Path, texts: Mapping[str, str]) -> Iterator[None]:
    before = {file: (tree / file).read_text() for file in texts}
    try:
        for file, text in texts.items():
            _write(tree / file, text)
        yield
    finally:
        for file, text in before.items():
            _write(tree / file, text)


def _write(path: Path, text: str) -> None:
    """What is compiled is known by its time in whole seconds and its size: too little here."""
    path.write_text(text)
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def _run(tree: Path, tests: Sequence[str], *, anew: bool = False) -> Outcome:
    report = tree.parent / "report.xml"
    report.unlink(missing_ok=True)
    keeping = [] if anew else ["-p", "tests.rules.kept"]
    process = subprocess.Popen(
        [*_PYTEST, *keeping, f"--junit-xml={report}", *dict.fromkeys(tests)],
        cwd=tree,
        env={**os.environ, VARIABLE: str(tree.parent / "kept")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE_S + 5 * len(tests))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Outcome(failed=f"(no end within {PATIENCE_S} s)")
    if process.returncode not in (0, 1) or not report.exists():
        return Outcome(trouble=" ".join(said.split()[-40:]))
    return _read(report)


def _read(report: Path) -> Outcome:
    """An error outside a test, as in a fixture, is no test that noticed."""
    failed = words = trouble = skipped = ""
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        if (failure := case.find("failure")) is not None:
            failed, words = name, str(failure.get("message")).partition("\n")[0]
        elif (error := case.find("error")) is not None:
            trouble = f"{name}: {error.get('message')}"
        elif (reason := case.find("skipped")) is not None:
            skipped = str(reason.get("message")).removeprefix("NOT TESTED: ")
    return Outcome(failed, words, skipped, trouble)


def _print_row(*cells: str) -> None:
    widths = (44, 24, 76)
    print("  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=False)), end="")
    print(f"  {cells[-1]}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
