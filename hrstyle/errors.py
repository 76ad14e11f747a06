"""The errors that a user can mend. Each message is one sentence, fit to be shown as it is."""


class InputError(ValueError):
    """Bad input: a missing or unreadable file, an unknown name, an impossible setting.

    The message names the input and the fix; the command line prints it and exits with code 2.
    """


class NonFiniteError(RuntimeError):
    """A loss or a weight that has gone to infinity or NaN; the message names likely causes."""
