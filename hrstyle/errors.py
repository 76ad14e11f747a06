"""The errors that a user can fix, and what to say of others.

The message of an `InputError` is one sentence that can be shown as it is.
"""


class InputError(ValueError):
    """Bad input: a missing or unreadable file, an unknown name, an impossible setting.

    The message names the input and the fix; the command line prints it and exits with code 2.
    File names may hold any character, so line breaks and terminal control codes are escaped.
    """

    def __init__(self, message: str):
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


class NonFiniteError(RuntimeError):
    """A loss or a weight became infinite or NaN; the message names likely causes."""


PICTURE_ERRORS = (InputError, MemoryError, RuntimeError)
"""The errors of a single picture, such as a damaged file, or one too large for the device's memory.

Work on many pictures goes on with the next one.
"""


INTERRUPTED = 130
"""Exit code of a program that Ctrl-C has ended."""


def sentence_of(error: Exception) -> str:
    """An error as one line of text that is never empty."""
    return " ".join(str(error).splitlines()) or type(error).__name__
