"""Base class of expected errors."""


class StarvecError(Exception):
    """An error that the operator can fix: its message names the thing, the value and the way out."""
