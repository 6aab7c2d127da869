"""Semantic job-title search over ESCO with built-in tuning."""

__version__ = "0.1.0"
