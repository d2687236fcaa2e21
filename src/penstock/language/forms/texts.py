"""From the bytes of a file to its text, and whether that is meant as JSON."""

from penstock.model.errors import DefinitionError

_JSON_BEGINNINGS = ("{", "[", "//", "/*")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decoded(text: str | bytes) -> str:
    """The text, without a byte order mark. Raises DefinitionError if it is not UTF-8."""
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "it looks like UTF-16; save it as UTF-8" if text.startswith(_UTF16_MARKS) else ""
        problem = hint or f"byte {error.start} does not fit"
        raise DefinitionError(f"the text is not UTF-8: {problem}") from error


def meant_as_json(text: str) -> bool:
    """Whether a text begins as JSON does (or as JSON with a comment, which is none); else YAML."""
    return text.lstrip().startswith(_JSON_BEGINNINGS)
