"""Who does a step: this process alone, the GPUs of this machine, or several machines; and what they tell each other.

Synchronous data parallelism by `tf.distribute`: every replica holds all weights, shares each step (`steps.shared_step`)
and changes its weights alike. Every process runs the same program on the same data; what decides (validation, which
state is best, when to stop) is measured by one of them, the chief, and told to the others, so that no difference in the
last digit can have one stop while others wait for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from jobsearch.encoder.tf import tensorflow
from jobsearch.errors import EncoderError, TuningError
from jobsearch.tuning.cluster import Cluster, read_cluster

if TYPE_CHECKING:  # each imports TensorFlow, which must not have started when a cluster is joined
    from jobsearch.tuning.recipes import Recipe
    from jobsearch.tuning.steps import Step
    from jobsearch.tuning.student import Student

STRATEGIES = ("one", "mirrored", "multi-worker")


class Distribution(Protocol):
    """What training needs of it."""

    @property
    def is_chief(self) -> bool:
        """Whether this process validates, keeps and decides; alone it does."""

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which student and optimizer are made."""

    def step(self, student: Student, recipe: Recipe, optimizer: Any) -> Step:
        """Return what does a step.

        Raises:
            TuningError: this student or recipe cannot be trained so.
        """

    def gathered(self, numbers: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return the numbers of every process, as many from each: (processes, numbers), the chief's first."""

    def from_chief(self, values: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the chief's values; the others give some of the same shapes and types."""

    def heeding_interrupts(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which Ctrl-C in any process is something for all (`interrupted`)."""

    def interrupted(self) -> bool:
        """Tell whether somebody pressed Ctrl-C: the same answer for all."""

    def record(self) -> dict[str, Any]:
        """Return what a run's record says of it; nothing for one process."""


class One:
    """This process alone, on whatever device TensorFlow takes."""

    is_chief = True
    alone = True

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return a context that does nothing."""
        return contextlib.nullcontext()

    def step(self, student: Student, recipe: Recipe, optimizer: Any) -> Step:
        """Return the plain step."""
        from jobsearch.tuning.steps import one_step

        return one_step(student, recipe, optimizer)

    def gathered(self, numbers: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return the numbers, as the only row."""
        return np.array([numbers], np.float64)

    def from_chief(self, values: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the values."""
        return list(values)

    def heeding_interrupts(self) -> contextlib.AbstractContextManager[None]:
        """Return a context that does nothing: Ctrl-C is a KeyboardInterrupt."""
        return contextlib.nullcontext()

    def interrupted(self) -> bool:
        """Return False."""
        return False

    def record(self) -> dict[str, Any]:
        """Return nothing."""
        return {}


ONE: Distribution = One()


class Several:
    """Several replicas, in this process or in a cluster.

    Args:
        name: one of `STRATEGIES`.
        strategy: the `tf.distribute` strategy.
        cluster: the processes; None where this is the only one.
    """

    def __init__(self, name: str, strategy: Any, cluster: Cluster | None = None) -> None:
        self._name = name
        self._strategy = strategy
        self._cluster = cluster
        self._processes = len(cluster.addresses) if cluster else 1
        self._rank = cluster.rank if cluster else 0
        self._local = strategy.num_replicas_in_sync // self._processes
        self._asked = False
        self._summing = tensorflow().function(self._sum_in_replicas)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the first of the cluster."""
        return self._rank == 0

    @property
    def alone(self) -> bool:
        """Whether it is the only one."""
        return self._processes == 1

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Return the strategy's scope."""
        scope: contextlib.AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def step(self, student: Student, recipe: Recipe, optimizer: Any) -> Step:
        """Return the shared step; a process that is gone makes it a TuningError."""
        from jobsearch.tuning.steps import shared_step

        check_recipe(self._name, recipe)
        shared = shared_step(self._strategy, self._rank * self._local, self._local, student, recipe, optimizer)

        def step(
            texts: Sequence[str], draw: npt.NDArray[np.int32], targets: tuple[npt.NDArray[Any], ...]
        ) -> dict[str, Any]:
            with self._together():
                return {name: value.numpy() for name, value in shared(texts, draw, targets).items()}

        return step

    def gathered(self, numbers: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return every process's numbers, a row each."""
        rows = np.zeros((self._processes, len(numbers)))
        rows[self._rank] = numbers
        return self._sum([rows])[0]

    def from_chief(self, values: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the chief's values, which are numbers of any type."""
        return self._sum(values if self.is_chief else [np.zeros_like(value) for value in values])

    @contextlib.contextmanager
    def heeding_interrupts(self) -> Iterator[None]:
        """Note Ctrl-C instead of raising it, so that no process stops where the others wait for it."""
        before = signal.getsignal(signal.SIGINT)
        if self.alone or before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: Any) -> None:
            self._asked = True
            signal.signal(signal.SIGINT, before)  # whoever presses it twice does not want to wait

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def interrupted(self) -> bool:
        """Tell whether any process noted one."""
        return not self.alone and bool(self.gathered([self._asked]).any())

    def record(self) -> dict[str, Any]:
        """Return the strategy, and how many processes and replicas there were."""
        replicas = self._strategy.num_replicas_in_sync
        return {"distribution": {"strategy": self._name, "processes": self._processes, "replicas": replicas}}

    def _sum(self, values: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Add up the processes' values: all but one give zeros, so that nothing is rounded."""
        if self.alone:
            return list(values)
        with self._together():
            return [np.asarray(total) for total in self._summing(tuple(values))]

    def _sum_in_replicas(self, values: Any) -> Any:
        tf = tensorflow()

        def replica() -> Any:
            context = tf.distribute.get_replica_context()
            # Once a process, not once for each of its GPUs.
            mine = tf.equal(context.replica_id_in_sync_group, self._rank * self._local)
            # One by one: those that are reduced together are joined first, and must be of one type.
            return [context.all_reduce("SUM", tf.where(mine, value, tf.zeros_like(value))) for value in values]

        return [self._strategy.experimental_local_results(total)[0] for total in self._strategy.run(replica)]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Make one line of what TensorFlow says when another process is gone."""
        errors = tensorflow().errors
        if self.alone:
            yield
            return
        try:
            yield
        except (
            errors.UnavailableError,
            errors.AbortedError,
            errors.CancelledError,
            errors.DeadlineExceededError,
            errors.FailedPreconditionError,
        ) as error:
            raise TuningError(
                f"another process of the cluster is gone ({_told(error)}); start all of them again: training goes "
                "on from the chief's last checkpoint"
            ) from error


def find_distribution(
    name: str,
    *,
    devices: Sequence[str] = (),
    tell: Callable[[str], Any] = lambda line: None,
) -> Distribution:
    """Return the distribution of a name; joins the cluster where there is one, before TensorFlow has done anything.

    Args:
        name: one of `STRATEGIES`.
        devices: what `mirrored` uses; all GPUs of this machine unless given.
        tell: told in a line who this process is and what it waits for.

    Raises:
        TuningError: there is no such strategy, no GPU, TF_CONFIG does not describe a cluster, or it cannot be joined.
    """
    if name == "one":
        return ONE
    if name == "mirrored":
        return Several(name, _mirrored(devices))
    if name == "multi-worker":
        cluster = read_cluster(os.environ)
        chief, own = cluster.addresses[0], cluster.addresses[cluster.rank]
        role = f"The chief, {own}" if cluster.is_chief else f"Worker {cluster.rank}, {own}, led by {chief}"
        tell(f"{role}, one of {len(cluster.addresses)} processes; waiting for all of them.")
        return Several(name, _joined(), cluster)
    raise TuningError(f"no strategy {name!r}; expected one of {', '.join(STRATEGIES)}")


def check_recipe(name: str, recipe: Recipe) -> None:
    """Raise a TuningError if a strategy is not for a recipe."""
    if name != "one" and recipe.train_table:
        # Its gradient has rows for the tokens of a share alone, and would be 262 MB a step if it were summed in full.
        raise TuningError(
            f"recipe {recipe.name!r} trains the embedding table, which goes with --strategy one alone; give "
            "--no-train-table"
        )


def _mirrored(devices: Sequence[str]) -> Any:
    tf = tensorflow()
    if not devices:
        devices = [f"GPU:{number}" for number in range(len(tf.config.list_physical_devices("GPU")))]
    if not devices:
        raise TuningError("TensorFlow finds no GPU here, and --strategy mirrored is for several of them; leave it away")
    return tf.distribute.MirroredStrategy(devices)


def _joined() -> Any:
    """Join the cluster that TF_CONFIG describes; waits until all of it is there."""
    made: list[Any] = []

    def join(tf: Any) -> None:
        made.append(tf.distribute.MultiWorkerMirroredStrategy())

    main = threading.current_thread() is threading.main_thread()
    before, termination = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    if main and before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # TensorFlow waits where Python would not see it
    try:
        tf = tensorflow(join)
        if not made:
            join(tf)
    except EncoderError:
        raise
    except Exception as error:
        raise TuningError(f"the cluster cannot be joined: {_told(error)}") from error
    finally:
        if main and before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
        if main and termination is not None:
            signal.signal(signal.SIGTERM, termination)  # TensorFlow takes it for itself, and then nothing ends
    return made[0]


def _told(error: Exception) -> str:
    """Return the line that says what happened, of the many that TensorFlow has around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("[[{{", ":", "Additional G", "File ", "Detected at", "Graph execution error", "The error could be from a")
    telling = [line for line in lines if not line.startswith(noise)]
    return (telling or lines or [type(error).__name__])[-1].rstrip(".")[:200]
