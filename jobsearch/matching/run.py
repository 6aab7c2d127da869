"""A whole file or stream: read, encoded, searched and written side by side, in memory that does not grow."""

from __future__ import annotations

import hashlib
import itertools
import shlex
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.errors import MatchingError
from jobsearch.files import there_already
from jobsearch.filters import EVERYTHING, Filter
from jobsearch.hits import KindFilter
from jobsearch.matching.batches import Batch
from jobsearch.matching.matcher import DECIMALS, Matcher, Matches, Plan
from jobsearch.matching.sources import STREAM, Source, format_of
from jobsearch.matching.stages import Stages
from jobsearch.matching.unfinished import Done, Unfinished, folder_of
from jobsearch.matching.writers import Writer, open_writer
from jobsearch.progress import Progress, silent

# Changes with what a batch's rows look like, so that no file is half of one kind and half of another.
_LAYOUT = 3


@dataclass(frozen=True)
class Wanted:
    """What is to be found for each title.

    Args:
        k: hits.
        kind: `"occupation"`, `"skill"` or `"all"`.
        where: what else each hit must fulfil.
    """

    k: int = 1
    kind: KindFilter = "occupation"
    where: Filter = EVERYTHING


BEST = Wanted()


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Args:
        rows: rows of the input, each of which is in the output.
        empty: rows of these without a title.
        without_hit: rows with a title and no hit, which only a filter brings about.
        without_good_match: rows with a title and no hit that is a good match; those without a hit among them.
        searched: titles that were encoded and searched: each distinct one once, as long as it was remembered.
        resumed_after: rows that an earlier run had done.
        seconds: how long this run took, from the first row on.
    """

    rows: int
    empty: int
    without_hit: int
    without_good_match: int
    searched: int
    resumed_after: int
    seconds: float

    @property
    def titles(self) -> int:
        """Rows that have a title."""
        return self.rows - self.empty

    @property
    def rows_per_second(self) -> float:
        """Rows that this run did in a second."""
        return (self.rows - self.resumed_after) / max(self.seconds, 1e-9)


def check_out(source: Source, out: Path, force: bool = False, restart: bool = False) -> None:
    """Check that a file may be made, before anything is read.

    Raises:
        MatchingError: it is the input itself, or there already and no run that makes it can be gone on with, or its
            folder is not there.
    """
    format_of(str(out))
    if not out.parent.exists():  # made unasked, a slip in its name would hide the file where nobody looks
        make = f"mkdir -p {shlex.quote(str(out.parent))}"
        raise MatchingError(f"there is no folder {out.parent}; make it (`{make}`), or name another file with --out")
    if out.is_dir():
        raise MatchingError(f"{out} is a folder; name a file in it with --out")
    if not source.is_stream and out.exists() and out.samefile(source.path):
        raise MatchingError(f"{out} is the input itself; name another file with --out")
    begun = (folder_of(out) / "progress.json").exists() and not restart
    if out.exists() and not force and not begun:
        raise MatchingError(there_already(out))


def match_file(
    engine: JobSearch,
    source: Source,
    out: Path,
    wanted: Wanted = BEST,
    progress: Progress = silent,
    *,
    force: bool = False,
    restart: bool = False,
) -> Summary:
    """Match all titles of a file, and write its rows with their hits to another one.

    Killed at any moment and called again with the same arguments it goes on where it stopped, and makes the same file,
    byte for byte. The file has its name only when it is whole; until then all is in `<out>.partial`.

    >>> source = open_source("vacancies.csv")
    >>> match_file(JobSearch.open("esco-en"), source, Path("vacancies.matched.csv")).rows
    1000000

    Args:
        engine: what to search; the version in use now answers all.
        source: what to read.
        out: the file to make; what it ends in tells its format.
        wanted: what to find.
        progress: told of rows done.
        force: replace the file if it is there.
        restart: drop what an unfinished run has done.

    Returns:
        What was done.

    Raises:
        MatchingError: the input cannot be read, the file is there, or an unfinished run is another one.
        QueryError: k, kind or the filter cannot be.
        StorageError: the disk is full, read-only or not ours; what was finished stays.
    """
    check_out(source, out, force, restart)
    matcher = Matcher(engine, wanted.k, wanted.kind, wanted.where)
    kind = format_of(str(out))
    writer = open_writer(kind, source, matcher.columns)
    size = matcher.batch_size
    with Unfinished(out, _identity(source, kind, matcher, wanted, size), wanted.k, restart) as unfinished:
        before = unfinished.done
        if source.is_stream and before.batches:
            raise MatchingError(f"{unfinished.folder} is unfinished and stdin cannot be read again; add --restart")
        begun = time.perf_counter()
        if not before.whole:
            _go_on(matcher, source, writer, unfinished, size, progress)
        progress("finishing", 0, 0)
        unfinished.finish(writer)
    return _summary(unfinished.done, before.rows, begun)


def match_stream(
    engine: JobSearch, source: Source, out: BinaryIO, wanted: Wanted = BEST, progress: Progress = silent
) -> Summary:
    """Match all titles of a file or stream, and write its rows with their hits to a stream, as CSV.

    Args:
        engine: what to search; the version in use now answers all.
        source: what to read.
        out: written to batch by batch.
        wanted: what to find.
        progress: told of rows done.

    Raises:
        MatchingError: the input cannot be read; what came before was written.
        QueryError: k, kind or the filter cannot be.
    """
    matcher = Matcher(engine, wanted.k, wanted.kind, wanted.where)
    writer = open_writer(format_of(STREAM), source, matcher.columns)
    begun, done = time.perf_counter(), Done()
    out.write(writer.begin())
    out.flush()
    with Stages() as stages:
        for batch, matches in _answered(matcher, source.batches(matcher.batch_size), stages):
            out.write(writer.batch(batch, matches.lines()))
            out.flush()
            done = _after(done, batch, matches, 0)
            progress("matching", done.rows, done.total)
    return _summary(done, 0, begun)


def _go_on(
    matcher: Matcher, source: Source, writer: Writer, unfinished: Unfinished, size: int, progress: Progress
) -> None:
    """Do what is left of a run."""
    done, identity = unfinished.done, None if source.is_stream else source.identity()
    if not done.bytes and not done.batches:
        progress("checking", 0, 0)
        total = 0 if source.is_stream else source.count()
        begin = writer.begin()
        done = replace(done, total=total, bytes=len(begin))
        unfinished.commit(begin, [], done)
    batches = source.batches(size)
    for number, batch in enumerate(itertools.islice(batches, done.batches)):
        # What was planned decides what is remembered, and that decides what is searched for together.
        matcher.plan(batch.titles)
        progress("going on", number, done.batches)
    if matcher.memory.asked != done.searched:
        raise MatchingError(f"{source.name} is not what {unfinished.folder} was begun with; add --restart")
    matcher.memory.restore(unfinished.answers)
    with Stages() as stages:
        for batch, matches in _answered(matcher, batches, stages):
            content = writer.batch(batch, matches.lines())
            done = _after(done, batch, matches, len(content))
            unfinished.commit(content, [matches.asked], done)
            progress("matching", done.rows, done.total)
    if identity is not None and source.identity() != identity:
        raise MatchingError(f"{source.name} was changed while it was read; add --restart to begin anew")
    unfinished.commit(b"", [], replace(done, whole=True))


def _answered(matcher: Matcher, batches: Iterator[Batch], stages: Stages) -> Iterator[tuple[Batch, Matches]]:
    """Read, encode and search, each step in a thread of its own."""

    def planned() -> Iterator[tuple[Batch, Plan]]:
        return ((batch, matcher.plan(batch.titles)) for batch in batches)

    def encoded() -> Iterator[tuple[Batch, Plan, Embeddings]]:
        # Who waits for a line on stdin cannot be told to stop.
        for batch, plan in stages.ahead(planned(), patience=0.3):
            parts = []
            for part in matcher.encode(plan.misses):
                if stages.stopped:
                    return
                parts.append(part)
            yield batch, plan, matcher.join(parts)

    def searched() -> Iterator[tuple[Batch, Matches]]:
        for batch, plan, vectors in stages.ahead(encoded(), 1):
            yield batch, matcher.answer(plan, vectors)

    return stages.ahead(searched(), 1)


def _after(done: Done, batch: Batch, matches: Matches, size: int) -> Done:
    return replace(
        done,
        rows=done.rows + len(batch),
        batches=done.batches + 1,
        empty=done.empty + matches.empty,
        without_hit=done.without_hit + matches.without_hit,
        without_good_match=done.without_good_match + matches.without_good_match,
        searched=done.searched + len(matches.asked.rows),
        bytes=done.bytes + size,
    )


def _summary(done: Done, before: int, begun: float) -> Summary:
    seconds = time.perf_counter() - begun
    return Summary(done.rows, done.empty, done.without_hit, done.without_good_match, done.searched, before, seconds)


def _identity(source: Source, kind: str, matcher: Matcher, wanted: Wanted, size: int) -> dict[str, Any]:
    """Return what must be the same for a run to be gone on with, as JSON has it."""
    where, opened = wanted.where, matcher.opened
    uris = {name: None if chosen is None else _digest(chosen) for name, chosen in _uris(where).items()}
    return {
        "input": {"format": source.format}
        if source.is_stream
        else {"format": source.format, **asdict(source.identity())},
        "output": kind,
        "column": source.column,
        "delimiter": getattr(source, "delimiter", None),
        "k": wanted.k,
        "kind": wanted.kind,
        "filter": {"isco": where.isco, "language": where.language, "min_score": where.min_score, **uris},
        "index": {"name": opened.name, "version": opened.version, "created": opened.manifest.created},
        "encoder": opened.encoder.fingerprint,
        "program": {"layout": _LAYOUT, "batch": size, "remembered": matcher.remembered, "decimals": DECIMALS},
    }


def _uris(where: Filter) -> dict[str, Collection[str] | None]:
    return {"allowed": where.allowed, "excluded": where.excluded}


def _digest(uris: Collection[str]) -> str:
    return hashlib.sha256("\n".join(sorted(uris)).encode()).hexdigest()
