"""Names of tables: what a definition writes, and how a database takes it."""

from __future__ import annotations

import re

_PART = re.compile(r'"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|([^.]+)')


def split_name(name: str, schema: str | None) -> tuple[str | None, str]:
    """Schema and table of a name that may be qualified (`sales.orders`) or quoted.

    Of `database.schema.table` the last two count.
    """
    parts = ["".join(filter(None, match.groups())) for match in _PART.finditer(name.strip())]
    if len(parts) > 1:
        return parts[-2], parts[-1]
    return schema or None, parts[0] if parts else name
