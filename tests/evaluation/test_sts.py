"""STS files in all their forms, the fetched archive, and the figures."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped

from jobsearch.errors import EvaluationError
from jobsearch.evaluation.metrics import angular_similarity
from jobsearch.evaluation.sts import StsSet, evaluate_sts
from jobsearch.evaluation.sts_files import archive_path, fetch_sts_archive, read_sts

CSV = b'A man sings.,A man is singing.,4.5\n"One, two.",Three.,0\n'
# As in the original: a lone quotation mark in one row and another rows later, extra columns at times, no header.
TAB = (
    b'main-news\theadlines\t2015\t0001\t5.000\tHe said "yes.\tHe agreed.\n'
    b"main-news\theadlines\t2015\t0002\t1.200\tA dog.\tA cat.\tsource\tlicence\n"
    b'main-news\theadlines\t2015\t0003\t0\tShe said no".\tShe refused.\n'
)


def archive(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


BENCHMARK = archive(
    {"stsbenchmark/readme.txt": b"hello", "stsbenchmark/sts-dev.csv": TAB, "stsbenchmark/sts-test.csv": TAB[:160]}
)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "pairs.csv"
        path.write_bytes(content)
        return path

    return write


# --- reading ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [CSV, b"\xef\xbb\xbf" + CSV, CSV.replace(b"\n", b"\r\n"), CSV + b"\n"])
def test_csv(put: Callable[[bytes], Path], content: bytes) -> None:
    pairs = read_sts(put(content))
    assert (pairs.name, len(pairs)) == ("pairs", 2)
    assert pairs.sentences1 == ("A man sings.", "One, two.")
    assert pairs.sentences2 == ("A man is singing.", "Three.")
    assert pairs.scores.tolist() == [4.5, 0]


def test_the_benchmarks_own_format_loses_no_row_to_quotation_marks(put: Callable[[bytes], Path]) -> None:
    pairs = read_sts(put(TAB))
    assert pairs.sentences1 == ('He said "yes.', "A dog.", 'She said no".')
    assert pairs.sentences2 == ("He agreed.", "A cat.", "She refused.")
    assert pairs.scores.tolist() == [5, 1.2, 0]


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_the_benchmarks_archive(put: Callable[[bytes], Path], mode: str) -> None:
    path = put(archive({"stsbenchmark/sts-dev.csv": TAB, "stsbenchmark/sts-test.csv": TAB + TAB}, mode))
    assert (read_sts(path).name, len(read_sts(path))) == ("sts-dev", 3)
    assert (read_sts(path, "test").name, len(read_sts(path, "test"))) == ("sts-test", 6)
    with pytest.raises(EvaluationError, match=r"holds no sts-train\.csv, expected the STS benchmark's archive"):
        read_sts(path, "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\nc,d\n", r"row 1: 2 columns, expected 3: sentence1,sentence2,score"),
        (CSV + b"one, two,three,1\n", r"row 3: 4 columns, expected 3"),
        (CSV + b"a,b,high\n", r"row 3: score 'high' is not a number$"),
        (b"sentence1,sentence2,score\n" + CSV, r"row 1: score 'score' is not a number; the file needs no header"),
        (CSV + b"a,b,5.1\n", r"row 3: score is 5\.1, expected 0 to 5"),
        (CSV + b"a,b,-1\n", r"row 3: score is -1, expected 0 to 5"),
        (CSV + b"a,b,nan\n", r"row 3: score is nan, expected 0 to 5"),
        (CSV[: CSV.index(b"\n")], r"has 1 rows, expected at least 2"),
        (b"", r"has 0 rows, expected at least 2"),
        (CSV + "Köchin,b,1\n".encode("latin-1"), r"line 3 is not UTF-8 \(byte 0xf6 at 2\); save the file as UTF-8"),
        (CSV + b'"open,b,1\n', r"row 3: unexpected end of data; expected 3: sentence1"),
        (
            b"g\tf\t2015\t1\t5.0\tonly one\n" + TAB,
            r"row 1: 6 columns, expected at least 7: genre, file, year, id, score",
        ),
        (TAB + b"a,b,1\n", r"row 4: 1 columns, expected at least 7"),
        (TAB.replace(b"1.200", b"x"), r"row 2: score 'x' is not a number$"),
        (b"a,b,2\nc,d,2\n", r"all 2 scores of STS set 'pairs' are 2; nothing correlates with that"),
    ],
)
def test_rows_that_cannot_be_used_are_named(put: Callable[[bytes], Path], content: bytes, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        read_sts(put(content))


def test_files_that_cannot_be_used(put: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"absent\.csv does not exist; expected a CSV file"):
        read_sts(tmp_path / "absent.csv")
    with pytest.raises(EvaluationError, match=r"is a folder; expected a CSV file"):
        read_sts(tmp_path)
    with pytest.raises(EvaluationError, match=r"so it has no dev part; leave out --split"):
        read_sts(put(CSV), "dev")
    with pytest.raises(EvaluationError, match=r"is damaged .*; delete it and run the same command again"):
        read_sts(put(archive({"sts-dev.csv": np.random.default_rng(0).bytes(50_000)})[:-20_000]))


# --- fetching --------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    status = 200
    body = BENCHMARK
    announced: int | None = None
    requests = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.announced or len(self.server.body)))
        # As Apache does for .tar.gz: a client that unpacked the body would keep another file than was asked for.
        self.send_header("Content-Encoding", "x-gzip")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[_Server, str]]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server, f"http://127.0.0.1:{server.server_port}/Stsbenchmark.tar.gz"
        finally:
            server.shutdown()
            thread.join()


def test_the_archive_is_fetched_once_and_kept(jobsearch_home: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with serving() as (server, url):
        path = fetch_sts_archive(url, len(BENCHMARK), lambda *step: seen.append(step))
        assert fetch_sts_archive(url, len(BENCHMARK)) == path
        assert server.requests == 1
    assert path == archive_path() == jobsearch_home / "data" / "downloads" / "Stsbenchmark.tar.gz"
    assert path.read_bytes() == BENCHMARK
    assert seen[-1] == ("downloading", len(BENCHMARK), len(BENCHMARK))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert len(read_sts(path)) == 3


def test_what_is_not_the_archive_is_not_kept(jobsearch_home: Path) -> None:
    with serving() as (server, url):
        with pytest.raises(EvaluationError, match=rf"gave {len(BENCHMARK)} bytes, expected 409,630; try later, or get"):
            fetch_sts_archive(url)
        server.body = b"<html>Log in to this network</html>"
        with pytest.raises(EvaluationError, match=r"gave 35 bytes that are no TAR archive"):
            fetch_sts_archive(url, None)
        server.status = 404
        with pytest.raises(EvaluationError, match=r"answers 404 Not Found; try later"):
            fetch_sts_archive(url, None)
        server.status, server.announced = 200, 5000
        with pytest.raises(EvaluationError, match=r"cannot fetch http.*: the answer broke off; try"):
            fetch_sts_archive(url, None)
    with pytest.raises(EvaluationError, match=r"cannot fetch http.*: there is no connection to that server; try later"):
        fetch_sts_archive(url)
    with pytest.raises(EvaluationError, match=r"'ftp://x/y' is no web address"):
        fetch_sts_archive("ftp://x/y")
    assert not jobsearch_home.exists()


# --- figures ---------------------------------------------------------------------------------------------------


def pairs(scores: list[float]) -> StsSet:
    return StsSet("three", ("a", "a", "a"), ("a", "b", "c"), np.array(scores))


def test_figures_of_known_vectors(hash_encoder: HashEncoder) -> None:
    # a, b, c at 0°, 60° and 90°: cosines 1, 1/2, 0 and angular similarities 1, 2/3, 1/2.
    at = {"a": (1.0, 0.0), "b": (0.5, 0.75**0.5), "c": (0.0, 1.0)}
    hash_encoder.dim = 2
    encoder = Wrapped(hash_encoder, encode=lambda texts: np.array([at[text] for text in texts], np.float32))
    result = evaluate_sts(encoder, pairs([5, 2.5, 0]))
    assert result.cosines == pytest.approx([1, 0.5, 0], abs=1e-7)
    # Scores are linear in the cosines: 1. Against (1, 2/3, 1/2), with deviations (5, -1, -4) / 18 and (1, 0, -1):
    # 9 / √(42 · 2) = .9820.
    assert result.metrics == {
        "pearson": pytest.approx(1),
        "spearman": pytest.approx(1),
        "pearson_angular": pytest.approx(9 / 84**0.5),
        "spearman_angular": pytest.approx(1),
    }
    assert angular_similarity(result.cosines) == pytest.approx([1, 2 / 3, 1 / 2], abs=1e-3)
    assert result.n == 3
    assert result.encoder.to_dict() == {"name": "hash", "fingerprint": encoder.fingerprint}


def test_a_collapsed_encoder_scores_nothing(hash_encoder: HashEncoder) -> None:
    collapsed = Wrapped(hash_encoder, encode=lambda texts: np.full((len(texts), 64), 1 / 8, np.float32))
    result = evaluate_sts(collapsed, pairs([5, 2, 1]))
    assert set(result.metrics.values()) == {0.0}
    assert set(result.intervals) == set(result.metrics)


def test_nan_is_refused(hash_encoder: HashEncoder) -> None:
    broken = Wrapped(hash_encoder, encode=lambda texts: np.full((len(texts), 64), np.nan, np.float32))
    with pytest.raises(EvaluationError, match=r"encoder 'hash' gives NaN or infinity for 3 of 3 texts, the first 'a'"):
        evaluate_sts(broken, pairs([5, 2, 1]))


def test_records_and_comparison(hash_encoder: HashEncoder) -> None:
    first, second = (evaluate_sts(HashEncoder(64, salt), pairs([5, 2, 1])) for salt in ("", "x"))
    record = first.to_dict()
    assert list(record) == ["task", "set", "encoder", "case", "metrics", "n", "intervals"]
    assert (record["task"], record["set"], record["n"], record["case"]) == ("sts", "three", 3, "lower")
    assert all(low <= high for low, high in record["intervals"].values())
    paired = second.paired(first)
    assert paired.metric == "pearson"
    assert paired.difference == pytest.approx(second.metrics["pearson"] - first.metrics["pearson"])


def test_a_set_checks_itself() -> None:
    with pytest.raises(EvaluationError, match="STS set 'x' has 1 pairs, expected at least 2"):
        StsSet("x", ("a",), ("b",), np.array([1.0]))
