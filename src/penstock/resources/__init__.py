"""Compute for tasks: where runners are started, behind one small protocol."""
