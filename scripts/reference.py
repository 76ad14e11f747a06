"""Write the API reference, HTML made of the docstrings by pdoc.

python scripts/reference.py reference/
"""

import argparse
import warnings
from importlib import import_module
from pathlib import Path

import pdoc

import hrstyle

# The commands have --help, and these need packages that not everyone has.
LEFT_OUT = ("cli", "web", "video")


def modules() -> list[str]:
    """Every module to describe."""
    root = Path(hrstyle.__file__).parent
    files = [path.relative_to(root.parent) for path in sorted(root.rglob("*.py"))]
    found = [
        ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if file.parts[1] not in LEFT_OUT
    ]
    return [name for name in found if not name.endswith("__main__")]


def main() -> None:
    """Write it; a docstring or module that pdoc cannot read is an error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the folder to write")
    arguments = parser.parse_args()
    for module in map(import_module, modules()):
        for name in getattr(module, "__all__", ()):
            getattr(module, name)  # loaded when first used; pdoc sees only what is loaded
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # pdoc's complaints
        # It adds the modules of some packages by itself.
        warnings.filterwarnings("ignore", "The module specification .* already been added")
        pdoc.pdoc(*modules(), output_directory=arguments.output)


if __name__ == "__main__":
    main()
