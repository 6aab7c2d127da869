"""What all results have in common: who was measured on what, and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from jobsearch.encoder.protocol import Encoder
from jobsearch.encoder.text import Case

Task = Literal["sts", "retrieval", "similarity"]
TASKS: tuple[Task, ...] = ("sts", "retrieval", "similarity")


@dataclass(frozen=True, slots=True)
class EncoderId:
    """Which encoder was measured: its name for people, its fingerprint for certainty."""

    name: str
    fingerprint: str
    case: Case

    @staticmethod
    def of(encoder: Encoder) -> EncoderId:
        """Take the identity of an encoder, without holding on to its weights."""
        return EncoderId(encoder.name, encoder.fingerprint, encoder.case)

    def to_dict(self) -> dict[str, str]:
        """Return name and fingerprint; the case setting is part of the fingerprint."""
        return {"name": self.name, "fingerprint": self.fingerprint}


class Evaluated(Protocol):
    """Any task's result, as far as reports and the history are concerned."""

    @property
    def task(self) -> Task:
        """What was measured."""

    @property
    def set_name(self) -> str:
        """On which data."""

    @property
    def encoder(self) -> EncoderId:
        """Of which encoder."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """The figures; higher is better."""

    @property
    def n(self) -> int:
        """How many queries, pairs or titles the figures are taken over."""


def base_record(result: Evaluated) -> dict[str, Any]:
    """Return what every result's record holds, ready for JSON."""
    return {
        "task": result.task,
        "set": result.set_name,
        "encoder": result.encoder.to_dict(),
        "case": result.encoder.case,
        "metrics": dict(result.metrics),
        "n": result.n,
    }
