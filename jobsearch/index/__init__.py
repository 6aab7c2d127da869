"""The index directory: vectors, labels and the exact encoder that made them, in versions.

`labels` is the label table; `manifest` describes and checks a version; `versions` knows the directory, publishes and
rolls back; `build` makes a version; `reader` opens one and searches it.
"""
