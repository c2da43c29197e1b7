"""Train language models to summarise with preferences, and choose how much brevity is worth."""

__version__ = "0.1.0"
