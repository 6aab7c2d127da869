"""Ways in which the files of an index come to harm, and what may come of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobsearch.index.manifest import MANIFEST, _hash_json, describe_files

Damage = Callable[[bytes, np.random.Generator], bytes]


def flip_bytes(data: bytes, random: np.random.Generator) -> bytes:
    """Change 1 to 16 bytes."""
    changed = np.frombuffer(data, np.uint8).copy()
    places = random.integers(0, len(data), random.integers(1, 17))
    changed[places] ^= random.integers(1, 256, len(places)).astype(np.uint8)
    return changed.tobytes()


def flip_bit(data: bytes, random: np.random.Generator) -> bytes:
    place = int(random.integers(len(data)))
    return data[:place] + bytes([data[place] ^ 1 << int(random.integers(8))]) + data[place + 1 :]


def truncate(data: bytes, random: np.random.Generator) -> bytes:
    return data[: int(random.integers(len(data)))]


def extend(data: bytes, random: np.random.Generator) -> bytes:
    return data + random.bytes(int(random.integers(1, 65)))


def empty(data: bytes, random: np.random.Generator) -> bytes:
    return b""


def zero_block(data: bytes, random: np.random.Generator) -> bytes:
    """Lose a block to zeros, as after a power cut; up to 512 bytes at a multiple of that."""
    start = 512 * int(random.integers(-(-len(data) // 512)))
    return data[:start] + bytes(len(data[start : start + 512])) + data[start + 512 :]


def lose_bytes(data: bytes, random: np.random.Generator) -> bytes:
    start = int(random.integers(len(data)))
    return data[:start] + data[start + int(random.integers(1, 65)) :]


def insert_bytes(data: bytes, random: np.random.Generator) -> bytes:
    start = int(random.integers(len(data)))
    return data[:start] + random.bytes(int(random.integers(1, 65))) + data[start:]


def move_bytes(data: bytes, random: np.random.Generator) -> bytes:
    """Exchange two halves: the size and the sum of all bytes stay."""
    middle = int(random.integers(len(data)))
    return data[middle:] + data[:middle]


CONTENT: tuple[Damage, ...] = (
    flip_bytes,
    flip_bit,
    truncate,
    extend,
    empty,
    zero_block,
    lose_bytes,
    insert_bytes,
    move_bytes,
)
# What happens to a file as a whole.
WHOLE = ("delete", "folder", "swap", "other version")
DAMAGES = (*CONTENT, *WHOLE)


@dataclass(frozen=True)
class Target:
    """A file of an index, and what could take its place.

    Args:
        path: the file.
        sibling: another file of the same version, to be swapped with.
        older: the file of that name of another version.
    """

    path: Path
    sibling: Path
    older: Path

    @property
    def aside(self) -> Path:
        """Where the file as it was lies while it is damaged."""
        return kept_beside(self.path)


def kept_beside(path: Path) -> Path:
    """Return where `damaged` keeps a file as it was."""
    return path.with_name(f"{path.name}.kept")


@contextmanager
def damaged(target: Target, damage: Damage | str, random: np.random.Generator) -> Iterator[bool]:
    """Damage a file for the length of a block; yields whether any byte is another one.

    Files are replaced and never written into, since they may be linked to others.
    """
    kept = {path: kept_beside(path) for path in (target.path, target.sibling)}
    data = {path: path.read_bytes() for path in kept}
    for path, aside in kept.items():
        path.rename(aside)
    changed = True
    try:
        if damage not in ("delete", "folder", "swap"):
            content = target.older.read_bytes() if isinstance(damage, str) else damage(data[target.path], random)
            target.path.write_bytes(content)
            changed = content != data[target.path]
        if damage == "folder":
            target.path.mkdir()
        if damage == "swap":
            target.path.write_bytes(data[target.sibling])
            target.sibling.write_bytes(data[target.path])
        elif target.sibling != target.path:
            kept[target.sibling].rename(target.sibling)
        yield changed
    finally:
        for path, aside in kept.items():
            if aside.exists():
                if path.is_dir():
                    shutil.rmtree(path)
                aside.replace(path)


def reseal(version: Path, change: Callable[[dict[str, object]], object] = lambda content: None) -> None:
    """Write checksums that fit the files as they are, and let `change` edit the manifest: damage that nothing tells."""
    path = version / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["checksum"]
    content["files"] = describe_files(version)
    change(content)
    sealed = json.dumps({**content, "checksum": _hash_json(content)}, ensure_ascii=False)
    path.unlink()
    path.write_text(sealed, encoding="utf-8")
