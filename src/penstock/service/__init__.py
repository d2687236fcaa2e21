"""The nineteen operations, and what carries them: writer, dispatcher of polls, timekeeper."""
