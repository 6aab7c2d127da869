"""The command line: the only place that prints, renders or exits.

Each command has a file of its own. Files here import nothing heavy at the top: `jobsearch --help` must not pay for
NumPy, and nothing but tuning may import TensorFlow.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code: 0 done, 1 an error of the library, 2 wrong usage."""
    from jobsearch.cli.app import run

    sys.exit(run(sys.argv[1:]))
