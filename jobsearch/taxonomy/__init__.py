"""ESCO labels: what they are, where they come from, how they are kept.

`model` holds the types, `labels` cleans text on the way in, `store` keeps a taxonomy as a directory of tables;
`bundle` reads the official CSV bundle, `webapi` the public web API, `library` knows which taxonomies are at hand.
"""
