"""What `jobsearch tune` takes on the built-in data: time from start to end, and memory.

    python tests/benchmarks/tune.py [--steps N]

The command runs as a user runs it, in a home folder of its own that is removed: training by the default recipe,
validations, the choice of the share of tuned weights, and the gate. --steps shortens it, for a trial; what is rejected
then took as long as what is not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from measuring import add_json_option, run, write_rows

NAME = "benchmark"
REJECTED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int)
    add_json_option(parser)
    arguments = parser.parse_args()
    steps = ["--steps", str(arguments.steps)] if arguments.steps else []
    with tempfile.TemporaryDirectory() as home:
        ran = run(["tune", "--name", NAME, *steps], environment={"JOBSEARCH_HOME": home}, codes=(0, REJECTED))
        records = list(Path(home).rglob("record.json"))
        if not records:
            raise SystemExit(ran.told)
        record = json.loads(records[0].read_text(encoding="utf-8"))
    gate = record["gate"]
    print(
        f"{record['steps']} steps, {ran.seconds:.0f} s ({ran.cpu:.0f} CPU s), of which training {record['seconds']:.0f}"
    )
    print(f"{ran.megabytes / 1000:.2f} GB at most")
    print(f"held-out MRR {gate['mrr_base']:.3f} to {gate['mrr_tuned']:.3f}, {gate['verdict']}")
    measured = {"seconds": ran.seconds, "cpu_seconds": ran.cpu, "megabytes": ran.megabytes}
    write_rows(arguments.json, [{"steps": record["steps"], **measured, "verdict": gate["verdict"]}])


if __name__ == "__main__":
    main()
