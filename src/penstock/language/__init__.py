"""What definitions say: forms, inheritance, types, expressions, periods, validation. Pure."""
