"""Secrets in what people evaluate: struck out, and hidden where they would show in disguise."""

import pytest

from penstock.language.forms import from_cli
from penstock.language.resolve import resolve
from penstock.language.scope import ObjectScope
from penstock.model.errors import InvalidRequest
from penstock.service.masking import masker_of
from penstock.service.showing import evaluate_text

RESOLVED = resolve(
    from_cli(
        {
            "objects": [
                {"id": "A", "*myPin": "421", "myUrl": "db:#{*myPassword}@host", "b": {"ref": "B"}},
                {"id": "B", "*password": "sesame-open"},
            ],
            "values": {"*myPassword": "hunter-two", "*myDay": "2026-02-03"},
        }
    )
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#{*myPin}", "********"),
        ("pin #{*myPin}", "pin ********"),
        ("#{*myPin * 2} #{1+1}", "******** 2"),
        ("#{*myPin + ''}", "********"),
        ("#{year(*myDay)}", "********"),
        ("#{b.*password}", "********"),
        ("#{myUrl}", "db:********@host"),
        ("say hunter-two", "say ********"),
        ("#{id}", "A"),
    ],
)
def test_evaluated_texts(text: str, expected: str) -> None:
    assert evaluate_text(ObjectScope(RESOLVED, "A"), text, masker_of(RESOLVED)) == expected


def test_an_error_is_told_all_the_same() -> None:
    with pytest.raises(InvalidRequest, match="'nope'"):
        evaluate_text(ObjectScope(RESOLVED, "A"), "#{*myPin + nope}", masker_of(RESOLVED))


def test_an_error_in_a_secret_does_not_show_it() -> None:
    faulty = resolve(
        from_cli(
            {"objects": [{"id": "A", "*myPin": "42#{1/0}"}], "values": {"*myWord": "sesame#{1/0}"}}
        )
    )
    scope = ObjectScope(faulty, "A")
    for text in ("#{*myPin}", "#{myWord}"):
        with pytest.raises(InvalidRequest, match="division by zero") as caught:
            evaluate_text(scope, text, masker_of(faulty))
        assert "42" not in str(caught.value)
        assert "sesame" not in str(caught.value)
