"""A model's forward pass: log-probs of completions, with shared prompts."""
