"""Models that score texts and are not trained here."""
