"""Building: what is in a version, and that nothing changes when a build fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoders import HashEncoder, Wrapped

from jobsearch import __version__
from jobsearch.encoder.protocol import Embeddings, Encoder
from jobsearch.errors import EncoderError, EncoderMismatchError, IndexFormatError, IndexingError, StorageError
from jobsearch.index import build as module
from jobsearch.index import embedding, types
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.check import check_version
from jobsearch.index.edits import Edit
from jobsearch.index.gate import Gate
from jobsearch.index.manifest import FORMAT_VERSION
from jobsearch.index.reader import IndexVersion, open_version
from jobsearch.index.recall import probes
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Concept, Source, Taxonomy


@pytest.fixture(scope="module")
def original(
    small_taxonomy: Taxonomy, use_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> IndexDirectory:
    """An index of the small taxonomy with one version; shared, so never changed."""
    directory = IndexDirectory(tmp_path_factory.mktemp("built") / "small")
    build_index(small_taxonomy, use_encoder, directory)
    return directory


@pytest.fixture(scope="module")
def built(original: IndexDirectory) -> IndexVersion:
    return open_version(original)


@pytest.fixture
def directory(tmp_path: Path) -> IndexDirectory:
    """An index that does not exist yet."""
    return IndexDirectory(tmp_path / "small")


@pytest.fixture
def hash_encoder(hash_encoders: None) -> Encoder:
    """An encoder that costs nothing, where it is not about the encoder; versions of it can be opened."""
    return HashEncoder()


@pytest.fixture
def published(small_taxonomy: Taxonomy, hash_encoder: Encoder, directory: IndexDirectory) -> IndexDirectory:
    """An index of the hash encoder with one version."""
    build_index(small_taxonomy, hash_encoder, directory)
    return directory


# --- what is built ---------------------------------------------------------------------------------------------


def test_one_row_a_label(built: IndexVersion, small_taxonomy: Taxonomy) -> None:
    labels = [label for _, label, _ in small_taxonomy.labels()]
    assert list(built.labels.texts) == labels
    assert (len(built.vectors), built.vectors.dim) == (len(labels), 512) == (13, 512)
    assert (built.name, built.version) == ("small", "0001")


def test_each_row_is_its_labels_embedding(built: IndexVersion, small_taxonomy: Taxonomy, use_encoder: Encoder) -> None:
    for row, (_, label, _) in enumerate(small_taxonomy.labels()):
        alone = use_encoder.encode([label])[0]
        assert abs(built.vectors.embeddings[row] - alone).max() < 1e-6, label


def test_equal_labels_share_a_vector_and_are_embedded_once(
    small_taxonomy: Taxonomy, hash_encoder: Encoder, directory: IndexDirectory
) -> None:
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> Embeddings:
        asked.extend(texts)
        return hash_encoder.encode(texts)

    version = build_index(small_taxonomy, Wrapped(hash_encoder, encode=encode), directory)
    labels = list(version.labels.texts)
    # 13 labels, 12 distinct ones; then the queries that recall is measured with. The check has an encoder of its own.
    assert len(set(labels)) == 12
    assert asked == [*sorted(set(labels)), *probes(labels)]
    first, second = (row for row, label in enumerate(labels) if label == "oven hand")
    assert np.array_equal(version.vectors.embeddings[first], version.vectors.embeddings[second])


def test_labels_embedded_in_parts_are_the_same(
    built: IndexVersion,
    small_taxonomy: Taxonomy,
    use_encoder: Encoder,
    directory: IndexDirectory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding, "_SLICE", 5)
    steps: list[tuple[str, int, int]] = []
    version = build_index(small_taxonomy, use_encoder, directory, lambda *step: steps.append(step))
    assert abs(version.vectors.embeddings - built.vectors.embeddings).max() < 1e-6
    assert steps == [
        ("waiting for other builders", 0, 0),
        *(("embedding labels", done, 12) for done in (0, 5, 10, 12)),  # 13 labels, one of them twice
        ("building index", 0, 0),
        ("writing", 0, 0),
        ("checking", 0, 0),
    ]


def test_the_manifest_describes_the_version(
    original: IndexDirectory, built: IndexVersion, small_taxonomy: Taxonomy, use_encoder: Encoder
) -> None:
    manifest = built.manifest
    assert manifest.name == "small"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", manifest.created)
    assert manifest.encoder == {"name": "use", "fingerprint": use_encoder.fingerprint, "case": "lower"}
    assert (manifest.dim, manifest.metric) == (512, "inner_product")
    assert (manifest.index_type, manifest.factory, manifest.search) == ("flat", "Flat", {})
    assert manifest.recall == {"recall@10": 1.0, "queries": 13}  # each label gives one
    assert (manifest.edits, manifest.gate) == (0, None)
    # 3 of the 4 relations are between concepts of this taxonomy.
    assert manifest.counts == {"labels": 13, "concepts": 5, "occupations": 3, "skills": 2, "relations": 3}
    assert manifest.taxonomy == {
        "name": "small-1",
        "version": "1.2.0",
        "fingerprint": small_taxonomy.fingerprint,
        "languages": ["de", "en"],
    }
    assert manifest.made_with["jobsearch"] == __version__
    path = original.version_path("0001")
    files = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    assert set(manifest.files) | {"manifest.json"} == files
    assert files >= {"vectors.faiss", "labels.safetensors", "encoder/config.json", "encoder/weights.safetensors"}


def test_what_is_published_can_be_read_by_others(original: IndexDirectory) -> None:
    """A service may run as another user; safetensors left to itself writes files that only their owner can read."""
    paths = {path.relative_to(original.path).as_posix(): path for path in original.path.rglob("*")}
    modes = {name: path.stat().st_mode & 0o777 for name, path in paths.items() if name != ".lock"}
    expected = {name: 0o755 if paths[name].is_dir() else 0o644 for name in modes}
    assert modes == expected


def test_a_moved_index_stands_alone(original: IndexDirectory, tmp_path: Path) -> None:
    shutil.copytree(original.path, tmp_path / "copy", copy_function=os.link)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "copy").rename(tmp_path / "elsewhere" / "moved")
    version = open_version(IndexDirectory(tmp_path / "elsewhere" / "moved"))
    query = version.encoder.encode(["managing director"])
    scores, rows = version.vectors.search(query, 1)
    assert version.labels.texts[int(rows[0, 0])] == "managing director"
    assert scores[0, 0] == pytest.approx(1, abs=1e-5)


@pytest.mark.usefixtures("hash_encoders")
def test_any_encoder_that_follows_the_protocol_will_do(small_taxonomy: Taxonomy, directory: IndexDirectory) -> None:
    version = build_index(small_taxonomy, HashEncoder(dim=64), directory)
    assert isinstance(version.encoder, Encoder)
    assert (version.manifest.dim, version.vectors.dim) == (64, 64)
    expected = HashEncoder(dim=64).encode(list(version.labels.texts))
    assert abs(version.vectors.embeddings - expected).max() < 1e-6


def test_a_second_build_is_the_next_version(
    small_taxonomy: Taxonomy, hash_encoder: Encoder, published: IndexDirectory
) -> None:
    larger = Taxonomy.of(small_taxonomy.source, [*small_taxonomy.concepts, Concept("urn:x", "skill", "welding")])
    version = build_index(larger, hash_encoder, published)
    assert (version.version, len(version.labels), published.current()) == ("0002", 14, "0002")
    assert len(open_version(published, "0001").labels) == 13


# --- which type --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("default", "limit"), [("flat", 13), ("hnsw", 12)])
def test_a_type_that_was_chosen_is_kept(
    small_taxonomy: Taxonomy,
    hash_encoder: Encoder,
    directory: IndexDirectory,
    monkeypatch: pytest.MonkeyPatch,
    default: str,
    limit: int,
) -> None:
    """13 labels are few or many, by where the limit is."""
    monkeypatch.setattr(types, "EXACT_UP_TO", limit)
    monkeypatch.setattr(types, "DEFAULT_LARGE", "hnsw")
    seen = []
    for index_type in (None, "sq8", None, None, "flat", None, "hnsw", None):
        version = build_index(small_taxonomy, hash_encoder, directory, options=Options(index_type))
        seen.append(version.manifest.index_type)
    assert seen == [default, "sq8", "sq8", "sq8", "flat", "flat", "hnsw", "hnsw"]


def test_an_index_that_grows_past_the_limit_changes_its_default_type(
    small_taxonomy: Taxonomy, hash_encoder: Encoder, directory: IndexDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(types, "EXACT_UP_TO", 13)
    monkeypatch.setattr(types, "DEFAULT_LARGE", "hnsw")
    assert build_index(small_taxonomy, hash_encoder, directory).manifest.index_type == "flat"
    larger = Taxonomy.of(small_taxonomy.source, [*small_taxonomy.concepts, Concept("urn:x", "skill", "welding")])
    assert build_index(larger, hash_encoder, directory).manifest.index_type == "hnsw"
    assert build_index(small_taxonomy, hash_encoder, directory).manifest.index_type == "flat"


def older(manifest: Path) -> None:
    """Make a version one of an older format."""
    text = manifest.read_text(encoding="utf-8")
    now = f'"format_version": {FORMAT_VERSION}'
    assert now in text
    manifest.write_text(text.replace(now, '"format_version": 3'), encoding="utf-8")


def test_an_index_of_an_older_format_is_built_anew(
    small_taxonomy: Taxonomy, hash_encoder: Encoder, directory: IndexDirectory
) -> None:
    build_index(small_taxonomy, hash_encoder, directory)
    manifest = directory.version_path("0001") / "manifest.json"
    older(manifest)
    with pytest.raises(IndexFormatError):
        open_version(directory)
    assert build_index(small_taxonomy, hash_encoder, directory).version == "0002"
    assert open_version(directory).version == "0002"


@pytest.mark.parametrize("harm", [False, True])
def test_edits_and_gate_of_an_older_format_are_taken_over(
    small_taxonomy: Taxonomy,
    hash_encoder: Encoder,
    directory: IndexDirectory,
    harm: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    uri = small_taxonomy.concepts[0].uri
    gate = Gate(((small_taxonomy.concepts[0].preferred_label, uri),))
    build_index(small_taxonomy, hash_encoder, directory, options=Options(gate=gate))
    edit_index([Edit("add", "urn:acme:1", "growth hacker", "occupation")], directory)
    path = directory.version_path("0002")
    manifest = path / "manifest.json"
    older(manifest)
    if harm:
        (path / "edits.json").write_text("[]")
    labels = list(build_index(small_taxonomy, hash_encoder, directory).labels.texts)
    assert ("growth hacker" in labels) != harm
    assert (Gate.of_version(directory.version_path("0003")) == gate) != harm
    assert ("of another format, cannot be taken over: edits.json was altered" in caplog.text) == harm


# --- what fails leaves the old version in place ----------------------------------------------------------------


@contextlib.contextmanager
def nothing_changes(directory: IndexDirectory) -> Iterator[None]:
    """Check that an index with one version is the same afterwards, file by file."""

    def state() -> dict[Path, tuple[int, int, int]]:
        stats = {path: path.stat() for path in directory.path.rglob("*") if path.name not in (".lock", "versions")}
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}

    before = state()
    yield
    assert state() == before
    assert (directory.versions(), directory.current()) == (["0001"], "0001")


def test_a_taxonomy_without_labels_is_refused(hash_encoder: Encoder, directory: IndexDirectory) -> None:
    with pytest.raises(IndexingError, match="'nothing' has no labels to index; import or download another"):
        build_index(Taxonomy.of(Source("nothing", "1", "here"), []), hash_encoder, directory)
    assert not directory.path.exists()


@pytest.fixture(scope="session")
def renamed_taxonomy(small_taxonomy: Taxonomy) -> Taxonomy:
    """The small taxonomy with other labels, none of which an index of the small one can know the vector of."""
    concepts = [
        replace(
            concept,
            preferred_label=f"{concept.preferred_label} 2",
            alternative_labels=tuple(f"{label} 2" for label in concept.alternative_labels),
        )
        for concept in small_taxonomy.concepts
    ]
    return Taxonomy.of(small_taxonomy.source, concepts)


@pytest.mark.parametrize("where", ["encode", "encode probes", "save", "building index", "writing", "checking"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_build_changes_nothing(
    published: IndexDirectory,
    renamed_taxonomy: Taxonomy,
    hash_encoder: Encoder,
    where: str,
    error: type[BaseException],
) -> None:
    calls: list[str] = []

    def encode(texts: Sequence[str]) -> Embeddings:
        calls.append("encode probes" if calls else "encode")
        if where == calls[-1]:
            raise error
        return hash_encoder.encode(texts)

    def save(path: Path) -> None:
        hash_encoder.save(path)
        if where == "save":
            raise error

    def progress(step: str, done: int, total: int) -> None:
        if where == step:  # "checking" is the last word before it is published
            raise error

    with nothing_changes(published), pytest.raises(error):
        build_index(renamed_taxonomy, Wrapped(hash_encoder, encode=encode, save=save), published, progress)


FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path

from jobsearch.encoder.library import find_encoder
from jobsearch.errors import StorageError
from jobsearch.index.build import build_index
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Concept, Source, Taxonomy

# The vectors take 4 KB, the label table 41 KB, the encoder 80 MB.
taxonomy = Taxonomy.of(Source("t", "1", "here"), [Concept("urn:" + "x" * 40_000, "skill", "x", ("y",))])
encoder = find_encoder("use")
directory = IndexDirectory(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (2_000, 20_000, 200_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        build_index(taxonomy, encoder, directory)
        print(json.dumps([limit, "published", ""]))
    except Exception as error:
        print(json.dumps([limit, type(error).__name__, str(error)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_file_that_cannot_grow_is_a_storage_error_and_changes_nothing(published: IndexDirectory) -> None:
    """The operating system refuses to write vectors, then labels, then the encoder (a real refusal, by rlimit)."""
    command = [sys.executable, "-c", FULL_DISK, str(published.path)]
    with nothing_changes(published):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [limit for limit, _, _ in outcomes] == [2_000, 20_000, 200_000]
    for _, error, message in outcomes:
        assert error == "StorageError", message
        assert str(published.path) in message
        assert "\n" not in message


def test_a_folder_that_is_not_ours_is_a_storage_error(
    small_taxonomy: Taxonomy,
    hash_encoder: Encoder,
    unprivileged: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    with tempfile.TemporaryDirectory() as outside:  # tmp_path lies in a folder that only its owner enters
        home = Path(outside)
        home.chmod(0o555)
        try:
            with unprivileged(), pytest.raises(StorageError, match=r"permission is missing; set JOBSEARCH_HOME"):
                build_index(small_taxonomy, hash_encoder, IndexDirectory(home / "indexes" / "small"))
            assert list(home.iterdir()) == []
        finally:
            home.chmod(0o755)


# --- the check before publishing -------------------------------------------------------------------------------


def test_an_encoder_that_saves_other_weights_is_not_published(
    published: IndexDirectory, small_taxonomy: Taxonomy, hash_encoder: Encoder
) -> None:
    with nothing_changes(published), pytest.raises(EncoderMismatchError):
        build_index(small_taxonomy, Wrapped(hash_encoder, save=HashEncoder(salt="other").save), published)


def test_an_encoder_that_cannot_be_opened_again_is_not_published(
    published: IndexDirectory, small_taxonomy: Taxonomy, hash_encoder: Encoder
) -> None:
    def save(path: Path) -> None:
        hash_encoder.save(path)
        (path / "config.json").write_text('{"format_version": 1, "architecture": "word2vec"}', encoding="utf-8")

    with nothing_changes(published), pytest.raises(EncoderError, match="word2vec"):
        build_index(small_taxonomy, Wrapped(hash_encoder, save=save), published)


def swapped(vectors: Embeddings) -> Embeddings:
    """Exchange two labels' vectors."""
    return vectors[[1, 0, *range(2, len(vectors))]]


def drifted(vectors: Embeddings) -> Embeddings:
    """Move all vectors a little, as other hardware or an encoder with dropout would."""
    moved = vectors + np.float32(1e-3) * np.random.default_rng(0).standard_normal(vectors.shape, np.float32)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def longer(vectors: Embeddings) -> Embeddings:
    return vectors * np.float32(1.01)


def not_a_number(vectors: Embeddings) -> Embeddings:
    spoiled = vectors.copy()
    spoiled[3] = np.nan
    return spoiled


@pytest.mark.parametrize("spoil", [swapped, drifted, longer, not_a_number])
def test_vectors_that_the_stored_encoder_does_not_make_are_not_published(
    published: IndexDirectory,
    renamed_taxonomy: Taxonomy,
    hash_encoder: Encoder,
    spoil: Callable[[Embeddings], Embeddings],
) -> None:
    encoder = Wrapped(hash_encoder, encode=lambda texts: spoil(hash_encoder.encode(texts)))
    with nothing_changes(published), pytest.raises(IndexingError, match="build it again") as raised:
        build_index(renamed_taxonomy, encoder, published)
    assert not isinstance(raised.value, EncoderMismatchError)


def test_labels_in_another_order_than_the_vectors_are_not_published(
    published: IndexDirectory, small_taxonomy: Taxonomy, hash_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = module.embed_labels
    monkeypatch.setattr(module, "embed_labels", lambda *given: embed(*given)[::-1].copy())
    with nothing_changes(published), pytest.raises(IndexingError, match="expected below"):
        build_index(small_taxonomy, hash_encoder, published)


def test_the_check_passes_a_good_version(built: IndexVersion) -> None:
    check_version(built)
