"""The two readings of the paper's modules: its text, and its released code."""

READINGS = ("described", "released")
