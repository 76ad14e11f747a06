"""`python -m hrstyle` is the command `hrstyle`."""

from hrstyle.cli import main

if __name__ == "__main__":
    main()
