"""Kinds of rows, one a file."""
