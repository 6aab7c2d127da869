"""Names in a file of pairs that a taxonomy knows: then titles are looked for among all of its labels, as in an index.

A file's own names are few, and training draws titles to just these; whether a title finds its name shows only where it
can be taken for any other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from jobsearch.taxonomy.model import Taxonomy
from jobsearch.tuning.batches import BELONGS_TOGETHER
from jobsearch.tuning.pair import Pair, PairSet


def among_labels(pairs: PairSet, taxonomy: Taxonomy) -> PairSet:
    """Return the pairs with concepts for groups and labels to look among, if the taxonomy knows most of their names.

    A name (`ref`) is known if it is a label of a concept, whatever its case. Where most are not, the pairs come back as
    they are: the taxonomy's labels may then be other words for what the file names in its own.

    Args:
        pairs: of a file.
        taxonomy: what an index is to be built of.
    """
    owner: dict[str, str] = {}
    # What one concept is called by preference, others may be called too: preferred labels come first.
    for concept, label, _ in sorted(taxonomy.labels(), key=lambda found: not found[2]):
        owner.setdefault(label.casefold(), concept.uri)
    together = [p for p in (*pairs.training, *pairs.validation) if p.similarity >= BELONGS_TOGETHER]
    names = {pair.ref.casefold(): pair.ref_group for pair in together}
    known = {name: owner[name] for name in names if name in owner}
    if 2 * len(known) <= len(names):
        return pairs
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for name, uri in known.items():
        votes[names[name]][uri] += 1
    concept_of = {group: max(sorted(counted), key=counted.__getitem__) for group, counted in votes.items()}

    def grouped(pair: Pair) -> Pair:
        base, ref = (concept_of.get(group, group) for group in (pair.base_group, pair.ref_group))
        return replace(pair, base_group=base, ref_group=ref)

    kinds = {taxonomy.by_uri[uri][0].kind for uri in known.values()}
    return replace(
        pairs,
        training=tuple(map(grouped, pairs.training)),
        validation=tuple(map(grouped, pairs.validation)),
        labels=tuple((label, concept.uri) for concept, label, _ in taxonomy.labels() if concept.kind in kinds),
    )
