"""Asking a teacher: pace, faults, journal, money. Knows nothing of what is asked."""
