"""Training: the story of a run and Lightning's pieces."""
