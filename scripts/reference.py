"""Write the API reference as HTML, from the docstrings, with pdoc.

python scripts/reference.py reference/
"""

import argparse
import warnings
from importlib import import_module
from pathlib import Path

import pdoc

import hrstyle

# The commands have --help; the others need optional packages.
LEFT_OUT = ("cli", "web", "video")


def modules() -> list[str]:
    """Names of the modules to document."""
    root = Path(hrstyle.__file__).parent
    files = [path.relative_to(root.parent) for path in sorted(root.rglob("*.py"))]
    found = [
        ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if file.parts[1] not in LEFT_OUT
    ]
    return [name for name in found if not name.endswith("__main__")]


def main() -> None:
    """Write the reference; anything that pdoc cannot read is an error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the folder to write")
    arguments = parser.parse_args()
    for module in map(import_module, modules()):
        for name in getattr(module, "__all__", ()):
            getattr(module, name)  # pdoc sees only names that are loaded already
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # pdoc's warnings
        # pdoc adds the modules of some packages itself.
        warnings.filterwarnings("ignore", "The module specification .* already been added")
        pdoc.pdoc(*modules(), output_directory=arguments.output)


if __name__ == "__main__":
    main()
