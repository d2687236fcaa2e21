"""The tool that looks at public definitions finds what is there, broken or in parts."""

from pathlib import Path

from tests.corpus.public import Example, examples, findings, report, verdict

PAGE = """
A whole one:
```
{"objects": [{"id": "Default", "scheduleType": "ondemand", "workerGroup": "w"},
  {"id": "Row", "type": "ShellCommandActivity", "command": "row"}]}
```
Two objects alone, badly quoted and cut off:
```
{
  "id": “Boat”,
  "type": "S3DataNode",
  "filePath": "s3://b/boat",
},
{
  "id": "Oars",
  "type": "CSV"
}
...
```
No JSON at all:
```
{ "id": "Anchor", "type": "CSV" | "type": "TSV" }
```
Something else:
```
{"Effect": "Allow"}
```
"""


def test_examples_of_a_page_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "faulty.json").write_text('{"objects": [{"id": "A", "type": "Boat"}]}', "utf-8")
    (tmp_path / "other.json").write_text('{"dependencies": {}}', "utf-8")
    found = list(examples(tmp_path))
    assert [(each.place, each.kind, each.repaired, word(each)) for each in found] == [
        ("faulty.json", "definition", False, "errors"),
        ("page.md [1]", "definition", False, "clean"),
        ("page.md [2]", "fragment", True, "clean"),
        ("page.md [3]", "fragment", False, "unreadable"),
    ]


def word(example: Example) -> str:
    return verdict(example, findings(example))


def test_the_report_ends_with_sums(tmp_path: Path) -> None:
    (tmp_path / "faulty.json").write_text('{"objects": [{"id": "A", "type": "Boat"}]}', "utf-8")
    lines = list(report(["-v", str(tmp_path)]))
    assert lines[0] == f"{tmp_path.name}/faulty.json: errors"
    assert "[unknown-type]" in lines[1]
    assert f"{tmp_path.name} definition errors 1" in lines
