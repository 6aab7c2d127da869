"""`jobsearch index push`: vectors into Milvus, and back to what was there before."""

from __future__ import annotations

import click

from jobsearch.cli.building import index_directory, warn_of_recall
from jobsearch.cli.common import json_option, print_json, show_progress


@click.command()
@click.argument("name", required=False)
@click.option("--to", "address", metavar="ADDRESS", required=True, help="milvus://HOST:PORT, or milvus://FILE.db.")
@click.option("--collection", metavar="NAME", help="Alias that readers open.  [default: jobsearch]")
@click.option(
    "--type", "index_type", metavar="TYPE", help="FLAT, HNSW, IVF_FLAT, DISKANN or AUTOINDEX. Default: by size."
)
@click.option(
    "--keep", type=click.IntRange(1), default=2, show_default=True, help="Collections to keep, the live one among them."
)
@click.option("--rollback", is_flag=True, help="Push nothing: make the collection live that was so before.")
@json_option
def push(
    name: str | None,
    address: str,
    collection: str | None,
    index_type: str | None,
    keep: int,
    rollback: bool,
    as_json: bool,
) -> None:
    """Write an index's vectors into Milvus, to be searched there.

    They go into a new collection, which is verified and made live by moving an alias, last of all. All but the vectors
    is read from the index, also where it is served. JOBSEARCH_MILVUS_TOKEN holds the server's token.

    \b
    Examples:
      jobsearch index push --to milvus://titles.db
      jobsearch index push esco-en --to milvus://milvus.example:19530 --type HNSW
      jobsearch index push --rollback --to milvus://titles.db
    """
    from jobsearch.index.reader import open_version
    from jobsearch.integrations.milvus_address import Address
    from jobsearch.integrations.milvus_push import push_version, roll_back
    from jobsearch.integrations.milvus_store import Store

    place = Address.parse(address, collection)
    if rollback and name is not None:
        raise click.UsageError("--rollback takes no index: the alias says what was live before")
    if rollback:
        store = Store(place)
        found, pushed = roll_back(store)
        if as_json:
            print_json({"address": str(place), "collection": found, "index": pushed.index, "version": pushed.version})
        else:
            click.echo(f"{place}: {found} is live, index {pushed.index!r}, version {pushed.version}.")
        return
    with show_progress() as progress:
        progress("checking files", 0, 0)
        opened = open_version(index_directory(name))
        progress("connecting", 0, 0)
        result = push_version(opened, Store(place, create=True), index_type, keep, progress)
    pushed = result.pushed
    if as_json:
        warn_of_recall(pushed.type, result.recall, "--type FLAT")
        print_json(
            {
                "address": str(place),
                "collection": result.collection,
                "index": pushed.index,
                "version": pushed.version,
                "labels": pushed.labels,
                "type": pushed.type,
                "recall@10": result.recall,
                "removed": list(result.removed),
            }
        )
        return
    removed = f"; removed {', '.join(result.removed)}" if result.removed else ""
    click.echo(
        f"{place}: {result.collection} is live, {pushed.labels:,} vectors of index {pushed.index!r}, version "
        f"{pushed.version}, type {pushed.type} with recall@10 {result.recall:.4f}{removed}."
    )
    warn_of_recall(pushed.type, result.recall, "--type FLAT")
