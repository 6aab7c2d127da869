"""Which taxonomies are at hand and which one is in use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jobsearch.errors import TaxonomyError
from jobsearch.home import builtin_taxonomy_directory
from jobsearch.taxonomy.library import (
    BUILTIN,
    activate,
    active_name,
    find_taxonomy,
    store_taxonomy,
    taxonomies_directory,
    taxonomy_directory,
    taxonomy_names,
)
from jobsearch.taxonomy.model import Concept, Source, Taxonomy

pytestmark = pytest.mark.usefixtures("jobsearch_home")


def make(name: str, label: str = "cook") -> Taxonomy:
    return Taxonomy.of(Source(name, "1", "here"), [Concept("urn:x", "occupation", label)])


# --- at hand ---------------------------------------------------------------------------------------------------


def test_the_builtin_one_is_always_there(jobsearch_home: Path) -> None:
    assert BUILTIN == "esco-en"
    assert taxonomy_names() == ["esco-en"]
    assert taxonomy_directory("esco-en") == builtin_taxonomy_directory()
    assert not jobsearch_home.exists()  # asking makes nothing


def test_names_are_the_builtin_one_then_the_others_sorted(jobsearch_home: Path) -> None:
    for name in ("mine", "another", "Zz-1.2_x"):
        assert store_taxonomy(make(name)) == jobsearch_home / "data" / "taxonomies" / name
    activate("mine")  # its file lies in the same folder
    (taxonomies_directory() / "unfinished").mkdir()
    (taxonomies_directory() / ".mine-abc").mkdir()
    (taxonomies_directory() / ".mine-abc" / "taxonomy.json").write_text("{}")
    assert taxonomy_names() == ["esco-en", "Zz-1.2_x", "another", "mine"]


def test_a_stored_taxonomy_comes_back(jobsearch_home: Path) -> None:
    store_taxonomy(make("mine"))
    assert find_taxonomy("mine") == make("mine")
    store_taxonomy(make("mine", "chef"))  # the same name again: replaced as a whole
    assert find_taxonomy("mine") == make("mine", "chef")
    assert sorted(path.name for path in taxonomies_directory().iterdir()) == ["mine"]


# --- in use ----------------------------------------------------------------------------------------------------


def test_the_builtin_one_is_in_use_until_another_is_chosen() -> None:
    assert active_name() == "esco-en"
    assert taxonomy_directory() == builtin_taxonomy_directory()
    store_taxonomy(make("mine"))
    assert active_name() == "esco-en"  # storing alone does not choose
    activate("mine")
    assert active_name() == "mine"
    assert taxonomy_directory() == taxonomies_directory() / "mine"
    assert find_taxonomy() == make("mine")
    activate("esco-en")
    assert active_name() == "esco-en"
    assert taxonomy_directory() == builtin_taxonomy_directory()


def test_an_empty_pointer_means_the_builtin_one() -> None:
    store_taxonomy(make("mine"))
    (taxonomies_directory() / "active").write_text("\n")
    assert active_name() == "esco-en"


def test_a_pointer_to_a_removed_taxonomy_is_told() -> None:
    store_taxonomy(make("other"))
    (taxonomies_directory() / "active").write_text("gone\n")
    with pytest.raises(TaxonomyError, match="no taxonomy 'gone'; expected one of esco-en, other;"):
        find_taxonomy()


# --- names that cannot be --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["unknown", "../mine", "mine/", "/etc", ".", "..", ".mine-abc", "Mine\n", "unfinished"]
)
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    for known in ("mine", "also"):
        store_taxonomy(make(known))
    (taxonomies_directory() / "unfinished").mkdir()
    for ask in (taxonomy_directory, find_taxonomy, activate):
        with pytest.raises(TaxonomyError) as raised:
            ask(name)
        assert f"no taxonomy {name!r}; expected one of esco-en, also, mine;" in str(raised.value)
    assert active_name() == "esco-en"


def test_the_builtin_ones_name_is_not_for_others(jobsearch_home: Path) -> None:
    with pytest.raises(TaxonomyError, match="'esco-en' is the built-in taxonomy; give another name with --name"):
        store_taxonomy(make("esco-en"))
    assert not jobsearch_home.exists()


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "-x", "a/b", "../x", "/x", "a\\b", "a b", "ä", "x\n", "x" * 101])
def test_names_that_are_paths_or_odd_are_refused(jobsearch_home: Path, name: str) -> None:
    with pytest.raises(TaxonomyError, match="expected letters, digits, dots and dashes; give one with --name"):
        store_taxonomy(replace(make("x"), source=Source(name, "1", "here")))
    assert not jobsearch_home.exists()
