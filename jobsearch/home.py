"""Where things lie: the home folder with `data/` and `indexes/`, and what ships with the package."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """Return the folder that holds `data/` and `indexes/`.

    `JOBSEARCH_HOME` if set; else the checkout, when the current folder lies in one or the package runs from one;
    else the user's data folder.
    """
    named = os.environ.get("JOBSEARCH_HOME")
    if named:
        return Path(named).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents, PACKAGE.parent):
        if _is_checkout(folder):
            return folder
    import platformdirs

    return Path(platformdirs.user_data_dir("jobsearch", appauthor=False))


def data_directory() -> Path:
    """Return the folder of imported taxonomies, weight sets and downloads."""
    return home() / "data"


def indexes_directory() -> Path:
    """Return the folder of index directories."""
    return home() / "indexes"


def builtin_taxonomy_directory() -> Path:
    """Return the folder of the built-in ESCO tables: inside an installed package, or in the checkout."""
    shipped = PACKAGE / "builtin" / "esco"
    return shipped if shipped.is_dir() else PACKAGE.parent / "data" / "esco"


def builtin_title_counts() -> Path:
    """Return the table of how many job titles mean each occupation: inside an installed package, or in the checkout."""
    shipped = PACKAGE / "builtin" / "title_counts.csv.gz"
    return shipped if shipped.is_file() else PACKAGE.parent / "data" / "title_counts.csv.gz"


def builtin_encoder_directory() -> Path:
    """Return the folder of the tuned encoder that is shipped: inside an installed package, or in the checkout."""
    shipped = PACKAGE / "builtin" / "encoder"
    return shipped if shipped.is_dir() else PACKAGE.parent / "data" / "encoder"


def _is_checkout(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file() and (folder / "jobsearch" / "home.py").is_file()
