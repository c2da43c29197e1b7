"""What a run leaves, finished and unfinished."""
