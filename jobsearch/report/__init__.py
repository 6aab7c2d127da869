"""A tuned encoder's report: one HTML file, with pictures, that can be read without the code.

    gathering   lineage    what made the encoder, from its record and its bases'
                held_out   the gate's queries, made again
                measured   base and tuned on sets: figures, intervals, queries won and lost
                around     what lies around a query, for both encoders
    pictures    canvas     colours, sizes, a figure as SVG and PNG
                curves, neighbourhood (with placing), movement, forest, similarity
                letters    what neither may hold
    page        markup     text to HTML, escaped; findings, origins: the parts of the page
    making      make       all of it, in order

Arrows point from `make` down: pictures know nothing of encoders, the page nothing of how its numbers came about.
"""
