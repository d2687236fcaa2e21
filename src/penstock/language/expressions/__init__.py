"""Expressions: `#{…}` in field values, from text to values."""

from penstock.language.expressions.budget import Budget
from penstock.language.expressions.errors import ExpressionError
from penstock.language.expressions.evaluator import (
    Context,
    evaluate,
    evaluate_to_strings,
    has_expression,
    to_text,
)
from penstock.language.expressions.tree import Value

__all__ = [
    "Budget",
    "Context",
    "ExpressionError",
    "Value",
    "evaluate",
    "evaluate_to_strings",
    "has_expression",
    "to_text",
]
