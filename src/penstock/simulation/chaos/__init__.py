"""Seeded chaos: the real service and store, everything that can go wrong, and an auditor."""
