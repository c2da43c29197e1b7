"""From documents to preference pairs."""
