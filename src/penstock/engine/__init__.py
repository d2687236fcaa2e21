"""Pure decisions: what a definition and an event mean for instances and attempts."""
