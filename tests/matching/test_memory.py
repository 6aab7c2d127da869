"""What is remembered: the titles used last, as many as there is room for; and planning ahead of answers."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobsearch.matching.memory import Answers, Memory, Rows


def answer_of(title: str) -> int:
    return sum(map(ord, title))


def answers_of(rows: Rows) -> Answers:
    """Return answers whose parts can be told from each other."""
    return Answers(rows, rows.astype(np.float32), 2 * rows.astype(np.float32))


def ask(memory: Memory, titles: list[str], k: int = 1) -> tuple[list[str], list[int]]:
    """Plan, answer what is asked, and return what was asked and the first row of each title's answer."""
    places, misses, new = memory.plan(titles)
    rows = np.array([[answer_of(title)] * k for title in misses], np.int32).reshape(len(misses), k)
    memory.put(new, answers_of(rows))
    found, scores, sure = memory.take(places)
    for part in (scores, sure / 2):
        assert np.array_equal(np.where(found < 0, 0, found), np.where(found < 0, 0, part))
    return misses, found[:, 0].tolist()


def test_equal_titles_are_asked_once() -> None:
    memory = Memory(10, 1)
    assert ask(memory, ["b", "a", "b", ""]) == (["b", "a"], [98, 97, 98, -1])
    assert ask(memory, ["a", "c", "b"]) == (["c"], [97, 99, 98])
    assert memory.asked == 3


def test_the_title_that_was_used_longest_ago_is_forgotten() -> None:
    memory = Memory(2, 1)
    ask(memory, ["a", "b"])
    ask(memory, ["a", "c"])  # "a" was used since, so "b" goes
    assert len(memory) == 2
    assert ask(memory, ["a"]) == ([], [97])
    assert ask(memory, ["b"]) == (["b"], [98])
    assert ask(memory, ["c"]) == (["c"], [99])


def test_a_batch_may_be_planned_before_the_one_ahead_of_it_is_answered() -> None:
    memory = Memory(3, 1)
    first, second = memory.plan(["a", "b", "c"]), memory.plan(["c", "d", "e"])  # "d" and "e" take over from "a" and "b"
    assert second[1] == ["d", "e"]
    for (places, misses, new), rows in ((first, [97, 98, 99]), (second, [99, 100, 101])):
        own = np.array([[answer_of(title)] for title in misses], np.int32)
        memory.put(new, answers_of(own))
        assert memory.take(places).rows[:, 0].tolist() == rows


BATCHES = st.lists(st.lists(st.sampled_from(["", *"abcdefgh"]), min_size=1, max_size=4), max_size=12)


@given(batches=BATCHES, capacity=st.integers(4, 6))
def test_it_is_a_cache_of_the_least_recently_used(batches: list[list[str]], capacity: int) -> None:
    memory, model = Memory(capacity, 1), OrderedDict[str, None]()
    for batch in batches:
        asked = []
        for title in filter(None, batch):
            if title not in model:
                asked.append(title)
                if len(model) == capacity:
                    model.popitem(last=False)
            model[title] = None
            model.move_to_end(title)
        assert ask(memory, batch) == (asked, [answer_of(title) if title else -1 for title in batch])
        assert len(memory) == len(model) <= capacity


@given(batches=BATCHES, capacity=st.integers(4, 6), stop=st.integers(0, 12))
def test_it_is_restored_from_a_log_of_answers(batches: list[list[str]], capacity: int, stop: int) -> None:
    first, log = Memory(capacity, 2), []
    for batch in batches[:stop]:
        log += ask(first, batch, 2)[0]
    second = Memory(capacity, 2)
    for batch in batches[:stop]:
        second.plan(batch)
    rows = np.array([[answer_of(title)] * 2 for title in log], np.int32).reshape(len(log), 2)
    second.restore(answers_of(rows))
    for batch in batches[stop:]:
        assert ask(second, batch, 2) == ask(first, batch, 2)
    assert second.asked == first.asked


def test_what_a_million_titles_take_is_bounded() -> None:
    memory = Memory(1000, 3)
    for start in range(0, 20_000, 500):
        memory.plan([str(number) for number in range(start, start + 500)])
        assert len(memory) <= 1000
    assert memory.asked == 20_000
    assert memory.take(np.arange(1000, dtype=np.int32)).rows.shape == (1000, 3)
