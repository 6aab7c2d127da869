"""Write the API reference out of the docstrings: `python docs/reference.py [FOLDER]`, by default into `site/`.

Needs pdoc (`pip install -e '.[docs]'`). Bare `pdoc jobsearch` would leave the engine out: the package imports its
public names only when they are asked for, and pdoc does not ask.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from pathlib import Path

import pdoc

import jobsearch

LEFT_OUT = ("cli", "__main__")  # commands explain themselves: `jobsearch COMMAND -h`


def modules() -> list[str]:
    """Return the package and what is right below it; pdoc goes down from there."""
    found = pkgutil.iter_modules(jobsearch.__path__, "jobsearch.")
    return ["jobsearch", *(one.name for one in found if one.name.rpartition(".")[2] not in LEFT_OUT)]


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    # While it imports, pdoc keeps modules from starting programs, and Python's own `platform` asks `uname`.
    os.environ.setdefault("PDOC_ALLOW_EXEC", "1")
    for name in jobsearch.__all__:
        setattr(jobsearch, name, getattr(jobsearch, name))
    pdoc.render.configure(docformat="google", footer_text=f"jobsearch {jobsearch.__version__}")
    pdoc.pdoc(*modules(), output_directory=folder)
    print(f"Wrote {folder / 'index.html'}.", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
