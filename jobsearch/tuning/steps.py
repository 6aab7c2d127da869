"""One training step: as one process does it, and as several replicas do the same together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from jobsearch.encoder.keras_model import tf
from jobsearch.errors import TuningError
from jobsearch.tuning.objectives import objective
from jobsearch.tuning.recipes import Recipe
from jobsearch.tuning.student import Student

# From a step's texts, its source of randomness, int32 (2,), and its targets to what was measured.
Step = Callable[[Sequence[str], npt.NDArray[np.int32], tuple[npt.NDArray[Any], ...]], dict[str, Any]]


def compile_step(student: Student, recipe: Recipe, optimizer: Any) -> Any:
    """Compile a step of one process, a function of the student's inputs, their count, a draw, and targets."""
    variables = student.variables
    measure, targets = objective(recipe)

    def step(inputs: Any, count: Any, draw: Any, *targets: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            measured = measure(student.embed(inputs, count, draw), *targets)
        gradients = tape.gradient(measured["loss"], variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return measured

    return tf.function(
        step,
        input_signature=[student.signature(), tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32), *targets],
    )


def one_step(student: Student, recipe: Recipe, optimizer: Any) -> Step:
    """Return a step of one process."""
    compiled = compile_step(student, recipe, optimizer)

    def step(
        texts: Sequence[str], draw: npt.NDArray[np.int32], targets: tuple[npt.NDArray[Any], ...]
    ) -> dict[str, Any]:
        measured: dict[str, Any] = compiled(student.inputs(texts), np.int32(len(texts)), draw, *targets)
        return measured

    return step


def shared_step(strategy: Any, first: int, local: int, student: Student, recipe: Recipe, optimizer: Any) -> Step:
    """Return a step whose texts are shared out among replicas, and which changes the weights as one process would.

    A batch's loss needs all of its embeddings, so the replicas cannot each have a loss of their own. Each embeds its
    share (replica r of R: texts r, r + R, …, so that long ones are spread), the embeddings are gathered, and each
    computes the loss of the whole batch and its slope at every embedding. What it then follows back through the network
    is the slope at its own embeddings: these gradients add up to that of the whole batch, whatever the sizes of the
    shares. They are summed first and clipped then, as the gradient of one process is. Keras would clip before it sums,
    so its `apply_gradients` is not used, only its rule for one variable.

    Args:
        strategy: the `tf.distribute` strategy in whose scope student and optimizer were made.
        first: number of this process's first replica, among all.
        local: replicas of this process.
        student: what is trained.
        recipe: loss and clipping.
        optimizer: built for the student's variables.
    """
    replicas = strategy.num_replicas_in_sync
    variables = [variable.value if isinstance(variable, keras.Variable) else variable for variable in student.variables]
    measure, target_specs = objective(recipe)

    def update(strategy: Any, gradients: Sequence[Any]) -> None:
        def change(variable: Any, gradient: Any) -> None:
            optimizer.update_step(gradient, variable, optimizer.learning_rate)

        for variable, gradient in zip(variables, gradients, strict=True):
            strategy.extended.update(variable, change, args=(gradient,), group=False)
        optimizer.iterations.assign_add(1)

    def step(shares: Any, counts: Any, order: Any, draw: Any, targets: Any) -> dict[str, Any]:
        def replica(number: Any, share: Any, count: Any) -> dict[str, Any]:
            context = tf.distribute.get_replica_context()
            with tf.GradientTape() as tape:
                own = student.embed(share, count, draw)
            everything = tf.gather(context.all_gather(own, axis=0), order)
            with tf.GradientTape() as loss_tape:
                loss_tape.watch(everything)
                measured = measure(everything, *targets)
            slope = loss_tape.gradient(measured["loss"], everything)[number::replicas]
            gradients = tape.gradient(own, variables, output_gradients=slope)
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            context.merge_call(update, args=(clipped(gradients, recipe),))
            return measured

        def given(context: Any) -> tuple[Any, ...]:
            place = context.replica_id_in_sync_group - first
            return tf.constant(first + place), shares[place], counts[place]

        measured = strategy.run(replica, args=strategy.experimental_distribute_values_from_function(given))
        return {name: strategy.experimental_local_results(value)[0] for name, value in measured.items()}

    compiled = tf.function(
        step,
        input_signature=[
            (student.share_signature(),) * local,
            tf.TensorSpec((local,), tf.int32),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((2,), tf.int32),
            target_specs,
        ],
    )

    def checked(
        texts: Sequence[str], draw: npt.NDArray[np.int32], targets: tuple[npt.NDArray[Any], ...]
    ) -> dict[str, Any]:
        if len(texts) < replicas:
            raise TuningError(
                f"a step of {len(texts)} texts cannot be shared out among {replicas} replicas; give a larger --batch"
            )
        positions = [np.arange(number, len(texts), replicas) for number in range(replicas)]
        mine = slice(first, first + local)
        measured: dict[str, Any] = compiled(
            tuple(student.shares(texts, replicas)[mine]),
            np.array([len(own) for own in positions[mine]], np.int32),
            np.argsort(np.concatenate(positions)).astype(np.int32),
            draw,
            targets,
        )
        return measured

    return checked


def clipped(gradients: Sequence[Any], recipe: Recipe) -> list[Any]:
    """Return gradients as the recipe's clipping leaves them, by the formulas that Keras has for one process."""
    if recipe.clip == "global":
        return list(tf.clip_by_global_norm(gradients, recipe.clip_norm)[0])
    return [tf.clip_by_norm(gradient, recipe.clip_norm) for gradient in gradients]
