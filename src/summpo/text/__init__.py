"""Text: rows, prompts, tokens, words, sentences. Knows no model."""
