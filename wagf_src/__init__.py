"""Shared code of the executable, audited replication of the WAGF paper (ISBI 2024)."""

__version__ = "0.1.0"
