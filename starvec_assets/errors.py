"""The one base class of errors that an operator is meant to read."""


class StarvecError(Exception):
    """Something the operator can mend: the message names the thing, the value and the way out."""
