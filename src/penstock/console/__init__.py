"""The web console: pipelines and their instances, for people."""
