"""What a validation may spend on following names, which a small definition can make very much of.

Reading what is written costs by its length. But a text that thousands of objects inherit has names
that lead to thousands of others; so what is followed beyond the written word is counted.
"""

LARGEST_EFFORT = 2_000_000
"""Steps, of some microseconds each."""


class Effort:
    """What is left of it, for one validation."""

    def __init__(self, steps: int = LARGEST_EFFORT) -> None:
        self.left = steps

    def afford(self, steps: int) -> bool:
        """Whether there is enough left for so many steps, which are then taken."""
        self.left = max(self.left - steps, 0)
        return self.left > 0

    @property
    def is_spent(self) -> bool:
        """Whether something was left out."""
        return self.left == 0
