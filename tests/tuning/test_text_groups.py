"""Groups of texts: what links join, what they must not, and which are held out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from jobsearch.tuning import text_groups
from jobsearch.tuning.text_groups import group_texts, hold_out, hold_out_bases, hold_out_groups

Rows = list[tuple[str, str]]


def test_links_join_directly_and_through_others() -> None:
    groups = group_texts("abcdef", [("b", "a"), ("b", "c"), ("e", "d"), ("f", "f")])
    assert groups.of == {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d", "f": "f"}
    assert groups.generic == frozenset()


def test_a_generic_text_links_nothing() -> None:
    links = [("manager", f"title {n}") for n in range(101)] + [("title 0", "title 1")]
    groups = group_texts([text for link in links for text in link], links)
    assert groups.generic == {"manager"}
    assert groups.of["title 0"] == groups.of["title 1"] == "title 0"
    assert len(set(groups.of.values())) == 101  # itself, and 101 titles, two of which are linked
    # With one partner less it is a name with many others, as an occupation of ESCO can have.
    assert set(group_texts([text for link in links for text in link], links[1:]).of.values()) == {"manager"}


def test_long_chains_are_cut_into_stars() -> None:
    # 60 concepts with a preferred label and 4 others, each preferred label linked to the next: one component of 300.
    links = [(f"c{n:02}", f"c{n:02} alt {m}") for n in range(60) for m in range(4)]
    links += [(f"c{n:02}", f"c{n + 1:02}") for n in range(59)]
    groups = group_texts([text for link in links for text in link], links)
    assert len(set(groups.of.values())) >= 60
    # The inner preferred labels have the most partners. The first of them takes its own names and both neighbours.
    assert {text for text, group in groups.of.items() if group == groups.of["c01"]} == {
        "c00",
        "c01",
        "c02",
        *(f"c01 alt {m}" for m in range(4)),
    }
    short = group_texts([text for link in links for text in link], links[: 40 * 4])  # no chain: concepts stay whole
    assert len({short.of[f"c{n:02}"] for n in range(40)}) == 40


def test_whole_groups_are_held_out_up_to_the_share() -> None:
    rows = [(f"g{n}", f"g{n} {m}") for n in range(20) for m in range(5)]  # 20 groups of 5 rows
    groups = group_texts([text for row in rows for text in row], rows)
    held = hold_out_groups(rows, groups, 0.2, 0)
    assert sum(side is True for side in held) == 20
    assert None not in held
    assert all(len({held[5 * n + m] for m in range(5)}) == 1 for n in range(20))
    assert held == hold_out_groups(rows, groups, 0.2, 0)
    assert held != hold_out_groups(rows, groups, 0.2, 1)
    assert not any(hold_out_groups(rows, groups, 0, 0))


def test_a_group_that_is_too_large_stays_in_training() -> None:
    rows = [("big", f"big {n}") for n in range(90)] + [(f"s{n}", f"s{n} x") for n in range(10)]
    groups = group_texts([text for row in rows for text in row], rows)
    for seed in range(10):
        assert hold_out(rows, groups, 0.1, seed) == [False] * 90 + [True] * 10


def test_a_text_without_links_goes_with_what_it_is_compared_with() -> None:
    linked = [(f"g{n}", f"g{n} x") for n in range(10)]
    loose = [(f"g{n}", f"loose {n}") for n in range(10)] + [(f"other {n}", f"g{n} x") for n in range(10)]
    groups = group_texts([text for row in linked + loose for text in row], linked)
    held = hold_out_groups(linked + loose, groups, 0.3, 0)
    assert None not in held
    assert sum(side is True for side in held) == 9
    assert held[:10] == held[10:20] == held[20:]


def test_generic_texts_stay_in_training_and_their_rows_across_are_left_out() -> None:
    links = [("manager", f"title {n:03}") for n in range(150)]
    rows = links + [(f"title {n:03}", f"name {n:03}") for n in range(150)]
    groups = group_texts([text for row in rows for text in row], rows)
    held = hold_out_groups(rows, groups, 0.2, 0)
    assert held.count(True) == held.count(None) == 60  # each title that is held out loses its row with "manager"
    assert True not in held[:150]


def test_titles_are_held_out_of_names_that_others_have_too() -> None:
    rows = [(f"title {n}", f"name {n % 7}") for n in range(70)]
    groups = group_texts([text for row in rows for text in row], rows)
    held = hold_out(rows, groups, 0.2, 0)
    assert held.count(True) == 14
    assert held == hold_out(rows, groups, 0.2, 0) == hold_out_bases(rows, 0.2, 0)
    assert held != hold_out(rows, groups, 0.2, 1)
    # All rows of a title are on its side: what it is like, and what it is not.
    twice = rows + [(title, "something else") for title, _ in rows]
    assert hold_out(twice, groups, 0.2, 0) == 2 * held


def test_where_each_text_is_a_ref_too_groups_are_held_out() -> None:
    rows = [pair for n in range(30) for pair in ((f"a{n}", f"b{n}"), (f"b{n}", f"a{n}"))]
    groups = group_texts([text for row in rows for text in row], rows)
    assert hold_out_bases(rows, 0.2, 0) == [False] * 60
    assert hold_out(rows, groups, 0.2, 0) == hold_out_groups(rows, groups, 0.2, 0)
    assert hold_out(rows, groups, 0.2, 0).count(True) == 12


def test_a_title_with_more_rows_than_there_is_room_for_stays_in_training() -> None:
    rows = [("big", f"name {n}") for n in range(80)] + [(f"title {n}", f"name {n}") for n in range(20)]
    for seed in range(5):
        held = hold_out_bases(rows, 0.1, seed)
        assert (held.count(True), held[:80]) == (10, [False] * 80)


TEXTS = st.sampled_from([f"t{n}" for n in range(12)])
DRAWN = st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), min_size=1, max_size=40)


@settings(max_examples=300)
@given(DRAWN, st.floats(0, 0.5), st.integers(0, 9), st.integers(2, 12), st.integers(2, 12))
def test_no_text_is_on_both_sides(
    drawn: list[tuple[str, str, bool]], share: float, seed: int, most_partners: int, most_texts: int
) -> None:
    before = text_groups._MOST_PARTNERS, text_groups._MOST_TEXTS
    text_groups._MOST_PARTNERS, text_groups._MOST_TEXTS = most_partners, most_texts
    try:
        rows: Rows = [(one, other) for one, other, _ in drawn]
        groups = group_texts([text for row in rows for text in row], [(a, b) for a, b, linked in drawn if linked])
        held = hold_out_groups(rows, groups, share, seed)
    finally:
        text_groups._MOST_PARTNERS, text_groups._MOST_TEXTS = before
    sides = [
        {text for row, side in zip(rows, held, strict=True) if side is which for text in row} for which in (False, True)
    ]
    assert not sides[0] & sides[1]
    assert set(groups.of) == {text for row in rows for text in row}
    bases = hold_out_bases(rows, share, seed)
    seen = {text for row, side in zip(rows, bases, strict=True) if not side for text in row}
    assert not seen & {base for (base, _), side in zip(rows, bases, strict=True) if side}
    assert sum(bases) <= share * len(rows)
    # A group never stands on both sides, and a link inside a group is never left out.
    assert not {groups.of[text] for text in sides[0]} & {groups.of[text] for text in sides[1]}
    for row, side in zip(rows, held, strict=True):
        assert side is not None or groups.of[row[0]] != groups.of[row[1]]
