"""Processes of one host, which a test starts and which end with it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# Seconds after which one that should have come to its end is taken to hang.
PATIENCE_S = 120


class Running:
    """What it prints goes into files: a pipe that nobody empties would make it wait."""

    def __init__(self, process: "subprocess.Popen[str]", output: Path) -> None:
        self._process, self._output = process, output
        self.pid = process.pid

    @property
    def is_busy(self) -> bool:
        return self._process.poll() is None

    def said(self) -> list[dict[str, Any]]:
        """The whole lines so far, which are JSON."""
        lines = self._output.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def end(self) -> list[dict[str, Any]]:
        """End its input and wait until it is done; what it said."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(PATIENCE_S) == 0, self.trouble()
        return self.said()

    def trouble(self) -> str:
        return self._output.with_suffix(".err").read_text()[-2000:]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


Start = Callable[..., Running]


@contextmanager
def processes(directory: Path, **environment: str) -> Iterator[Start]:
    """`start("manage.py", "migrate")` runs that with the company in `directory`."""
    started: list[Running] = []

    def start(*arguments: object) -> Running:
        output = directory / f"process-{len(started)}.out"
        with output.open("w") as out, output.with_suffix(".err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                cwd=ROOT,
                env={**os.environ, "RODCORP_DATA_DIR": str(directory), **environment},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                text=True,
            )
        started.append(Running(process, output))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.kill()


def answers_of(writers: Iterable[Running]) -> list[dict[str, Any]]:
    """Of all, once all are done."""
    return [answer for writer in writers for answer in writer.end()]
