"""The object that a finding's line begins with."""

from penstock.cli.findings import Located, Verdict, text_line
from penstock.model.definition import Finding


def test_a_long_id_is_cut_before_the_text() -> None:
    finding = Finding("A" * 300, "error", "name-too-long", "the id is long", None)
    line = text_line(Verdict("f.json"), Located(finding))
    assert len(line) < 160
    assert "A…: the id is long" in line
