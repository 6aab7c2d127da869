"""What the index tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from brute_force import opening_hash_encoders
from encoders import linked

from jobsearch.encoder.architecture import D0
from jobsearch.encoder.lean import LeanEncoder
from jobsearch.encoder.packaged import packaged_weights
from jobsearch.encoder.protocol import Encoder
from jobsearch.taxonomy.model import Concept, Group, Relation, Source, Taxonomy

ESCO = "http://data.europa.eu/esco/"


@pytest.fixture(scope="session")
def small_taxonomy() -> Taxonomy:
    """Three occupations and two skills in English, one of each in German too; 13 labels, 12 distinct."""
    baker, cook, boss = (f"{ESCO}occupation/{name}" for name in ("a-baker", "b-cook", "c-boss"))
    bake, lead = (f"{ESCO}skill/{name}" for name in ("a-bake", "b-lead"))
    return Taxonomy.of(
        Source("small-1", "1.2.0", "tests/index/conftest.py"),
        [
            Concept(baker, "occupation", "baker", ("bread maker", "oven hand"), isco_group="7512"),
            Concept(baker, "occupation", "Bäcker/in", ("Bäcker",), "de", isco_group="7512"),
            Concept(cook, "occupation", "cook", ("chef de partie",), isco_group="5120"),
            Concept(boss, "occupation", "managing director", ("chef",)),
            Concept(bake, "skill", "bake bread", ("oven hand",)),
            Concept(bake, "skill", "Brot backen", (), "de"),
            Concept(lead, "skill", "lead a team"),
        ],
        relations=[
            Relation(baker, bake, "essential"),
            Relation(baker, lead, "optional"),
            Relation(boss, lead, "essential"),
            Relation(boss, f"{ESCO}skill/elsewhere", "essential"),  # not a concept here
        ],
        groups=[
            Group(f"{ESCO}isco/C7", "7", "Craft workers"),
            Group(f"{ESCO}isco/C7", "7", "Handwerksberufe", "de"),
            Group(f"{ESCO}isco/C75", "75", "Food processing workers"),
            Group(f"{ESCO}isco/C7512", "7512", "Bakers"),
            Group(f"{ESCO}isco/C7512", "7512", "Bäcker", "de"),
            Group(f"{ESCO}skill/S7", "751", "a skill group, not an ISCO group"),
        ],
    )


@pytest.fixture(scope="module")
def hash_encoders() -> Iterator[None]:
    """Versions that carry a hash encoder can be opened."""
    with opening_hash_encoders():
        yield


@pytest.fixture(scope="session")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """USE with one tensor changed: a weight set as valid and as wide as the packaged one."""
    weights = packaged_weights("lower")
    tensors = {**weights.tensors, D0: weights.tensors[D0] * np.float32(1.5)}
    encoder = LeanEncoder(replace(weights, tensors=tensors))
    return linked(encoder, tmp_path_factory.mktemp("other") / "encoder")
