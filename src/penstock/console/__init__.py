"""The web console: pipelines and their instances, for people. It reads and never changes."""
