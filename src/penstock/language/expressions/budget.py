"""What evaluation may cost: counted, so that a hostile text ends in an error, and soon.

Two counts. An *evaluation* of one text may make so many characters and values. A *budget* is shared
by all evaluations that belong together, those of the fields that its names lead to included: it has
steps, each of about a microsecond, so that all of them together end within some tenths of a second.
It also counts how deep they stand in one another, since each level takes some of the interpreter's
own stack.
"""

from penstock.model.errors import DefinitionError

LARGEST_RESULT = 1024 * 1024
"""Characters and values that one evaluation may make, intermediate ones counted."""

LARGEST_WORK = 256 * 1024
"""Steps of all evaluations on one budget: what the fields of one object may cost together.

Following a name is one, and so is an operator on two values.
"""

CHARACTERS_PER_STEP = 64
"""So many characters are copied as quickly as a name is followed."""

VALUES_PER_STEP = 4
"""So many values are looked at or put together as quickly."""

DEEPEST_EVALUATION = 80
"""Levels of expressions within expressions, over all fields that lead to one another."""

COST_OF_A_CALL = 2
"""Steps of a function."""


class Budget:
    """What is left; `depth` is where the evaluation that is under way stands."""

    __slots__ = ("depth", "left")

    def __init__(self) -> None:
        self.left = LARGEST_WORK
        self.depth = 0

    def charge(self, steps: int) -> None:
        """Take some; raises DefinitionError when there is not enough left."""
        self.left -= steps
        if self.left < 0:
            raise DefinitionError(
                f"the object's expressions take more than {LARGEST_WORK} steps to evaluate"
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

    def leave(self, levels: int, made: int) -> None:
        """End it, and pay for what it made, which is bounded in itself."""
        self.depth -= levels
        self.left -= made // CHARACTERS_PER_STEP
