"""Base classes of expected errors."""


class StarvecError(Exception):
    """An error that the operator can fix: its message names the thing, the value and the way out."""


class TransientError(StarvecError):
    """An error that may be over in some minutes or hours: of the network, or of a foreign service."""
