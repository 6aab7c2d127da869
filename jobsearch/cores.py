"""How many processor cores there are to work with."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    No more than `OMP_NUM_THREADS`, where that is set: whoever runs several processes on a machine (Spark, a cluster's
    scheduler) says so with it, and threads of ours would take cores from the others.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # OpenMP takes a list, too: the first number is for the outermost level.
    most = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(cores, int(most)) if most.isdigit() and int(most) else cores
