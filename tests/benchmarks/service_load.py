"""The service under load: throughput and latency of `jobsearch serve`, asked from a second process.

    python tests/benchmarks/service_load.py [--index NAME] [--connections 1 8 32] [--seconds 10] [--path /search]

Starts the service on a free port, over an index that is there, and a second process that keeps that many connections
open, each sending its next request as soon as its last was answered (a closed loop: latency under load holds the time
spent waiting). Queries are labels of the index, each sent once. The first second is not counted. Both processes share
this machine's cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from measuring import Row, add_json_option, write_rows

from jobsearch import JobSearch
from jobsearch.cores import usable_cores

SEED = 0
WARM_UP = 1.0
QUERIES = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", default="esco-en")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--path", default="/search", choices=["/search", "/search/batch", "/health"])
    parser.add_argument("--batch", type=int, default=32, help="queries in a request to /search/batch")
    parser.add_argument("--ask", metavar="URL", help=argparse.SUPPRESS)
    add_json_option(parser)
    arguments = parser.parse_args()
    if arguments.ask:
        print(json.dumps(ask(arguments)))
        return
    command = [sys.executable, "-m", "jobsearch", "serve", "--index", arguments.index, "--port", "0", "--no-compare"]
    with subprocess.Popen([*command, "--log-level", "info"], stderr=subprocess.PIPE, text=True) as service:
        try:
            url = wait_until_ready(service)
            write_rows(arguments.json, report(url, arguments))
        finally:
            service.terminate()


def wait_until_ready(service: subprocess.Popen[str]) -> str:
    """Return the service's address once it has loaded its index; its log is read on, so that it never blocks."""
    assert service.stderr is not None
    url = ""
    for line in service.stderr:
        event = json.loads(line) if line.startswith("{") else {"event": line.strip()}
        if event["event"] == "listening":
            url = event["url"]
        elif event["event"] == "ready":
            threading.Thread(target=service.stderr.read, daemon=True).start()
            return url
        else:
            print(event, file=sys.stderr)
    sys.exit("the service did not start")


def report(url: str, arguments: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    print(f"{arguments.path} over {arguments.index}, k {arguments.k}, {usable_cores()} cores")
    print(f"{'connections':>11} {'requests/s':>10} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'failed':>7}")
    for connections in arguments.connections:
        given = ["--ask", url, "--connections", str(connections), "--seconds", str(arguments.seconds)]
        same = ["--index", arguments.index, "--k", str(arguments.k), "--path", arguments.path]
        client = [sys.executable, __file__, *given, *same, "--batch", str(arguments.batch)]
        found = json.loads(subprocess.run(client, check=True, capture_output=True, text=True).stdout)
        row = [found["per_second"], *found["percentiles"]]
        print(
            f"{connections:11} {row[0]:10.1f} {row[1]:8.1f} {row[2]:8.1f} {row[3]:8.1f} {found['failed']:7}", flush=True
        )
        p50, p95, p99 = found.pop("percentiles")
        rows.append({"connections": connections, **found, "p50": p50, "p95": p95, "p99": p99})
    return rows


def ask(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keep connections busy, and return what was seen."""
    labels = list(JobSearch.open(arguments.index).opened.labels.texts)
    queries = random.Random(SEED).sample(labels, min(QUERIES, len(labels)))
    (connections,) = arguments.connections
    begun = time.perf_counter()
    counted, end = begun + WARM_UP, begun + WARM_UP + arguments.seconds
    taken: list[list[float]] = [[] for _ in range(connections)]
    failed = [0] * connections

    def keep_busy(number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(arguments.ask).netloc, timeout=60)
        position = number
        while (sent := time.perf_counter()) < end:
            method, body = request(arguments, queries, position)
            connection.request(method, arguments.path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            response.read()
            position += connections
            if sent >= counted:
                taken[number].append(time.perf_counter() - sent)
                failed[number] += response.status != 200
        connection.close()

    threads = [threading.Thread(target=keep_busy, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = [one for each in taken for one in each]
    percentiles = (1000 * np.percentile(seconds, [50, 95, 99])).tolist()
    return {"per_second": len(seconds) / arguments.seconds, "percentiles": percentiles, "failed": sum(failed)}


def request(arguments: argparse.Namespace, queries: list[str], position: int) -> tuple[str, str | None]:
    if arguments.path == "/health":
        return "GET", None
    if arguments.path == "/search":
        return "POST", json.dumps({"query": queries[position % len(queries)], "k": arguments.k})
    batch = [queries[(position * arguments.batch + more) % len(queries)] for more in range(arguments.batch)]
    return "POST", json.dumps({"queries": batch, "k": arguments.k})


if __name__ == "__main__":
    main()
