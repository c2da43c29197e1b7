"""Frozen columns: computed once, stored, verified when read."""
