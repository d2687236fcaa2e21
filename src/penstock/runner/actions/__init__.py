"""Actions: what is done when something has ended, or is late."""
