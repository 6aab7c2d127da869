"""TF_CONFIG: what is understood, and what is said of everything else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from jobsearch.errors import TuningError
from jobsearch.tuning.cluster import Cluster, read_cluster

TWO = ["10.0.0.1:2222", "10.0.0.2:2222"]
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'


def read(cluster: Any, task: Any) -> Cluster:
    return read_cluster({"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})})


def test_worker_0_is_the_chief_where_none_is_named() -> None:
    first, second = (read({"worker": TWO}, {"type": "worker", "index": index}) for index in (0, 1))
    assert (first, second) == (Cluster(tuple(TWO), 0), Cluster(tuple(TWO), 1))
    assert first.is_chief
    assert not second.is_chief


def test_a_chief_of_its_own_comes_first() -> None:
    jobs = {"worker": TWO, "chief": ["boss.example:1"]}
    assert read(jobs, {"type": "chief", "index": 0}) == Cluster(("boss.example:1", *TWO), 0)
    assert read(jobs, {"type": "worker", "index": 0}) == Cluster(("boss.example:1", *TWO), 1)


def test_addresses_may_be_of_version_6() -> None:
    assert read({"worker": ["[::1]:2222"]}, {"type": "worker", "index": 0}).addresses == ("[::1]:2222",)


def test_the_example_of_the_message_is_one() -> None:
    assert read_cluster({"TF_CONFIG": EXAMPLE}) == Cluster(tuple(TWO), 0)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (None, "is not set"),
        ("", "is not set"),
        ("{'cluster'", "is no JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        ("[1]", "is '[1]', no object"),
        ("{}", "has cluster null, no object of addresses"),
        ({"cluster": {}}, "has cluster {}, no object of addresses"),
        ({"cluster": {"worker": TWO, "ps": TWO}}, "has tasks of type 'ps', which are not used here"),
        ({"cluster": {"worker": "a:1"}}, 'has worker "a:1", no list of addresses'),
        ({"cluster": {"worker": ["a"]}}, 'has the worker address "a", no host:port'),
        ({"cluster": {"worker": ["http://a:1"]}}, 'has the worker address "http://a:1", no host:port'),
        ({"cluster": {"chief": TWO}}, "has 2 chiefs, at most one is possible"),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, "has the address a:1 twice"),
        ({"cluster": {"worker": TWO}}, "has task null, which is none of the cluster's (worker 0, worker 1)"),
        (
            {"cluster": {"worker": TWO}, "task": {"type": "worker", "index": 2}},
            'has task {"type": "worker", "index": 2}, which is none of the cluster\'s (worker 0, worker 1)',
        ),
        (
            {"cluster": {"worker": TWO}, "task": {"type": "worker", "index": "0"}},
            'has task {"type": "worker", "index": "0"}, which is none of the cluster\'s (worker 0, worker 1)',
        ),
        (
            {"cluster": {"worker": TWO}, "task": {"type": "worker", "index": True}},
            'has task {"type": "worker", "index": true}, which is none of the cluster\'s (worker 0, worker 1)',
        ),
        (
            {"cluster": {"worker": TWO}, "task": {"type": "worker", "index": [0]}},
            'has task {"type": "worker", "index": [0]}, which is none of the cluster\'s (worker 0, worker 1)',
        ),
    ],
)
def test_anything_else_is_told_with_an_example(content: Any, seen: str) -> None:
    environment = {} if content is None else {"TF_CONFIG": content if isinstance(content, str) else json.dumps(content)}
    message = f"TF_CONFIG {seen}; --strategy multi-worker expects something like '{EXAMPLE}'"
    with pytest.raises(TuningError, match=f"^{re.escape(message)}$"):
        read_cluster(environment)
