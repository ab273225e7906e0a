"""Figures and one self-contained HTML page that show what a space does to a model."""
