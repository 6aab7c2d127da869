"""USE multilingual v3 as a network: its tensors, their names and shapes.

The names are those of the variables in Google's SavedModel, so that a SavedModel can be read by name. The network,
for token ids between a begin and an end mark, with e the T rows of the embedding table:

1. Three branches, n-gram order n in 2, 3, 5, left context 0, 1, 2. Each: x = LayerNorm(e · proj + b) over the
   branch's own 256 features; h = relu(conv(x)) + x; c = relu(conv(h)) + h. A convolution of order n looks at the
   positions t - left … t - left + n - 1, zeros outside the sentence.
2. f = LayerNorm([e, c2, c3, c5]) over 1280 features; s = sum over t of (f · W + b), divided by sqrt(T).
3. y0 = relu(s·d0); y1 = relu(s·p1 + y0·d1); y2 = relu(y1·d2); the embedding is tanh(y1·p3 + y2·d3), scaled to
   unit length.

Source: Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval" (arXiv 1907.04307) for the
model; the details were read off the published graph and weights.
"""

from __future__ import annotations

NAME = "use-multilingual-3"
DIM = 512
TOKEN_WIDTH = 512
BRANCH_WIDTH = 256
HIDDEN_WIDTH = 320
FEATURES = TOKEN_WIDTH + 3 * BRANCH_WIDTH
SHARDS = 17
VOCABULARY = 7530 * SHARDS
BEGIN_ID, END_ID = 1, 2
EPSILON = 1e-12
# n-gram order -> how many positions to the left of t its window begins
LEFT_CONTEXT = {2: 0, 3: 1, 5: 2}
ORDERS = tuple(LEFT_CONTEXT)

CNN = "EncoderDNN/CNN_layers"
DNN = "EncoderDNN/DNN"
# The table is kept as uint8 steps with a scale and an offset per shard (row r belongs to shard r % SHARDS), as the
# packaged weights have it, or as plain floats, which a tuned or SavedModel table needs.
TABLE = "Embeddings/table"
TABLE_SCALE = "Embeddings/scale"
TABLE_OFFSET = "Embeddings/offset"

POOL_GAMMA, POOL_BETA = f"{CNN}/LayerNorm/gamma", f"{CNN}/LayerNorm/beta"
POOL_KERNEL, POOL_BIAS = f"{CNN}/dense/kernel", f"{CNN}/dense/bias"
D0 = f"{DNN}/ResidualHidden_0/dense/kernel"
D1 = f"{DNN}/ResidualHidden_1/dense/kernel"
P1 = f"{DNN}/ResidualHidden_1/AdjustDepth/projection/kernel"
D2 = f"{DNN}/ResidualHidden_2/dense/kernel"
D3 = f"{DNN}/ResidualHidden_3/dense/kernel"
P3 = f"{DNN}/ResidualHidden_3/AdjustDepth/projection/kernel"


def branch_names(order: int) -> dict[str, str]:
    """Map the parts of one branch (`proj`, `proj_bias`, `gamma`, `beta`, `w1`, `b1`, `w2`, `b2`) to tensor names."""
    branch = f"{CNN}/ngram_order_{order}"
    return {
        "proj": f"{branch}/input_size_projection/dense/kernel",
        "proj_bias": f"{branch}/input_size_projection/dense/bias",
        "gamma": f"{branch}/LayerNorm/gamma",
        "beta": f"{branch}/LayerNorm/beta",
        "w1": f"{branch}/Ngram-{order}-Conv/weights",
        "b1": f"{branch}/Ngram-{order}-Conv/bias",
        "w2": f"{branch}/Ngram-{order}-Conv_1/weights",
        "b2": f"{branch}/Ngram-{order}-Conv_1/bias",
    }


def dense_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor but the embedding table. Convolutions are (order * 256, 256), oldest first."""
    shapes: dict[str, tuple[int, ...]] = {}
    for order in ORDERS:
        names = branch_names(order)
        window = (order * BRANCH_WIDTH, BRANCH_WIDTH)
        shapes[names["proj"]] = (TOKEN_WIDTH, BRANCH_WIDTH)
        for part in ("proj_bias", "gamma", "beta", "b1", "b2"):
            shapes[names[part]] = (BRANCH_WIDTH,)
        shapes[names["w1"]] = shapes[names["w2"]] = window
    shapes[POOL_GAMMA] = shapes[POOL_BETA] = (FEATURES,)
    shapes[POOL_KERNEL] = (FEATURES, DIM)
    shapes[POOL_BIAS] = (DIM,)
    shapes[D0] = shapes[P1] = (DIM, HIDDEN_WIDTH)
    shapes[D1] = (HIDDEN_WIDTH, HIDDEN_WIDTH)
    shapes[D2] = shapes[P3] = (HIDDEN_WIDTH, DIM)
    shapes[D3] = (DIM, DIM)
    return shapes
