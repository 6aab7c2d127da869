"""How ESCO is downloaded from the Commission's web API: `download` crawls once and answers for any language.

What is known of the API was put together from clients in the wild and the OpenAPI text, since it cannot be reached
from where this was written. The code is tested against a local server that behaves like it
(`tests/taxonomy/fake_esco_api.py`):

- `offset` counts pages, page sizes are capped at 20 to 500 depending on whom one asks, `total` counts rows.
- The version must be pinned with every request; the default is another one, and answers don't say which they are.
- A record holds all languages at once. Fields can be absent, lists can be single values.
- Some records answer a permanent 500 and take the whole page that holds them with them.
- No rate limit is published, so four requests a second at most, one at a time, is what is asked for by default.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jobsearch.errors import DownloadError
from jobsearch.files import storage_errors
from jobsearch.progress import Progress, silent
from jobsearch.taxonomy.model import Source, Taxonomy
from jobsearch.taxonomy.webapi_cache import ListingCache, Missing, Record, Summary
from jobsearch.taxonomy.webapi_client import AGAIN, ApiClient
from jobsearch.taxonomy.webapi_crawl import Crawl
from jobsearch.taxonomy.webapi_listings import ISCO_GROUPS, OCCUPATIONS, SKILLS
from jobsearch.taxonomy.webapi_records import Gathered, gather

DEFAULT_BASE_URL = "https://ec.europa.eu/esco/api"
DEFAULT_VERSION = "v1.2.0"
LANGUAGES = (
    *("ar", "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr", "hu"),
    *("is", "it", "lt", "lv", "mt", "nl", "no", "pl", "pt", "ro", "sk", "sl", "sv", "uk"),
)
_VERSION = re.compile(r"v\d+\.\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What a download took and gave.

    Args:
        version: ESCO version as the API names it (`"v1.2.0"`).
        languages: the languages of the taxonomy, in the order asked for.
        requests: requests made, retries included; 0 if all came from the cache.
        retries: requests that were made because another one failed.
        records: distinct records by listing (`"occupations"`, `"skills"`, `"groups"`).
        expected: the service's own count by listing.
        missing: what the service counts and did not give.
        skipped: records and labels that were left out, by reason.
        from_cache: records that an earlier download had left.
    """

    version: str
    languages: tuple[str, ...]
    requests: int
    retries: int
    records: Mapping[str, int]
    expected: Mapping[str, int]
    missing: tuple[Missing, ...]
    skipped: Mapping[str, int]
    from_cache: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report in types that JSON knows."""
        return asdict(self)


def download(
    languages: Sequence[str],
    *,
    version: str = DEFAULT_VERSION,
    cache: Path,
    name: str | None = None,
    base_url: str = DEFAULT_BASE_URL,
    requests_per_second: float = 4.0,
    page_size: int = 100,
    backoff: float = 1.0,
    timeout: tuple[float, float] = (10.0, 60.0),
    progress: Progress = silent,
) -> tuple[Taxonomy, DownloadReport]:
    """Get occupations, skills and ISCO groups of one ESCO version, and what is known of how they belong together.

    All languages are fetched at once and kept under `cache/<version>`: an interrupted download goes on where it
    stopped, and a later one in another language asks nothing. Delete that folder to fetch everything anew, also what
    the report says is missing.

    Args:
        languages: codes out of `LANGUAGES`.
        version: as the API names it, `v1.2.0`.
        cache: folder for what has arrived, about 100 MB a version.
        name: name of the taxonomy; `esco-1.2.0-en-de` and the like if None.
        base_url: address of the API.
        requests_per_second: upper limit; above 0.
        page_size: records to ask for at a time, from 1; the server may give fewer.
        backoff: factor in seconds of the exponential back-off after failures; 0 or more.
        timeout: seconds to wait for a connection, and for the answer to go on.
        progress: called with (listing, records so far, total) after each page; it may raise to stop the download.

    Raises:
        DownloadError: the API is unreachable, does not answer as expected, or has no labels in a language.
        StorageError: the cache cannot be written.
    """
    chosen = _checked(languages, version, requests_per_second, page_size)
    folder = cache / version
    results: dict[str, tuple[ListingCache, Summary]] = {}
    missing: list[Missing] = []
    resumed = 0
    with (
        _alone_in(folder),
        ApiClient(
            base_url, version, requests_per_second=requests_per_second, backoff=backoff, timeout=timeout
        ) as client,
    ):
        for listing in (OCCUPATIONS, SKILLS, ISCO_GROUPS):
            kept = ListingCache(folder, listing.name, version)
            crawl = Crawl(client, listing, kept, page_size, progress)
            try:
                summary = crawl.run()
            except DownloadError as error:
                if listing is not ISCO_GROUPS:
                    raise
                # They only give the groups their names, which nobody should lose a download for.
                missing.append(Missing(listing.name, str(error)))
                continue
            results[listing.name] = (kept, summary)
            missing.extend(summary.missing)
            resumed += crawl.resumed
        parts = gather(_records(results.values()), chosen)
    _check_labels(parts, chosen, version)
    number = version.removeprefix("v")
    source = Source(
        name=name or f"esco-{number}-{'-'.join(chosen)}",
        version=number,
        origin=base_url,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        notes=_notes(results),
    )
    taxonomy = Taxonomy.of(
        source,
        parts.concepts,
        relations=parts.relations,
        skill_relations=parts.skill_relations,
        groups=parts.groups,
        broader=parts.broader,
    )
    return taxonomy, DownloadReport(
        version=version,
        languages=chosen,
        requests=client.requests,
        retries=client.retries,
        records={listing: summary.records for listing, (_, summary) in results.items()},
        expected={listing: summary.total for listing, (_, summary) in results.items()},
        missing=tuple(missing),
        skipped={reason: count for reason, count in sorted(parts.skipped.items()) if count},
        from_cache=resumed,
    )


def _checked(languages: Sequence[str], version: str, requests_per_second: float, page_size: int) -> tuple[str, ...]:
    known = ", ".join(LANGUAGES)
    if not languages or isinstance(languages, str):
        raise DownloadError(f"the languages are {languages!r}, expected a list of one or more of {known}")
    for language in languages:
        if language not in LANGUAGES:
            raise DownloadError(f"{language!r} is not a language of ESCO, expected one or more of {known}")
    if not _VERSION.fullmatch(version):
        raise DownloadError(f"the version is {version!r}, expected one that is pinned like v1.2.0 or v1.2.1")
    if not requests_per_second > 0:
        raise DownloadError(f"{requests_per_second} requests a second were asked for, expected more than 0")
    if page_size < 1:
        raise DownloadError(f"the page size is {page_size}, expected 1 or more")
    return tuple(dict.fromkeys(languages))


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other downloads out: two of them would write their pages into each other's files."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise DownloadError(
                f"another download is at work in {folder}, expected none; wait until it has finished"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _records(results: Collection[tuple[ListingCache, Summary]]) -> Iterator[Record]:
    """Read all records back, one page in memory at a time."""
    for kept, summary in results:
        uris: set[str] = set()
        for batch in kept.batches():
            for record in batch.records:
                uris.add(record["uri"])
                yield record
        if len(uris) < summary.records:
            kept.reopen()
            raise DownloadError(
                f"{kept.path} holds {len(uris)} records, expected {summary.records}: it was damaged; {AGAIN}"
            )


def _check_labels(parts: Gathered, languages: Sequence[str], version: str) -> None:
    found = {concept.language for concept in parts.concepts}
    for language in languages:
        if language not in found:
            without = parts.skipped[f"no preferred label in {language}"]
            raise DownloadError(
                f"none of the {without} concepts of ESCO {version} has a preferred label in {language!r}, expected "
                "thousands; ask for another language or version"
            )


def _notes(results: Mapping[str, tuple[ListingCache, Summary]]) -> tuple[str, ...]:
    gaps = [f"{len(s.missing)} of {s.total} {name}" for name, (_, s) in results.items() if s.missing]
    notes = [f"missing, since the web API did not give them: {', '.join(gaps)}"] if gaps else []
    if ISCO_GROUPS.name not in results:
        notes.append("ISCO groups have no names, since the web API did not list them")
    return tuple(notes)
