"""Indexes served by other engines: their vectors lie there, all else in the index directory."""
