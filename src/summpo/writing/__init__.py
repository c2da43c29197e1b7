"""Writing: from prompts to summaries."""
