"""Measuring: completions to files, verdicts beside them, and what both add up to."""
