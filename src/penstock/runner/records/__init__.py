"""Rows of data in files: formats, and rows as blocks of bytes for as long as that will do.

Most of what is copied needs no look at single values: a block of plain lines is passed on, or has
its separators exchanged, at the speed of memory. Values are taken apart only where a block holds
quotation marks, escapes or nulls that the other side writes differently.
"""
