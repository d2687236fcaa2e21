"""Documents as text: canonical JSON, and YAML for CloudFormation."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.language.forms.intrinsics import function_of
from penstock.model.errors import DefinitionError

if TYPE_CHECKING:
    import yaml

INDENT = 2

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9]|[yYnN]$|[=<]")
_WIDEST = 1_000_000


def write_json(document: Mapping[str, object]) -> str:
    """Indented JSON, a newline at the end; other alphabets as they are."""
    text = json.dumps(document, indent=INDENT, ensure_ascii=False)
    # Half a surrogate pair is no character, and cannot be written but as an escape.
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def write_yaml(template: Mapping[str, object]) -> str:
    """A template as YAML 1.1, with `!Ref` and `!Sub` in their short form.

    Long texts of several lines stand as blocks; whatever YAML might take for something else than a
    text is quoted. Raises DefinitionError for a text that YAML cannot hold.
    """
    import yaml

    if _SURROGATE.search(json.dumps(template, ensure_ascii=False)):
        raise DefinitionError("a text holds half a surrogate pair, which YAML cannot; write JSON")
    return yaml.dump(
        template,
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=_WIDEST,
        indent=INDENT,
    )


def _dumper() -> "type[yaml.SafeDumper]":
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    Dumper.add_representer(str, _represent_text)
    Dumper.add_representer(dict, _represent_mapping)
    return Dumper


def _represent_text(dumper: "yaml.SafeDumper", text: str) -> "yaml.ScalarNode":
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if text.isprintable():
        return "'" if _LOOKS_LIKE_A_NUMBER.match(text) else None
    return "|" if "\n" in text.strip("\n") and _fits_a_block(text) else '"'


def _fits_a_block(text: str) -> bool:
    return all(line.isprintable() and not line.endswith(" ") for line in text.split("\n"))


def _represent_mapping(dumper: "yaml.SafeDumper", mapping: dict[str, object]) -> "yaml.Node":
    found = function_of(mapping)
    if found is not None and found[0] in ("Ref", "Sub") and isinstance(found[1], str):
        return dumper.represent_scalar(f"!{found[0]}", found[1], style=_style(found[1]))
    return dumper.represent_dict(mapping)
