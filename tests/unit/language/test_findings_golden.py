"""The commonest mistakes and what a person sees of them: read `golden/mistakes.md` itself."""

import pytest

from tests.unit.language.golden.mistakes import PAGE, Mistake, answer_to, read_page, shown

TEXT = PAGE.read_text("utf-8")
MISTAKES = list(read_page(TEXT))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_a_mistake_is_answered_as_the_page_says(mistake: Mistake) -> None:
    answer = shown(answer_to(mistake.piece, TEXT))
    assert answer == mistake.answer, (
        "the answer has changed; write it anew with python -m tests.unit.language.golden.mistakes "
        "and read it"
    )


def test_each_mistake_is_answered_once() -> None:
    """One cause, one finding: nobody reads a second line that the first has made needless."""
    several = [m.title for m in MISTAKES if len(answer_to(m.piece, TEXT)) != 1]
    assert several == ["A parameter without the prefix, and one that nobody uses"]


def test_secrets_are_not_in_any_answer() -> None:
    assert "correct-horse" in TEXT
    assert not any("correct-horse" in mistake.answer for mistake in MISTAKES)
