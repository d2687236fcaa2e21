"""Write the pages of the reference and the JSON Schema anew: `make reference`."""

from pathlib import Path

from docs.reference.state_machine import state_machine
from penstock.language import schema
from penstock.language.reference import pages

HERE = Path(__file__).resolve().parent
OBJECTS = HERE / "objects"
EXAMPLES = HERE / "examples"
STATES = HERE.parent / "state-machine.md"
SCHEMA = Path(schema.__file__).with_name(schema.SCHEMA_FILE)


def examples() -> dict[str, str]:
    """The definition that shows each type, by the type's name."""
    return {path.stem: path.read_text("utf-8") for path in sorted(EXAMPLES.glob("*.json"))}


def files() -> dict[Path, str]:
    """Everything that is generated, by where it belongs."""
    texts = {OBJECTS / name: text for name, text in pages(examples()).items()}
    return {**texts, SCHEMA: schema.schema_text(), STATES: state_machine()}


def main() -> None:
    """Write what has changed; pages of types that are no more go."""
    generated = files()
    OBJECTS.mkdir(exist_ok=True)
    for path in set(OBJECTS.glob("*.md")) - generated.keys():
        path.unlink()
    for path, text in generated.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
