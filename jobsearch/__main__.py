"""`python -m jobsearch`."""

from jobsearch.cli import main

main()
