"""What evaluation may cost: counted, so that a hostile text ends in an error, and soon.

Two counts. An *evaluation* of one text may make so much. A *budget* is shared by all evaluations
that belong together, those of the fields that its names lead to included; it also counts how deep
they stand in one another, since each level takes some of the interpreter's own stack.
"""

from penstock.model.errors import DefinitionError

LARGEST_RESULT = 1024 * 1024
"""Characters and values that one evaluation may make, intermediate ones counted."""

LARGEST_WORK = 16 * LARGEST_RESULT
"""The same for all evaluations on one budget: what the fields of one object may cost together."""

DEEPEST_EVALUATION = 80
"""Levels of expressions within expressions, over all fields that lead to one another."""

COST_OF_A_CALL = 8
"""A function takes that many times as long as a plain value."""


class Budget:
    """What is left; `depth` is where the evaluation that is under way stands."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.left = LARGEST_WORK
        self.depth = 0

    def charge(self, cost: int) -> None:
        """Take some; raises DefinitionError when there is not enough left."""
        self.left -= cost
        if self.left < 0:
            raise DefinitionError(
                f"the object's expressions make more than {LARGEST_WORK} characters and values"
            )

    def enter(self, levels: int) -> None:
        """Begin an evaluation that goes so deep; raises DefinitionError where that is too much.

        `leave` must follow, always.
        """
        self.depth += levels
        if self.depth > DEEPEST_EVALUATION:
            raise DefinitionError(
                f"expressions stand within one another over more than {DEEPEST_EVALUATION} levels"
            )
        if self.left < 0:
            self.charge(0)

    def leave(self, levels: int, cost: int) -> None:
        """End it, and pay for it: what one evaluation may cost is bounded in itself."""
        self.depth -= levels
        self.left -= cost
