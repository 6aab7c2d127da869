"""Index types: which there are, which one is taken, and what is refused."""

from __future__ import annotations

import pytest
from brute_force import unit_vectors

from jobsearch.errors import IndexingError
from jobsearch.index.types import EXACT_UP_TO, TYPE_NAMES, find_type
from jobsearch.index.vectors import Vectors


def test_the_names_are_these() -> None:
    assert TYPE_NAMES == ("compact", "flat", "hnsw", "ivf", "pq", "sq8")


def test_by_default_few_labels_are_searched_exactly_and_many_by_codes() -> None:
    assert EXACT_UP_TO == 8192
    assert [find_type(None, labels, 512).name for labels in (1, 13, 8192)] == ["flat"] * 3
    assert [find_type(None, labels, 512).name for labels in (8193, 120_000)] == ["pq"] * 2


@pytest.mark.parametrize(
    ("name", "labels", "dim", "factory"),
    [
        ("flat", 1, 512, "Flat"),
        ("hnsw", 1, 512, "HNSW32,Flat"),
        ("sq8", 1, 512, "SQ8,RFlat"),
        ("pq", 624, 512, "PQ128x4fs,RFlat"),  # four numbers a code
        ("pq", 624, 510, "SQ8,RFlat"),  # 510 is no multiple of 4
        # The power of two nearest to the root of 120,000 = 346.4 on a logarithmic scale: 2^8 = 256 (2^8.44).
        ("ivf", 120_000, 512, "IVF256,PQ128x4fs,RFlat"),
        # The root of 4,096 is 64.
        ("ivf", 4096, 30, "IVF64,SQ8,RFlat"),
        # Codes alone: the vectors are in a file of their own. The root of ten millions is 3,162, and
        # there are twice as many cells.
        ("compact", 10_000_000, 512, "IVF8192,PQ128x4fs"),
        ("compact", 1_000_000, 512, "IVF1024,PQ128x4fs"),
        ("compact", 4096, 30, "IVF64,SQ8"),
    ],
)
def test_the_factory_string_of_each(name: str, labels: int, dim: int, factory: str) -> None:
    found = find_type(name, labels, dim)
    assert (found.name, found.factory) == (name, factory)


# k-means wants 39 vectors a centroid: 16 centroids of 4-bit codes; 32 cells where there are about 1,000 labels.
@pytest.mark.parametrize(("name", "labels", "least"), [("pq", 623, 624), ("ivf", 1000, 1248), ("compact", 1000, 1248)])
def test_too_few_labels_for_training_are_told_with_what_to_use(name: str, labels: int, least: int) -> None:
    with pytest.raises(IndexingError) as raised:
        find_type(name, labels, 512)
    assert str(raised.value) == (
        f"index type {name!r} needs at least {least:,} labels to train on and there are {labels:,}; use --type flat"
    )
    assert find_type(name, least, 512).name == name


@pytest.mark.parametrize("name", ["FLAT", "annoy", "PQ64", "SQ8", "HNSW32", "IVF512,Flat", "IVF512,PQ64x4fs", "Flat,x"])
def test_what_does_not_keep_the_vectors_is_refused_with_the_names(name: str) -> None:
    with pytest.raises(IndexingError) as raised:
        find_type(name, 100_000, 512)
    assert f"index type {name!r} is not known; expected one of compact, flat, hnsw, ivf, pq, sq8, or a" in str(
        raised.value
    )


@pytest.mark.parametrize(
    ("name", "knob"),
    [
        ("Flat", ""),
        ("HNSW48,Flat", "ef_search"),
        ("IVF512,SQ8,RFlat", "n_probe"),
        ("OPQ32,IVF64,SQ8,RFlat", "n_probe"),
        ("SQ4,RFlat", "k_factor"),
    ],
)
def test_a_factory_string_is_a_type_with_the_knob_that_it_has(name: str, knob: str) -> None:
    found = find_type(name, 100_000, 512)
    assert (found.name, found.factory, found.knob) == (name, name, knob)
    assert bool(found.ladder) == bool(knob)
    assert list(found.ladder) == sorted(found.ladder)


@pytest.mark.parametrize(
    "name",
    [
        "NoSuchFlat",  # FAISS does not know it
        "PCA8,Flat",  # keeps other vectors than those given
        "IDMap,Flat",
        "IVF128,SQ8,RFlat",  # more cells than vectors
        "PQ5x4fs,RFlat",  # 16 does not divide by 5
    ],
)
def test_a_factory_string_that_cannot_be_built_says_so(name: str) -> None:
    with pytest.raises(IndexingError, match=r"index type '.*' cannot be built \(.+\); use --type flat") as raised:
        Vectors.build(unit_vectors(100, 16), find_type(name, 100, 16))
    assert "\n" not in str(raised.value)
