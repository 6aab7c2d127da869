"""Who trains together: the cluster that TF_CONFIG describes, checked before TensorFlow sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobsearch.errors import TuningError

TF_CONFIG = "TF_CONFIG"
_EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
# TensorFlow knows parameter servers and evaluators, too; here every task does the same.
_KINDS = ("chief", "worker")
_ADDRESS = re.compile(r"[^\s:/]+:\d{1,5}|\[[0-9A-Fa-f:.]+\]:\d{1,5}")


@dataclass(frozen=True)
class Cluster:
    """The tasks that train together, and which of them this process is.

    Args:
        addresses: `host:port` of every task, the chief's first: a task's place here is its rank.
        rank: of this process.
    """

    addresses: tuple[str, ...]
    rank: int

    @property
    def is_chief(self) -> bool:
        """Whether this process validates, keeps and decides."""
        return self.rank == 0


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """Read TF_CONFIG: a cluster of workers, with a chief among them or apart, and this process's task.

    Source: "Multi-worker training with Keras", https://www.tensorflow.org/tutorials/distribute/multi_worker_with_keras.
    Where no task is called `chief`, worker 0 is.

    Raises:
        TuningError: it is missing, no JSON, or describes something else; the message says what was seen.
    """
    text = environment.get(TF_CONFIG, "").strip()
    if not text:
        raise _wrong("is not set")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _wrong(f"is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise _wrong(f"is {text[:60]!r}, no object")
    jobs, task = content.get("cluster"), content.get("task")
    if not isinstance(jobs, dict) or not jobs:
        raise _wrong(f"has cluster {_seen(jobs)}, no object of addresses")
    if others := sorted(set(jobs) - set(_KINDS)):
        raise _wrong(f"has tasks of type {others[0]!r}, which are not used here")
    for kind, addresses in jobs.items():
        _check_addresses(kind, addresses)
    if len(jobs.get("chief", ())) > 1:
        raise _wrong(f"has {len(jobs['chief'])} chiefs, at most one is possible")
    every = [(kind, index) for kind in _KINDS for index in range(len(jobs.get(kind, ())))]
    addresses = tuple(jobs[kind][index] for kind, index in every)
    if twice := sorted({address for address in addresses if addresses.count(address) > 1}):
        raise _wrong(f"has the address {twice[0]} twice")
    own = (task.get("type"), task.get("index")) if isinstance(task, dict) else None
    if own not in every or isinstance(own[1], bool):
        tasks = ", ".join(f"{kind} {index}" for kind, index in every)
        raise _wrong(f"has task {_seen(task)}, which is none of the cluster's ({tasks})")
    return Cluster(addresses, every.index(own))


def _check_addresses(kind: str, addresses: Any) -> None:
    if not isinstance(addresses, list) or not addresses:
        raise _wrong(f"has {kind} {_seen(addresses)}, no list of addresses")
    for address in addresses:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise _wrong(f"has the {kind} address {_seen(address)}, no host:port")


def _seen(value: Any) -> str:
    return json.dumps(value)[:60]


def _wrong(what: str) -> TuningError:
    return TuningError(f"{TF_CONFIG} {what}; --strategy multi-worker expects something like '{_EXAMPLE}'")
