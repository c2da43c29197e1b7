"""Weights: where they come from, loading, adapters, merging."""
