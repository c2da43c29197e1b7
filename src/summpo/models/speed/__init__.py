"""What makes a step cheaper and changes no number."""
