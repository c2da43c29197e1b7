"""File formats and what lies on a disk or on the Hub: rows, locks, whole writes."""
