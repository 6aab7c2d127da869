"""`jobsearch pairs --teacher`: what a stronger encoder sees, in a file for tuning."""

from __future__ import annotations

from pathlib import Path

import click

from jobsearch.cli.common import print_json, show_progress
from jobsearch.errors import TuningError
from jobsearch.utf8 import read


def ask_teacher(
    out: Path, model: str, languages: tuple[str, ...], taxonomy_name: str | None, texts: tuple[str, ...], as_json: bool
) -> None:
    """Ask a teacher about the labels of a taxonomy and the texts of files, and write what it sees.

    Args:
        out: file to write.
        model: what `encoder.library.find_encoder` takes.
        languages: labels in these alone; empty: in all.
        taxonomy_name: default: the one in use.
        texts: files with one text a line.
        as_json: print a JSON object, not a sentence.

    Raises:
        JobSearchError: the teacher or a file cannot be read, or the disk refuses.
    """
    from jobsearch.encoder.library import find_encoder
    from jobsearch.taxonomy.library import active_name, find_taxonomy
    from jobsearch.tuning.teacher import SUFFIX
    from jobsearch.tuning.teacher import ask_teacher as ask

    if out.suffix != SUFFIX:
        raise TuningError(f"{out} cannot be a teacher's file; give it a name that ends in {SUFFIX}")
    given = [text for name in texts for text in _read_texts(Path(name).expanduser())]
    name = taxonomy_name or active_name()
    with show_progress() as progress:
        progress("reading labels", 0, 0)
        taxonomy = find_taxonomy(name)
        labels = [label for concept, label, _ in taxonomy.labels() if not languages or concept.language in languages]
        progress("loading teacher", 0, 0)
        found = ask([*labels, *given], find_encoder(model), out.with_name(f".{out.name}.unfinished"), progress)
        progress("writing", 0, 0)
        found.write(out)
    if as_json:
        about = {"teacher": found.name, "fingerprint": found.fingerprint, "digest": found.digest}
        print_json({"file": str(out), "taxonomy": name, "texts": len(found.texts), **about})
        return
    click.echo(f"{out}: what {found.name} sees in {len(found.texts):,} texts; `jobsearch tune --teacher {out}`.")


def _read_texts(path: Path) -> list[str]:
    lines = read(path, "name a file with one text a line", TuningError).splitlines()
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise TuningError(f"{path} holds no texts; write one a line")
    return texts
