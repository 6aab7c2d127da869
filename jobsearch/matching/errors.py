"""What can be wrong with a file to match, and with where the answers should go."""

from __future__ import annotations

from jobsearch.errors import JobSearchError


class MatchingError(JobSearchError):
    """A file of titles cannot be read, or its answers cannot go where they should."""
