"""Damaged files: every case ends in a clear error or in the very answers of the whole index."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import CONTENT, DAMAGES, WHOLE, Damage, Target, damaged, flip_bytes, reseal, truncate
from forks import Forks, warm
from life_cycle import (
    QUERIES,
    TYPES,
    alike,
    answers,
    choose,
    content,
    every_search_by_faiss,
    hash_encoders,
    leftovers,
    named,
    one_tokenizer,
    open_cached_encoder,
)

from jobsearch.cli.app import run
from jobsearch.encoder.library import find_encoder
from jobsearch.engine import JobSearch
from jobsearch.errors import JobSearchError
from jobsearch.index import reader
from jobsearch.index.build import Options, build_index
from jobsearch.index.manifest import MANIFEST
from jobsearch.index.versions import IndexDirectory

pytestmark = pytest.mark.slow

__all__ = ["hash_encoders", "one_tokenizer"]
# What an error about a damaged index tells people to do.
ADVICE = re.compile(r"run `jobsearch index (build|list|rollback)\b")


@dataclass(frozen=True)
class Whole:
    """An index of two versions, and what it answers while it is whole."""

    directory: IndexDirectory
    files: tuple[Target, ...]
    answers: str

    @staticmethod
    def of(directory: IndexDirectory) -> Whole:
        older, current = directory.versions()
        path = directory.version_path(current)
        paths = sorted(file for file in path.rglob("*") if file.is_file())
        targets = [
            Target(file, paths[number - 1], directory.version_path(older) / file.relative_to(path))
            for number, file in enumerate(paths)
        ]
        with every_search_by_faiss():
            return Whole(directory, tuple(targets), answers(JobSearch.open(directory.path)))


def ask(whole: Whole) -> str:
    """Open the index as it is and return how that ended: `same`, or the error's class; anything else fails."""
    try:
        with every_search_by_faiss():
            found = answers(JobSearch.open(whole.directory.path))
    except JobSearchError as error:
        assert named(whole.directory, str(error)), error
        assert ADVICE.search(str(error)), error
        return type(error).__name__
    assert alike(found, whole.answers), "a wrong answer"
    return "same"


def try_all(wholes: Sequence[Whole], cases: int, seed: int) -> Counter[str]:
    """Damage and ask that often: indexes, files and damages take turns, places and bytes are drawn."""
    ends: Counter[str] = Counter()
    for number in range(cases):
        whole = wholes[number % len(wholes)]
        target = whole.files[number // len(wholes) % len(whole.files)]
        damage: Damage | str = DAMAGES[number // len(wholes) // len(whole.files) % len(DAMAGES)]
        case = f"case {number} of seed {seed}: {damage} of {target.path}"
        with damaged(target, damage, np.random.default_rng([seed, number])) as changed:
            try:
                end = ask(whole)
            except Exception as error:
                raise AssertionError(case) from error
            # White space of the manifest apart, no damage goes unseen.
            assert end != "same" or not changed or _same_manifest(target), case
            ends[end] += 1
    return ends


def _same_manifest(target: Target) -> bool:
    """Tell whether a damaged manifest, whose original lies beside it, still says the same."""
    texts = (path.read_text(encoding="utf-8") for path in (target.path, target.aside))
    return target.path.name == MANIFEST and len({json.dumps(json.loads(text)) for text in texts}) == 1


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with warm("hash", tmp_path_factory.mktemp("warm")) as process:
        yield process


@pytest.fixture(scope="module")
def wholes(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> list[Whole]:
    """An index of each type, with a gate and an edit; damaged for the length of a case only."""
    folder = tmp_path_factory.mktemp("wholes")
    for kind in TYPES:
        forks.done("build_with_all", folder / kind, "a-large", kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "open_encoder", open_cached_encoder)
        return [Whole.of(IndexDirectory(folder / kind)) for kind in TYPES]


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize("cases", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_any_damage_to_any_file_of_any_type(cases: int, wholes: list[Whole]) -> None:
    names = {target.path.name for whole in wholes for target in whole.files}
    assert names == {
        *(
            MANIFEST,
            "vectors.faiss",
            "labels.safetensors",
            "words.safetensors",
            "about.safetensors",
            "edits.json",
            "gate.json",
        ),
        "config.json",
    }
    ends = try_all(wholes, cases, seed=cases)
    assert ends["IndexCorruptError"] > 0.9 * cases, ends
    assert [ask(whole) for whole in wholes] == ["same"] * len(wholes)  # the damage was undone each time


@pytest.mark.usefixtures("one_tokenizer")
@pytest.mark.parametrize("cases", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_any_damage_to_an_index_with_the_real_encoder(cases: int, tmp_path: Path) -> None:
    directory = IndexDirectory(tmp_path / "i")
    encoder = find_encoder("use")
    for name in "ab":
        build_index(content(name)[0], encoder, directory)
    whole = Whole.of(directory)
    ends = try_all([whole], cases, seed=cases)
    # The encoder's three files are the same in both versions, so `other version` harms none of them.
    assert ends["IndexCorruptError"] > 0.8 * cases, ends
    assert ask(whole) == "same"


# --- the pointer -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hash_encoders")
def test_a_damaged_pointer_leads_to_an_error_or_to_one_whole_version(wholes: list[Whole]) -> None:
    """All changes of one byte, and of the length: the pointer has no checksum, what it names has.

    So it may come to name another version that is there; the answers are then wholly that one's, as after a rollback.
    """
    whole = wholes[0]
    directory = whole.directory
    older, current = directory.versions()
    answers_of = {}
    with every_search_by_faiss():
        for version in (older, current):
            answers_of[version] = answers(JobSearch.open(directory.path, version))
    pointer = directory.path / "current"
    data = pointer.read_bytes()
    assert data == f"{current}\n".encode()
    changes = [data[:place] + bytes([byte]) + data[place + 1 :] for place in range(len(data)) for byte in range(256)]
    changes += [data[:length] for length in range(len(data))] + [data + bytes([byte]) for byte in range(256)]
    ends: Counter[str] = Counter()
    try:
        for change in changes:
            pointer.write_bytes(change)
            try:
                with every_search_by_faiss():
                    engine = JobSearch.open(directory.path)
            except JobSearchError as error:
                assert named(directory, str(error)), error
                assert ADVICE.search(str(error)), error
                ends["error"] += 1
                continue
            if ends[engine.opened.version] < 3:
                with every_search_by_faiss():
                    assert answers(engine) == answers_of[engine.opened.version], change
            ends[engine.opened.version] += 1
    finally:
        pointer.write_bytes(data)
    # 0003 becomes 0002 by one change; every other change that goes unseen is one of white space at the end.
    assert ends[older] == 1, ends
    assert ends[older] + ends[current] < 40, ends


@pytest.mark.usefixtures("hash_encoders")
@pytest.mark.parametrize("harm", ["missing", "a folder"])
def test_a_pointer_that_is_no_file(wholes: list[Whole], harm: str) -> None:
    pointer = wholes[0].directory.path / "current"
    data = pointer.read_bytes()
    pointer.unlink()
    if harm == "a folder":
        pointer.mkdir()
    try:
        assert ask(wholes[0]) == "IndexNotFoundError"
    finally:
        if pointer.exists():
            pointer.rmdir()
        pointer.write_bytes(data)


# --- what the error says to do -----------------------------------------------------------------------------------


def cases_of_each(whole: Whole) -> Iterator[tuple[Target, Damage | str]]:
    """Yield each file with two changes of its content and two of the file as a whole."""
    for number, target in enumerate(whole.files):
        yield target, flip_bytes
        yield target, CONTENT[number % len(CONTENT)]
        yield target, WHOLE[0]
        yield target, WHOLE[1 + number % 2]


@pytest.mark.usefixtures("hash_encoders")
def test_a_build_mends_what_is_damaged(wholes: list[Whole], tmp_path: Path) -> None:
    """The advice of the errors holds: whatever is damaged, a build goes through and takes nothing that is."""
    whole = wholes[0]
    build_index(*content("a-large"), IndexDirectory(tmp_path / "expected"), options=Options(index_type="flat"))
    expected = answers(JobSearch.open(tmp_path / "expected"))
    for number, (target, damage) in enumerate(cases_of_each(whole)):
        path = tmp_path / f"{number}" / whole.directory.name
        with damaged(target, damage, np.random.default_rng(number)):
            shutil.copytree(whole.directory.path, path)
        options = Options(index_type="flat", keep_edits=False, no_gate=True)
        build_index(*content("a-large"), IndexDirectory(path), options=options)
        assert answers(JobSearch.open(path)) == expected, (target, damage)
        assert [name for name in leftovers(IndexDirectory(path)) if not name.endswith(".kept")] == []


COMMANDS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "search": lambda path: ("search", QUERIES[0], "--index", path),
    "verify": lambda path: ("index", "verify", path),
    "info": lambda path: ("index", "info", path),
}


@pytest.mark.usefixtures("hash_encoders", "jobsearch_home")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_it_in_one_line(command: str, wholes: list[Whole], capsys: pytest.CaptureFixture[str]) -> None:
    whole = wholes[0]
    ends: Counter[int] = Counter()
    for number, (target, damage) in enumerate(cases_of_each(whole)):
        with damaged(target, damage, np.random.default_rng(number)) as changed:
            capsys.readouterr()
            code = run(COMMANDS[command](str(whole.directory.path)))
            out, err = capsys.readouterr()
        ends[code] += 1
        if code == 0 and command == "info":
            continue  # it reads the manifest alone
        assert (code == 0) <= (not changed), (target, damage, out)
        if code:
            assert (code, out) == (1, "")
            assert re.fullmatch(r"Error: [^\n]*run `jobsearch index (build|list|rollback)\b[^\n]*\n", err), err
    assert ends[1] > 3, ends


# --- damage with checksums that fit it -------------------------------------------------------------------------


def sealed(whole: Whole, path: Path, name: str, spoil: Callable[[bytes], bytes], change: Any = None) -> None:
    """Copy an index, change a file of its current version, and make the checksums fit."""
    shutil.copytree(whole.directory.path, path)
    version = IndexDirectory(path).version_path(IndexDirectory(path).current())
    (version / name).write_bytes(spoil((version / name).read_bytes()))
    reseal(version, *([change] if change else []))


@pytest.mark.parametrize("cases", [40, pytest.param(150, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "task"),
    [("labels.safetensors", "ask"), ("encoder/config.json", "ask"), ("edits.json", "edit"), ("gate.json", "edit")],
)
def test_forged_files_neither_crash_nor_hang(
    name: str, task: str, cases: int, wholes: list[Whole], forks: Forks, tmp_path: Path
) -> None:
    """Checksums find damage, not forgery, so answers may be wrong here; but the process lives and comes to an end.

    Not asked of `vectors.faiss`: FAISS reads it, and does not promise that.
    """
    for number in range(cases):
        random = np.random.default_rng([cases, number])
        spoil = choose(random, CONTENT)
        sealed(wholes[number % 2], tmp_path / "i", name, lambda data: spoil(data, random))  # noqa: B023
        end = forks.run(task, tmp_path / "i", timeout=20)
        assert not end.signal, (name, number, spoil)
        shutil.rmtree(tmp_path / "i")


@pytest.mark.parametrize("spoil", [flip_bytes, truncate])
def test_a_forged_manifest_is_found_by_its_own_checksum(spoil: Damage, wholes: list[Whole], tmp_path: Path) -> None:
    """Sealing does what the test above needs: a sealed version opens, and a change after that is found."""
    whole = wholes[0]
    sealed(whole, tmp_path / "i", "labels.safetensors", lambda data: data)
    copy = Whole(IndexDirectory(tmp_path / "i"), (), whole.answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "open_encoder", open_cached_encoder)
        assert ask(copy) == "same"
        path = copy.directory.version_path(copy.directory.current()) / MANIFEST
        path.write_bytes(spoil(path.read_bytes(), np.random.default_rng(1)))
        assert ask(copy) == "IndexCorruptError"
