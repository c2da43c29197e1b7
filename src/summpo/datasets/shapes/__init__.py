"""The shapes that rows of data sets have, and what they become."""
