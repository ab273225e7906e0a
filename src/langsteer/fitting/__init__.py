"""Corpus and model in, space out."""
