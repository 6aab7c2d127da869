"""How all records of a listing are had, in spite of page caps, pages that fail and records that never come.

A listing is asked for in pages, and `offset` counts pages: page p of size n holds the rows from p*n on. What is
finished is a number of rows from the beginning, so a download goes on at that row with any page size that divides
it. A page that fails is asked for in smaller pages, down to single rows. What is missing at the end is asked for
once more, by row and then by URI.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from jobsearch.errors import DownloadError
from jobsearch.progress import Progress
from jobsearch.taxonomy.webapi_cache import Batch, ListingCache, Missing, Record, Summary
from jobsearch.taxonomy.webapi_client import AGAIN, ApiClient, HeavyRequestError, RefusedError, RequestError
from jobsearch.taxonomy.webapi_listings import Listing, Page, embedded, read_page
from jobsearch.taxonomy.webapi_records import kind_of, trim

_PATIENCE = 2  # times that a whole page is asked for again before it is split
_SAFE_SIZE = 20  # the lowest page cap that was reported
_BY_URI = 20  # full records in one request, so that the address stays short
_LOST_IN_A_ROW = 10  # single records that fail one after another: not these records, the service is out of order
_EMPTY_IN_A_ROW = 3
_LARGEST_LOSS = 0.1  # more than this share missing is no ESCO any more
_RESIZINGS = 8


class Crawl:
    """Get one listing into its cache.

    Args:
        client: an open client.
        listing: what to get.
        cache: where it is kept, and where what was kept before is found.
        page_size: rows to ask for at a time; the server may give fewer, and is then asked for what it gives.
        progress: called with (name of the listing, records so far, total) after each page.
    """

    def __init__(
        self, client: ApiClient, listing: Listing, cache: ListingCache, page_size: int, progress: Progress
    ) -> None:
        self._client = client
        self._listing = listing
        self._cache = cache
        self._size = page_size
        self._cap = 0
        self._progress = progress
        self._total: int | None = None
        self._row = 0
        self._seen: set[str] = set()
        self._missing: list[Missing] = []
        self._lost_in_a_row = 0
        self._guarded = True
        self.resumed = 0

    def run(self) -> Summary:
        """Get what is not there yet, and say what that came to.

        Raises:
            DownloadError: the service is unreachable or out of order, or the listing is empty or full of holes.
            StorageError: the disk is full, read-only or not ours.
        """
        finished = self._cache.finished()
        if finished is not None:
            self.resumed = finished.records
            return finished
        for batch in self._cache.batches():
            self._take(batch)
        self.resumed = len(self._seen)
        empty = 0
        while (self._total is None or self._row < self._total) and empty < _EMPTY_IN_A_ROW:
            batch = self._next()
            empty = 0 if batch.records or batch.missing else empty + 1
            self._keep(batch)
        missing = self._recover()
        total = self._total or 0
        if len(missing) > total * _LARGEST_LOSS:
            raise DownloadError(
                f"{len(self._seen)} distinct {self._listing.name} came of the {total} that the service counts, "
                f"expected nearly all ({missing[0].reason}); {AGAIN}, or import the official bundle instead"
            )
        summary = Summary(total, len(self._seen), tuple(missing))
        self._cache.finish(summary)
        return summary

    def _take(self, batch: Batch) -> None:
        self._row += batch.rows
        self._total = max(batch.total, self._total or 0)
        self._seen.update(record["uri"] for record in batch.records)
        self._missing.extend(batch.missing)
        if batch.limit:
            self._cap = batch.limit
            self._size = min(self._size, batch.limit)

    def _keep(self, batch: Batch) -> None:
        self._cache.append(batch)
        self._take(batch)
        self._progress(self._listing.name, len(self._seen), self._total or 0)

    def _next(self) -> Batch:
        """Get the rows from `self._row` on, in the largest page that begins there and that the server gives."""
        losses: list[Missing] = []
        for _ in range(_RESIZINGS):
            size = math.gcd(self._row, self._size) or self._size
            try:
                page = self._page(size, self._row // size, _PATIENCE)
            except RefusedError:
                if size <= _SAFE_SIZE:
                    raise
                self._cap = self._size = _SAFE_SIZE  # a size above the cap may be what it refuses
                continue
            except HeavyRequestError as failure:
                page = self._split(self._row, size, failure, losses)
                if not page.total:
                    raise
                if failure.slow and not losses and size > 1:
                    self._cap = self._size = _part(size)
                rows = size
                break
            self._lost_in_a_row = 0
            rows = self._rows_in(page, size)
            if rows:
                break
            self._cap = self._size = page.limit or 1  # the server pages by another size: ask in that size
        else:
            raise DownloadError(
                f"{self._listing.path} was asked for pages of {size} rows and gives pages of {page.limit}, expected "
                "one size that it keeps to; give a smaller page size"
            )
        total = max(page.total, self._total or 0)
        if not total:
            raise DownloadError(
                f"{self._listing.path} counts no {self._listing.name} and lists {len(page.uris)}, expected thousands; "
                "check the version and the base URL"
            )
        records = self._records(page, losses)
        return Batch(min(rows, total - self._row), total, self._cap, tuple(records), tuple(losses))

    def _rows_in(self, page: Page, asked: int) -> int:
        """How many rows a page covers; 0 if that cannot be told, because it is one of a size not asked for."""
        got = len(page.uris)
        if self._row == 0:
            # The first page begins at row 0 whatever its size, so what came shows the size that the server sticks to.
            if 0 < got < min(asked, page.total) or got > asked:
                self._cap = self._size = got
                return got
            return asked
        if page.limit is not None and page.limit > 0 and page.limit != asked:
            return 0
        return asked

    def _split(self, row: int, size: int, failure: HeavyRequestError, losses: list[Missing]) -> Page:
        """Ask for the rows of a page that failed in smaller pages, and note the rows that fail on their own."""
        both = Page(total=self._total or 0)
        if size == 1:
            self._lose(losses, failure.seen, position=row)
            return both
        part = _part(size)
        for start in range(row, row + size, part):
            if both.total and start >= both.total:
                break
            try:
                page = self._page(part, start // part, 0)
                self._lost_in_a_row = 0
            except HeavyRequestError as error:
                page = self._split(start, part, error, losses)
            both.total = max(both.total, page.total)
            both.uris += page.uris
            both.full |= page.full
        return both

    def _lose(self, losses: list[Missing], seen: str, *, uri: str | None = None, position: int | None = None) -> None:
        losses.append(Missing(self._listing.name, seen, uri, position))
        self._lost_in_a_row += 1
        if self._guarded and self._lost_in_a_row >= _LOST_IN_A_ROW:
            raise DownloadError(
                f"{self._lost_in_a_row} {self._listing.name} one after another could not be had ({seen}), expected "
                f"single failures at most; {AGAIN}"
            )

    def _page(self, size: int, number: int, patience: int) -> Page:
        params: dict[str, str | int] = {**self._listing.params, "limit": size, "offset": number}
        return read_page(self._client.get(self._listing.path, params, patience=patience), self._listing.path)

    def _records(self, page: Page, losses: list[Missing]) -> list[Record]:
        """The page's records that are new; those that it only names are asked for by their URIs."""
        new = [uri for uri in dict.fromkeys(page.uris) if uri not in self._seen]
        named = [uri for uri in new if uri not in page.full]
        for start in range(0, len(named), _BY_URI):
            page.full |= self._by_uri(named[start : start + _BY_URI], losses)
        return [page.full[uri] for uri in new if uri in page.full]

    def _by_uri(self, uris: Sequence[str], losses: list[Missing], patience: int = 0) -> dict[str, Record]:
        params: dict[str, str | list[str]] = {"uri": uris[0]} if len(uris) == 1 else {"uris": list(uris)}
        try:
            answer = self._client.get(self._listing.resource, params, patience=patience)
        except RequestError as error:
            if len(uris) == 1:
                self._lose(losses, error.seen, uri=uris[0])
                return {}
            middle = len(uris) // 2
            return self._by_uri(uris[:middle], losses, patience) | self._by_uri(uris[middle:], losses, patience)
        wanted = set(uris)
        found = {str(raw["uri"]): trim(raw) for raw in [answer, *embedded(answer)] if raw.get("uri") in wanted}
        self._lost_in_a_row = 0 if found else self._lost_in_a_row
        for uri in sorted(wanted - found.keys()):
            if len(uris) > 1:
                found |= self._by_uri([uri], losses, patience)
            else:
                self._lose(losses, "the service names it and gives no record", uri=uri)
        return found

    def _recover(self) -> list[Missing]:
        """Ask for what is missing once more, since trouble passes, and say what is still missing.

        A row that fails has no name. `/search` names all concepts without giving their records, so those that no
        page gave are asked for by their URIs, which either gets them or tells which they are.
        """
        total = self._total or 0
        self._guarded = False  # from here on, failures in a row are to be expected
        rows: list[Missing] = []
        losses: list[Missing] = []
        for gap in self._missing if len(self._seen) < total else []:
            if gap.position is None:
                continue
            try:
                page = self._page(1, gap.position, 1)
                self._keep_extra(self._records(page, losses))
            except RequestError as error:
                rows.append(Missing(self._listing.name, error.seen, position=gap.position))
        tried: set[str] = set()
        for uris in itertools.chain([self._named_gaps()], self._searched(total)):
            again = [uri for uri in uris if uri not in self._seen and uri not in tried]
            tried.update(again)
            for start in range(0, len(again), _BY_URI):
                if len(self._seen) < total:
                    self._keep_extra(self._by_uri(again[start : start + _BY_URI], losses, patience=1).values())
        shortfall = max(total - len(self._seen), 0)
        named = {loss.uri: loss for loss in losses if loss.uri not in self._seen}
        # Names and rows may speak of the same records, so they are not added up.
        missing = (list(named.values()) or rows)[:shortfall]
        unnamed = Missing(self._listing.name, "the service counts it and lists it nowhere")
        return missing + [unnamed] * (shortfall - len(missing))

    def _named_gaps(self) -> list[str]:
        return [gap.uri for gap in self._missing if gap.uri is not None]

    def _keep_extra(self, records: Iterable[Record]) -> None:
        if extra := tuple(records):
            self._keep(Batch(0, self._total or 0, self._cap, extra))

    def _searched(self, total: int) -> Iterator[list[str]]:
        """Yield the URIs of all concepts that `/search` lists, page by page, as long as some are missing."""
        known: set[str] = set()
        number = 0
        while self._listing.search is not None and len(self._seen) < total:
            try:
                params: dict[str, str | int] = {**self._listing.search, "limit": self._size, "offset": number}
                page = read_page(self._client.get("search", params, patience=1), "search")
            except RequestError:
                return
            new = [uri for uri in page.uris if uri not in known]
            yield [uri for uri in new if kind_of(uri) is not None]
            known.update(new)
            number += 1
            if not new or len(known) >= page.total:
                return


def _part(size: int) -> int:
    """The largest page size that `size` is a multiple of."""
    return size // next(factor for factor in range(2, size + 1) if size % factor == 0)
