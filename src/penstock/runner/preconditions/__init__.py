"""Preconditions: what must be true before their owner may begin.

A runner evaluates some, as it does activities: `NotMet` says that the time has
not come. The others are evaluated by the service (`in_service.py`).
"""
