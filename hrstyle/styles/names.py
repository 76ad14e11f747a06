"""What a style's name and credit may be."""

from pathlib import Path

from hrstyle.errors import InputError


def check_name(name: str) -> None:
    """Raise InputError unless a style's name can be a file name."""
    if Path(name).name != name or not name.strip("."):
        raise InputError(f"style.name={name!r} must be able to name a file: no / in it")
    check_text(name)


def check_text(text: str) -> None:
    """Raise InputError for a text that no file of weights can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the style's name or credit {text!r} is not in the system's encoding; give it with"
            " style.name=NAME or style.title=TITLE"
        ) from error
