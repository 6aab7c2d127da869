"""Which taxonomies are at hand, and which one is in use."""

from __future__ import annotations

import re
from pathlib import Path

from jobsearch.errors import TaxonomyError
from jobsearch.files import write_atomically
from jobsearch.home import builtin_taxonomy_directory, data_directory
from jobsearch.taxonomy.model import Taxonomy
from jobsearch.taxonomy.store import load_taxonomy, save_taxonomy

BUILTIN = "esco-en"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def taxonomies_directory() -> Path:
    """Return the folder of imported and downloaded taxonomies."""
    return data_directory() / "taxonomies"


def taxonomy_names() -> list[str]:
    """Return the names of all taxonomies at hand, the built-in one first."""
    folder = taxonomies_directory()
    found = [path.name for path in folder.iterdir() if (path / "taxonomy.json").is_file()] if folder.is_dir() else []
    return [BUILTIN, *sorted(name for name in found if _NAME.match(name) and name != BUILTIN)]


def active_name() -> str:
    """Return the name of the taxonomy in use: the last one imported or chosen, else the built-in one."""
    try:
        return (taxonomies_directory() / "active").read_text(encoding="utf-8").strip() or BUILTIN
    except (OSError, UnicodeDecodeError):
        return BUILTIN


def activate(name: str) -> None:
    """Put a taxonomy into use.

    Raises:
        TaxonomyError: there is none of that name.
        StorageError: the disk is full, read-only or not ours.
    """
    taxonomy_directory(name)
    write_atomically(taxonomies_directory() / "active", f"{name}\n".encode())


def taxonomy_directory(name: str | None = None) -> Path:
    """Return the folder of a taxonomy, by default of the one in use.

    Raises:
        TaxonomyError: there is none of that name.
    """
    name = name or active_name()
    folder = builtin_taxonomy_directory() if name == BUILTIN else taxonomies_directory() / name
    if not _NAME.match(name) or not (folder / "taxonomy.json").is_file():
        known = ", ".join(taxonomy_names())
        raise TaxonomyError(
            f"no taxonomy {name!r}; expected one of {known}; `jobsearch esco use NAME` puts one into use"
        )
    return folder


def find_taxonomy(name: str | None = None) -> Taxonomy:
    """Load a taxonomy, by default the one in use.

    Raises:
        TaxonomyError: there is none of that name, or it is damaged.
    """
    return load_taxonomy(taxonomy_directory(name))


def check_name(name: str) -> None:
    """Refuse a name that cannot be a taxonomy's.

    Raises:
        TaxonomyError: it is the built-in one's or no plain name.
    """
    if name == BUILTIN:
        raise TaxonomyError(f"{BUILTIN!r} is the built-in taxonomy; give another name with --name")
    if not _NAME.match(name):
        raise TaxonomyError(f"taxonomy name {name!r}: expected letters, digits, dots and dashes; give one with --name")


def store_taxonomy(taxonomy: Taxonomy) -> Path:
    """Keep a taxonomy under its source's name, replacing an older one of that name as a whole.

    Raises:
        TaxonomyError: the name cannot be used.
        StorageError: the disk is full, read-only or not ours.
    """
    check_name(taxonomy.source.name)
    folder = taxonomies_directory() / taxonomy.source.name
    save_taxonomy(taxonomy, folder)
    return folder
