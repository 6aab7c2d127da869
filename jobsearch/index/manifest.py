"""The manifest: what a version is, and how to tell that its files are what was published."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jobsearch.errors import IndexCorruptError, IndexFormatError

FORMAT_VERSION = 6
MANIFEST, VECTORS, LABELS, ENCODER = "manifest.json", "vectors.faiss", "labels.safetensors", "encoder"
# Vectors in half precision, where the index type keeps them so (`index.halves`).
HALVES = "vectors.npy"
WORDS = "words.safetensors"
ABOUT = "about.safetensors"
EDITS, GATE, TITLES = "edits.json", "gate.json", "titles.json"
METRIC = "inner_product"
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Manifest:
    """Description of one index version.

    Args:
        name: name of the index, for people.
        created: UTC time in ISO 8601.
        encoder: name, fingerprint and case setting of the encoder that made the vectors.
        dim: width of the vectors.
        metric: `inner_product`; on unit vectors that is the cosine.
        index_type: what users call the index type (`index.types.TYPE_NAMES`).
        factory: its FAISS factory string (`Flat` is exact).
        search: settings of searching, chosen at the build (`index.recall.calibrate`).
        recall: `recall@10` of the index against exact search, and the number of `queries` it was measured with.
        counts: labels, concepts, occupations, skills, relations.
        taxonomy: name, version, fingerprint and languages of what was indexed.
        edits: how many labels and concepts were added or removed on top of the taxonomy (`edits.json`).
        gate: `queries`, `recall@10`, the same `before` (None for a first version) and whether it was `forced`, of the
            check on publishing (`gate.json` has its queries); None if there is none.
        made_with: versions of jobsearch and FAISS.
        files: for each file, relative to the version's folder: size in bytes and XXH3-128 (hex). XXH3 finds damage,
            it does not defend against forgery, and it reads at memory speed: all files are checked at each opening.
        previous: number of the version that was current when this one was built: what a rollback goes back to.
        titles: how many coded `titles` count, and how many `concepts` they mean (`titles.json` has the counts); None if
            there are none.
        format_version: of the directory's layout.
    """

    name: str
    created: str
    encoder: Mapping[str, str]
    dim: int
    metric: str
    index_type: str
    factory: str
    search: Mapping[str, int]
    recall: Mapping[str, float]
    counts: Mapping[str, int]
    taxonomy: Mapping[str, Any]
    edits: int
    gate: Mapping[str, Any] | None
    made_with: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]
    previous: str | None = None
    titles: Mapping[str, int] | None = None
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Return the manifest as JSON with a checksum over itself."""
        content = asdict(self)
        return json.dumps({**content, "checksum": _hash_json(content)}, indent=2, ensure_ascii=False) + "\n"

    @staticmethod
    def read(directory: Path, mend: str) -> Manifest:
        """Read a version's manifest.

        Args:
            directory: the version's folder.
            mend: what to do next, for the error.

        Raises:
            IndexCorruptError: it is missing, cut short or altered.
            IndexFormatError: it is of another format version.
        """
        path = directory / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise IndexCorruptError(f"{path} is missing; {mend}") from None
        except (OSError, ValueError) as error:
            raise IndexCorruptError(f"{path} cannot be read ({error}); {mend}") from error
        if not isinstance(content, dict):
            raise IndexCorruptError(f"{path} holds no manifest; {mend}")
        checksum = content.pop("checksum", None)
        if content.get("format_version") != FORMAT_VERSION:
            raise IndexFormatError(
                f"{path} has format version {content.get('format_version')}, "
                f"this release reads {FORMAT_VERSION}; {mend}"
            )
        if checksum != _hash_json(content) or set(content) != {field.name for field in fields(Manifest)}:
            raise IndexCorruptError(f"{path} was altered: it does not match its checksum; {mend}")
        return Manifest(**content)

    def verify_files(
        self, directory: Path, mend: str, folder: str = "", others: bool = False, without: Collection[str] = ()
    ) -> None:
        """Compare files of the version with their size and checksum.

        Args:
            directory: the version's folder.
            mend: what to do next, for the error.
            folder: only files in this folder of it; "": all files.
            others: all files but these.
            without: files that need not be there.

        Raises:
            IndexCorruptError: a file is missing, truncated or altered; the first such is named.
        """
        for name, expected in self.files.items():
            if (name.startswith(folder)) is others or name in without:
                continue
            path = directory / name
            try:
                size = path.stat().st_size
                if size != expected["bytes"]:
                    raise IndexCorruptError(f"{path} has {size} bytes, expected {expected['bytes']}; {mend}")
                if hash_file(path) != expected["xxh3_128"]:
                    raise IndexCorruptError(f"{path} was altered: it does not match its checksum; {mend}")
            except FileNotFoundError:
                raise IndexCorruptError(f"{path} is missing; {mend}") from None
            except OSError as error:
                raise IndexCorruptError(f"{path} cannot be read ({error.strerror}); {mend}") from error


def describe_files(directory: Path) -> dict[str, dict[str, Any]]:
    """Return size and checksum of every file under `directory`, as `Manifest.files` keeps them."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(directory).as_posix(): {"bytes": path.stat().st_size, "xxh3_128": hash_file(path)}
        for path in paths
    }


def hash_file(path: Path) -> str:
    """Return the XXH3-128 of a file's content (hex)."""
    import xxhash

    digest = xxhash.xxh3_128()
    # One buffer that stays in the processor's cache: twice as fast as new ones.
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
    return digest.hexdigest()


def _hash_json(content: Mapping[str, Any]) -> str:
    import xxhash

    return xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())
