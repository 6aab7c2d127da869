"""What the benchmarks share: rows for `run_all.py`, and what a command takes.

Run as a script it is the small process between a benchmark and the command it measures: the system counts the memory
of whoever starts a process as that process's own, which for a benchmark with an index in memory would be too much.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """What a command took.

    Args:
        seconds: from its start to its end.
        cpu: seconds of all cores.
        megabytes: most memory that it had at once, mapped files included.
        code: its exit code.
        told: its stderr.
    """

    seconds: float
    cpu: float
    megabytes: float
    code: int = 0
    told: str = ""


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add --json FILE."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to a file")


def write_rows(path: Path | None, rows: Sequence[Row]) -> None:
    """Write rows to the file that --json names, if it was given."""
    if path is not None:
        path.write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")


def busy_seconds() -> float:
    """Return what all cores have worked since the machine started, for whomever; NaN where nothing tells (not Linux).

    Less what a benchmark itself used, it shows the neighbours: they make BLAS and OpenMP threads wait for each other,
    which costs some rivals far more than others.
    """
    try:
        user, nice, system, _, _, *others = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return float("nan")
    return sum(map(int, (user, nice, system, *others))) / os.sysconf("SC_CLK_TCK")


def run(
    arguments: Sequence[str],
    stdin: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
) -> Ran:
    """Run a jobsearch command to its end; another exit code than `codes` ends the benchmark."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given:
        given.write(stdin)
        given.seek(0)
        ended = subprocess.run(
            [sys.executable, __file__, sys.executable, "-m", "jobsearch", *arguments],
            stdin=given,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **(environment or {})},
        )
    ran = Ran(**json.loads(ended.stdout), told=ended.stderr)
    if ran.code not in codes:
        sys.exit(ran.told)
    return ran


def _measure(command: Sequence[str]) -> None:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    most = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": most, "code": process.returncode}))


if __name__ == "__main__":
    _measure(sys.argv[1:])
