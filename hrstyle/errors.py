"""The errors that a user can mend. Each message is one sentence, fit to be shown as it is."""


class InputError(ValueError):
    """Bad input: a missing or unreadable file, an unknown name, an impossible setting.

    The message names the input and the fix; the command line prints it and exits with code 2.
    File names may hold anything, so what would end the line or steer the terminal is escaped.
    """

    def __init__(self, message: str):
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


class NonFiniteError(RuntimeError):
    """A loss or a weight that has gone to infinity or NaN; the message names likely causes."""
