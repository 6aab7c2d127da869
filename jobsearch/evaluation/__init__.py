"""How good an encoder is, in figures and pictures, and whether a difference between two is more than chance.

`metrics` holds the formulas; `statistics` intervals and paired tests; `sts` the STS benchmark, `sts_files` its files;
`retrieval` the ranking of concepts for queries, `retrieval_files` and `retrieval_held_out` the sets to rank;
`similarity` the matrix of a few titles, `scales` its colours and `plots` its picture; `history` what was measured
before; `report` what is said of one encoder or two. `records` is what all results have in common, `embedding` the
texts' way through an encoder, `text_files` that of users' files.
"""
