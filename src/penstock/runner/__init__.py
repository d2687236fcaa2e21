"""The task runner: an ordinary client of the public API that polls for tasks and does the work."""
