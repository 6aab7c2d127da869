"""What was answered lately: a bounded number of titles, the least recently used one forgotten first.

Titles are planned for before they are answered, in their order: a place is given to a title that is not known, its
answer arrives there later, and whatever else is planned meanwhile already finds the place. So one thread may plan
while another answers, and what is searched for together depends on the titles alone, never on time.
"""

# Annotations are no strings here: pdoc cannot find what those of a named tuple would name.

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


class Answers(NamedTuple):
    """Hits of titles, k each, best first; all of shape (n, k).

    Args:
        rows: of the index's label table, -1 where there are no more.
        scores: cosines.
        sure: confidences.
    """

    rows: Rows
    scores: Scores
    sure: Scores

    def at(self, places: npt.NDArray[np.integer[Any]]) -> Self:
        """Return the answers at these places, as copies."""
        return type(self)(self.rows[places], self.scores[places], self.sure[places])

    @classmethod
    def none(cls, count: int, k: int) -> Self:
        """Return answers of titles of which nothing is known yet."""
        return cls(np.zeros((count, k), np.int32), *(np.zeros((count, k), np.float32) for _ in range(2)))


class Memory:
    """Answers by title.

    Args:
        capacity: titles remembered; at least as many as are planned for at once.
        k: hits of an answer.
    """

    def __init__(self, capacity: int, k: int) -> None:
        self._capacity = capacity
        self._places: OrderedDict[str, int] = OrderedDict()
        # Of each place: which title of all that were ever asked it holds, so that a log of answers can be read back.
        self._asked = np.zeros(capacity, np.int64)
        self._answers = Answers.none(capacity, k)
        self.asked = 0

    def __len__(self) -> int:
        """Number of titles remembered."""
        return len(self._places)

    def plan(self, titles: Iterable[str]) -> tuple[Places, list[str], Places]:
        """Give each title a place.

        Args:
            titles: cleaned; `""` gets no place.

        Returns:
            The place of each title, -1 for none; the titles to ask, each once; and their places.
        """
        known, places = self._places, []
        misses: list[str] = []
        new: list[int] = []
        for title in titles:
            if not title:
                places.append(-1)
                continue
            place = known.get(title)
            if place is None:
                place = len(known) if len(known) < self._capacity else known.popitem(last=False)[1]
                known[title] = place
                misses.append(title)
                new.append(place)
            else:
                known.move_to_end(title)
            places.append(place)
        given = np.array(new, np.int32)
        self._asked[given] = np.arange(self.asked, self.asked + len(given))
        self.asked += len(given)
        return np.array(places, np.int32), misses, given

    def put(self, places: Places, answers: Answers) -> None:
        """Take the answers of titles that were asked."""
        for own, new in zip(self._answers, answers, strict=True):
            own[places] = new

    def take(self, places: Places) -> Answers:
        """Return the answers at these places; for the place -1 there is none: rows -1."""
        found = self._answers.at(places)
        found.rows[places < 0] = -1
        return found

    def restore(self, log: Answers) -> None:
        """Take answers from a log of them all, in the order in which they were asked, after planning the same again."""
        used = len(self._places)
        self.put(np.arange(used, dtype=np.int32), log.at(self._asked[:used]))
