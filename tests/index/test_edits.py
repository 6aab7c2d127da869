"""A company's own titles: what each edit does, and that no edit is lost by a rebuild or by another edit."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from brute_force import ESCO, SOURCE, made_up, occupation, skill
from encoders import HashEncoder, Wrapped

from jobsearch.encoder.protocol import Embeddings
from jobsearch.engine import JobSearch
from jobsearch.errors import IndexCorruptError, IndexingError, IndexNotFoundError
from jobsearch.index import reader
from jobsearch.index.about import About
from jobsearch.index.build import Options, build_index, edit_index
from jobsearch.index.edits import Edit, apply_edits, own_uri, read_edits, unpack_taxonomy, write_edits
from jobsearch.index.labels import LabelTable, pack_labels
from jobsearch.index.reader import open_version
from jobsearch.index.versions import IndexDirectory
from jobsearch.taxonomy.model import Concept, Taxonomy

BAKER, COOK, BOSS = (f"{ESCO}occupation/{name}" for name in ("a-baker", "b-cook", "c-boss"))
BAKE, LEAD = (f"{ESCO}skill/{name}" for name in ("a-bake", "b-lead"))


def labels_of(taxonomy: Taxonomy, uri: str) -> dict[str, tuple[str, ...]]:
    """Return a concept's labels by language, the preferred one first."""
    return {record.language: record.labels for record in taxonomy.by_uri.get(uri, ())}


def edited(taxonomy: Taxonomy, *edits: Edit) -> Taxonomy:
    return apply_edits(taxonomy, edits, strict=True)


# --- one edit ----------------------------------------------------------------------------------------------------


def test_a_label_is_added_to_a_concept_and_nothing_else_changes(small_taxonomy: Taxonomy) -> None:
    after = edited(small_taxonomy, Edit("add", COOK, "kitchen ninja"))
    assert labels_of(after, COOK) == {"en": ("cook", "chef de partie", "kitchen ninja")}
    assert [c for c in after.concepts if c.uri != COOK] == [c for c in small_taxonomy.concepts if c.uri != COOK]
    assert (after.relations, after.groups) == (small_taxonomy.relations, small_taxonomy.groups)
    assert after.by_uri[COOK][0].isco_group == "5120"


@pytest.mark.parametrize(
    ("label", "preferred", "expected"),
    [
        ("kitchen ninja", True, ("kitchen ninja", "baker", "bread maker", "oven hand")),
        ("oven hand", True, ("oven hand", "baker", "bread maker")),  # known already, now preferred
        ("baker", True, ("baker", "bread maker", "oven hand")),
        ("baker", False, ("baker", "bread maker", "oven hand")),  # it is not taken down
        ("oven hand", False, ("baker", "bread maker", "oven hand")),  # nor does any label come twice
        ("Baker", False, ("baker", "bread maker", "oven hand", "Baker")),  # case carries meaning
    ],
)
def test_a_label_may_become_the_preferred_one(
    small_taxonomy: Taxonomy, label: str, preferred: bool, expected: tuple[str, ...]
) -> None:
    after = edited(small_taxonomy, Edit("add", BAKER, label, preferred=preferred))
    assert labels_of(after, BAKER) == {"de": ("Bäcker/in", "Bäcker"), "en": expected}


def test_a_label_in_a_new_language_is_that_languages_preferred_one(small_taxonomy: Taxonomy) -> None:
    after = edited(small_taxonomy, Edit("add", BAKER, "boulanger", language="fr"), Edit("add", BAKE, "x", None, "fr"))
    assert labels_of(after, BAKER)["fr"] == ("boulanger",)
    assert after.languages == ("de", "en", "fr")
    french = {record.uri: record for record in after.concepts if record.language == "fr"}
    assert (french[BAKER].kind, french[BAKER].isco_group) == ("occupation", "7512")  # as its other records are
    assert (french[BAKE].kind, french[BAKE].isco_group) == ("skill", None)


def test_a_new_uri_is_a_new_concept(small_taxonomy: Taxonomy) -> None:
    after = edited(
        small_taxonomy,
        Edit("add", "urn:acme:1", "growth hacker", isco_group="2431"),
        Edit("add", "urn:acme:1", "growth lead"),
        Edit("add", "urn:acme:2", "prompt writing", "skill", "en"),
        Edit("add", "urn:acme:2", "Prompts schreiben", None, "de"),
    )
    assert after.by_uri["urn:acme:1"] == (
        Concept("urn:acme:1", "occupation", "growth hacker", ("growth lead",), "en", "2431"),
    )
    assert after.by_uri["urn:acme:2"] == (
        Concept("urn:acme:2", "skill", "Prompts schreiben", (), "de"),
        Concept("urn:acme:2", "skill", "prompt writing", (), "en"),
    )


@pytest.mark.parametrize("language", ["de", "en", "fr"])
def test_a_concept_is_in_one_isco_group_whatever_the_language(small_taxonomy: Taxonomy, language: str) -> None:
    after = edited(small_taxonomy, Edit("add", BAKER, "x", None, language, False, "7511"))
    assert {record.isco_group for record in after.by_uri[BAKER]} == {"7511"}
    table = LabelTable(pack_labels(after))
    concept = table.concept(BAKER)
    assert concept is not None
    assert table.isco_of(concept) == "7511"


def test_a_concept_is_removed_in_all_its_languages(small_taxonomy: Taxonomy) -> None:
    after = edited(small_taxonomy, Edit("remove", BAKER))
    assert BAKER not in after.by_uri
    assert set(after.by_uri) == {COOK, BOSS, BAKE, LEAD}
    assert [r.occupation_uri for r in after.relations_within] == [BOSS]


@pytest.mark.parametrize(
    ("uri", "label", "expected"),
    [
        (BAKER, "bread maker", {"de": ("Bäcker/in", "Bäcker"), "en": ("baker", "oven hand")}),
        (BAKER, "baker", {"de": ("Bäcker/in", "Bäcker"), "en": ("bread maker", "oven hand")}),  # the next one is it
        (BAKER, "Bäcker/in", {"de": ("Bäcker",), "en": ("baker", "bread maker", "oven hand")}),
        (BAKE, "oven hand", {"de": ("Brot backen",), "en": ("bake bread",)}),  # the baker keeps its own
    ],
)
def test_a_label_is_removed_from_its_concept_alone(
    small_taxonomy: Taxonomy, uri: str, label: str, expected: dict[str, tuple[str, ...]]
) -> None:
    after = edited(small_taxonomy, Edit("remove", uri, label))
    assert labels_of(after, uri) == expected
    assert [c for c in after.concepts if c.uri != uri] == [c for c in small_taxonomy.concepts if c.uri != uri]


def test_a_label_that_two_languages_share_is_removed_from_both() -> None:
    taxonomy = Taxonomy.of(
        SOURCE, [occupation("a", "Manager", "boss"), occupation("a", "Chef", "Manager", language="de")]
    )
    after = edited(taxonomy, Edit("remove", f"{ESCO}occupation/a", "Manager"))
    assert labels_of(after, f"{ESCO}occupation/a") == {"de": ("Chef",), "en": ("boss",)}


def test_edits_are_done_in_their_order(small_taxonomy: Taxonomy) -> None:
    add, remove = Edit("add", "urn:x", "welder"), Edit("remove", "urn:x")
    assert "urn:x" in edited(small_taxonomy, add, remove, add).by_uri
    assert "urn:x" not in edited(small_taxonomy, add, remove).by_uri
    # What comes after a removal is a new concept, which may be of another kind.
    skills = edited(small_taxonomy, add, remove, Edit("add", "urn:x", "welding", "skill"))
    assert skills.by_uri["urn:x"][0].kind == "skill"


REFUSED = [
    (Edit("remove", "urn:x"), "there is no concept 'urn:x' to remove; `jobsearch search … --json` shows URIs"),
    (Edit("remove", COOK, "chef"), f"concept '{COOK}' has no label 'chef' to remove"),  # that is the boss's
    (Edit("remove", LEAD, "lead a team"), f"'lead a team' is the only label of '{LEAD}'; remove the concept instead"),
    (
        Edit("remove", BAKE, "Brot backen"),
        f"'Brot backen' is the only label of '{BAKE}'; remove the concept instead",
    ),  # the only German one
    (
        Edit("add", COOK, "cooking", "skill"),
        f"{COOK} is of kind occupation and label 'cooking' is added to it as skill",
    ),
]


@pytest.mark.parametrize(("edit", "said"), REFUSED)
def test_an_edit_that_cannot_be_done_is_refused_or_passed_over(small_taxonomy: Taxonomy, edit: Edit, said: str) -> None:
    with pytest.raises(IndexingError) as raised:
        edited(small_taxonomy, edit)
    assert str(raised.value) == said
    # A rebuild over a newer taxonomy does what can still be done.
    after = apply_edits(small_taxonomy, [edit, Edit("add", "urn:y", "welder")], strict=False)
    assert after == edited(small_taxonomy, Edit("add", "urn:y", "welder"))


def test_a_title_without_a_uri_has_always_the_same_one() -> None:
    # XXH3-64 of "en growth hacker", written down: later releases must give the same, or a title comes twice.
    assert own_uri("occupation", "en", "Growth Hacker") == "urn:jobsearch:occupation:fa351d5e7e33573d"
    assert own_uri("occupation", "en", "GROWTH hacker") == own_uri("occupation", "en", "Growth Hacker")
    titles = [
        own_uri(kind, language, label)  # type: ignore[arg-type]
        for kind in ("occupation", "skill")
        for language in ("en", "de")
        for label in ("x", "y")
    ]
    assert len(set(titles)) == 8


def test_edits_come_back_from_their_file(tmp_path: Path) -> None:
    edits = (
        Edit("add", "urn:a", "Bäcker 👩‍🍳", "occupation", "de", True, "7512"),
        Edit("add", "urn:b", "x"),
        Edit("remove", "urn:c", "y"),
        Edit("remove", "urn:d"),
    )
    write_edits(tmp_path, edits)
    assert read_edits(tmp_path) == edits


def test_no_edits_are_no_file(tmp_path: Path) -> None:
    write_edits(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert read_edits(tmp_path) == ()


# --- a taxonomy out of an index ----------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["small", "made up", "small, edited"])
def test_what_an_index_holds_can_be_indexed_again(small_taxonomy: Taxonomy, made: str) -> None:
    """Every column of the label table comes out of it again: labels, kinds, relations, ISCO groups, languages."""
    taxonomy = {
        "small": small_taxonomy,
        "made up": made_up(),
        "small, edited": edited(small_taxonomy, Edit("add", "urn:x", "X", isco_group="1111"), Edit("remove", COOK)),
    }[made]
    before = pack_labels(taxonomy)
    nothing = About(About.build({}, LabelTable(before), HashEncoder().encode))
    after = pack_labels(unpack_taxonomy(LabelTable(before), nothing, SOURCE))
    assert before.keys() == after.keys()
    for column, expected in before.items():
        if not column.startswith("group_"):
            assert np.array_equal(expected, after[column]), column
    assert LabelTable(before).isco_labels == LabelTable(after).isco_labels


# --- editing an index --------------------------------------------------------------------------------------------

DIM = 64


class Opened:
    """Hash encoders that count what they embed; every version is opened with one."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def open(self, path: Path, verify: bool) -> Wrapped:
        inner = HashEncoder.open(path)

        def encode(texts: Sequence[str]) -> Embeddings:
            self.asked.append(list(texts))
            return inner.encode(texts)

        return Wrapped(inner, encode=encode)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    counting = Opened()
    monkeypatch.setattr(reader, "open_encoder", counting.open)
    return counting


@pytest.fixture
def directory(small_taxonomy: Taxonomy, opened: Opened, tmp_path: Path) -> IndexDirectory:
    """An index of the small taxonomy with one version."""
    directory = IndexDirectory(tmp_path / "small")
    build_index(small_taxonomy, HashEncoder(DIM), directory)
    opened.asked.clear()
    return directory


ADDED = [
    Edit("add", "urn:acme:1", "growth hacker"),
    Edit("add", BAKER, "dough wizard", preferred=True),
    Edit("remove", COOK),
    Edit("remove", BOSS, "chef"),
]


def kept(directory: IndexDirectory) -> tuple[Edit, ...]:
    """Return the edits that the current version carries."""
    return read_edits(directory.version_path(directory.current()))


def check_added(directory: IndexDirectory) -> None:
    """Check that the current version has what `ADDED` says, with the right vectors."""
    version = open_version(directory)
    labels = version.labels
    assert "growth hacker" in list(labels.texts)
    assert labels.concept(COOK) is None
    baker, boss = labels.concept(BAKER), labels.concept(BOSS)
    assert baker is not None
    assert boss is not None
    assert labels.entry(baker, "en").labels[0] == "dough wizard"
    assert labels.entry(boss).labels == ("managing director",)
    assert version.manifest.edits == len(kept(directory)) == 4
    assert np.array_equal(version.vectors.embeddings, version.encoder.encode(list(labels.texts)))


def test_an_edit_is_a_new_version_that_embeds_only_what_is_new(directory: IndexDirectory, opened: Opened) -> None:
    before = open_version(directory)
    version = edit_index(ADDED, directory)
    assert (version.version, directory.current()) == ("0002", "0002")
    # Before the queries that recall is measured with, and the check: the two new labels alone.
    assert opened.asked[0] == ["dough wizard", "growth hacker"]
    check_added(directory)
    assert version.manifest.taxonomy == before.manifest.taxonomy
    # 13 labels, two more, less cook's two and "chef".
    assert version.manifest.counts == {"labels": 12, "concepts": 5, "occupations": 3, "skills": 2, "relations": 3}
    assert list(open_version(directory, "0001").labels.texts) == list(before.labels.texts)


def test_an_edited_index_is_searched(directory: IndexDirectory) -> None:
    engine = JobSearch.open(directory.path)
    edit_index(ADDED, directory)
    assert engine.reload()
    assert engine.search("growth hacker", 1)[0].uri == "urn:acme:1"
    hit = engine.search("bread maker", 1)[0]
    assert (hit.uri, hit.label) == (BAKER, "dough wizard")
    # Relations, ISCO groups and other languages are what they were.
    assert engine.concept(BAKER, "en").isco_path[0] == ("7", "Craft workers")
    assert engine.concept(BAKER, "de").labels == ("Bäcker/in", "Bäcker")
    assert engine.concept(BAKER).skills == {"essential": (BAKE,), "optional": (LEAD,)}


def with_kinds(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits as they are kept: each knows the kind of its concept, should a newer ESCO not have it."""
    return tuple(dataclasses.replace(edit, kind=edit.kind or "occupation") for edit in edits)


def test_a_synonym_of_a_skill_stays_a_skill_when_the_skill_goes(
    directory: IndexDirectory, small_taxonomy: Taxonomy
) -> None:
    lead = next(concept.uri for concept in small_taxonomy.concepts if concept.preferred_label == "lead a team")
    edit_index([Edit("add", lead, "boss people around")], directory)
    newer = Taxonomy.of(small_taxonomy.source, [c for c in small_taxonomy.concepts if c.uri != lead])
    labels = build_index(newer, HashEncoder(DIM), directory).labels
    number = labels.concept(lead)
    assert number is not None
    assert (labels.kind_of(number), labels.entry(number).labels) == ("skill", ("boss people around",))


def test_edits_one_after_another_add_up(directory: IndexDirectory) -> None:
    for edit in ADDED[:-1]:
        edit_index([edit], directory)
    version = edit_index(ADDED[-1:], directory)
    assert version.version == "0005"
    check_added(directory)
    assert kept(directory) == with_kinds(ADDED)


def test_edits_at_the_same_time_are_both_kept(directory: IndexDirectory) -> None:
    """Both have begun before either has built: the later one must edit what the earlier one published."""
    both = threading.Barrier(2, timeout=20)

    def progress(step: str, done: int, total: int) -> None:
        if step == "waiting for other builders":
            both.wait()

    threads = [
        threading.Thread(target=edit_index, args=([Edit("add", f"urn:{n}", f"title {n}")], directory, progress))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    version = open_version(directory)
    assert version.version == "0003"
    assert {"title 0", "title 1"} <= set(version.labels.texts)
    assert {edit.uri for edit in kept(directory)} == {"urn:0", "urn:1"}


def test_edits_survive_a_retrained_encoder_and_a_newer_taxonomy(
    directory: IndexDirectory, small_taxonomy: Taxonomy
) -> None:
    edit_index(ADDED, directory)
    newer = Taxonomy.of(
        dataclasses.replace(small_taxonomy.source, version="1.3.0"),
        [*small_taxonomy.concepts, skill("z-weld", "weld metal")],
        relations=small_taxonomy.relations,
    )
    version = build_index(newer, HashEncoder(DIM, "tuned"), directory)
    check_added(directory)
    assert "weld metal" in list(version.labels.texts)
    assert version.encoder.fingerprint == HashEncoder(DIM, "tuned").fingerprint
    # The manifest names the taxonomy as it came; what was done to it is in the count of edits.
    assert version.manifest.taxonomy["fingerprint"] == newer.fingerprint
    assert version.manifest.taxonomy["version"] == "1.3.0"


def test_a_rebuild_passes_over_edits_that_a_newer_taxonomy_makes_pointless(
    directory: IndexDirectory, small_taxonomy: Taxonomy
) -> None:
    edit_index(ADDED, directory)
    newer = Taxonomy.of(small_taxonomy.source, [c for c in small_taxonomy.concepts if c.uri not in (COOK, BOSS)])
    version = build_index(newer, HashEncoder(DIM), directory)
    assert {"growth hacker", "dough wizard"} <= set(version.labels.texts)
    # They are kept, for the concepts may come back.
    assert kept(directory) == with_kinds(ADDED)
    build_index(small_taxonomy, HashEncoder(DIM), directory)
    check_added(directory)


def test_a_rebuild_can_drop_the_edits(directory: IndexDirectory, small_taxonomy: Taxonomy) -> None:
    edit_index(ADDED, directory)
    version = build_index(small_taxonomy, HashEncoder(DIM), directory, options=Options(keep_edits=False))
    assert list(version.labels.texts) == [label for _, label, _ in small_taxonomy.labels()]
    assert version.manifest.edits == 0
    assert not (directory.version_path("0003") / "edits.json").exists()


def test_a_roll_back_takes_the_edits_back(directory: IndexDirectory) -> None:
    edit_index([Edit("add", "urn:1", "title 1")], directory)
    directory.publish("0001")
    version = edit_index([Edit("add", "urn:2", "title 2")], directory)
    assert "title 1" not in list(version.labels.texts)
    assert [edit.uri for edit in kept(directory)] == ["urn:2"]


@contextlib.contextmanager
def nothing_changes(directory: IndexDirectory) -> Iterator[None]:
    """Check that an index with one version is the same afterwards, file by file."""

    def state() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in directory.path.rglob("*") if path.is_file()}

    before = state()
    yield
    assert state() == before
    assert (directory.versions(), directory.current()) == (["0001"], "0001")


@pytest.mark.parametrize(("edit", "said"), REFUSED)
def test_an_edit_that_cannot_be_done_changes_nothing(directory: IndexDirectory, edit: Edit, said: str) -> None:
    with nothing_changes(directory), pytest.raises(IndexingError) as raised:
        edit_index([Edit("add", "urn:y", "welder"), edit], directory)
    assert str(raised.value) == said


def test_what_would_leave_nothing_is_refused(directory: IndexDirectory) -> None:
    everything = [Edit("remove", uri) for uri in (BAKER, COOK, BOSS, BAKE, LEAD)]
    with nothing_changes(directory), pytest.raises(IndexingError, match="nothing would be left in index 'small'"):
        edit_index(everything, directory)
    version = edit_index(everything[:-1], directory)
    assert list(version.labels.texts) == ["lead a team"]


def test_a_rebuild_that_would_leave_nothing_is_refused(directory: IndexDirectory) -> None:
    """The edits remove all that the other taxonomy has."""
    edit_index([Edit("remove", COOK)], directory)
    with pytest.raises(IndexingError, match="nothing would be left in index 'small'"):
        build_index(Taxonomy.of(SOURCE, [Concept(COOK, "occupation", "cook")]), HashEncoder(DIM), directory)
    assert directory.versions() == ["0001", "0002"]


def test_an_index_that_is_not_there_cannot_be_edited(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFoundError, match="no index 'nowhere'"):
        edit_index(ADDED, IndexDirectory(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_a_broken_index_cannot_be_edited_and_says_why(directory: IndexDirectory) -> None:
    (directory.version_path("0001") / "vectors.faiss").unlink()
    with pytest.raises(
        IndexCorruptError, match=r"vectors\.faiss is missing; copy it again, or run `.* to build it anew"
    ):
        edit_index(ADDED, directory)
    assert directory.versions() == ["0001"]


def test_edits_of_an_index_type_keep_it(directory: IndexDirectory) -> None:
    assert edit_index(ADDED[:1], directory, options=Options("sq8")).manifest.factory == "SQ8,RFlat"
    assert edit_index(ADDED[1:2], directory).manifest.factory == "SQ8,RFlat"


# --- what is in already, and what does not fit ---------------------------------------------------------------------


def test_the_same_edits_again_make_no_version(directory: IndexDirectory) -> None:
    first = edit_index(ADDED[:2], directory)
    again = edit_index(ADDED[:2], directory)
    assert (again.version, again.manifest) == (first.version, first.manifest)


def test_edits_of_a_damaged_version_are_not_lost(directory: IndexDirectory, small_taxonomy: Taxonomy) -> None:
    edited = edit_index(ADDED[:1], directory)
    vectors = directory.version_path(edited.version) / "vectors.faiss"
    content = vectors.read_bytes()
    vectors.unlink()
    vectors.write_bytes(content[:-1])
    with pytest.raises(IndexCorruptError):
        edit_index(ADDED[1:2], directory)  # what nobody can read nobody can edit
    version = build_index(small_taxonomy, HashEncoder(DIM), directory)
    assert "growth hacker" in list(version.labels.texts)


def test_edits_that_do_not_fit_are_told(caplog: pytest.LogCaptureFixture, small_taxonomy: Taxonomy) -> None:
    with caplog.at_level("WARNING", logger="jobsearch"):
        apply_edits(small_taxonomy, [Edit("remove", "urn:gone"), Edit("remove", BOSS)], strict=False)
    assert (
        "1 edits do not fit this taxonomy and are passed over, the first since there is no concept 'urn:gone'"
        in caplog.text
    )
