"""Many titles to concepts: files of any length and batches of texts, equal titles encoded once.

>>> from jobsearch import JobSearch
>>> from jobsearch.matching.matcher import Matcher
>>> matcher = Matcher(JobSearch.open("esco-en"))
>>> matcher.match(["plumber", "", "Plumber "]).lines().columns["match_label"]
['plumber', None, 'plumber']

`matcher` answers batches, `run.match_file` a whole file: it can be killed at any moment and goes on where it stopped.
"""
