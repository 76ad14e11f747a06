"""Average weights of one style that were trained in different ways, and match its colours.

    python scripts/average_weights.py irises --photos PHOTOS OLD.safetensors=0.4 NEW.safetensors=0.6

A network trained with Gram matrices is crisp, and paints spots on faces. The same network trained
on with the painterly objective keeps faces, and is softer. Their average is crisp and keeps faces
(Wortsman et al., "Model soups", ICML 2022). All files must come from one base. The result is
written into the package, or to --output.
"""

import argparse
from pathlib import Path

from gallery import with_pictures

from hrstyle.checkpoint import save_weights
from hrstyle.entry import bad_input_exits
from hrstyle.errors import InputError
from hrstyle.generator.colours import COUNT, match_colours
from hrstyle.images.formats import trust_files
from hrstyle.mixing import mix
from hrstyle.styles import WEIGHTS, gallery
from hrstyle.train import data


def share_of(text: str) -> tuple[str, float]:
    """File and share of `FILE=SHARE`."""
    path, _, share = text.rpartition("=")
    try:
        return path, float(share)
    except ValueError:
        raise InputError(f"{text} must be FILE=SHARE, such as new.safetensors=0.6") from None


def main() -> None:
    """Average, match colours, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("style", choices=gallery())
    parser.add_argument("weights", nargs="+", metavar="FILE=SHARE")
    parser.add_argument("--photos", type=Path, required=True, help="photos to match colours on")
    parser.add_argument("--pictures", type=Path, help="folder with <style>.jpg, where not to fetch")
    parser.add_argument("-o", "--output", type=Path, help="file of the result")
    arguments = parser.parse_args()
    style = with_pictures(arguments.pictures)[arguments.style]
    trained = mix(dict(share_of(text) for text in arguments.weights))
    trust_files()  # as in training: photos beyond Pillow's limit are read
    photos = data.folder(arguments.photos, num_workers=0).some_crops(COUNT)
    weight = style.style_weight
    if not match_colours(trained.generator, photos, style.load_all(), style_weight=weight):
        print("The network's last convolution is not its result: colours stay.")
    output = arguments.output or WEIGHTS / f"{arguments.style}.safetensors"
    save_weights(
        output, trained.generator, style=style.name, credit=style.credit, base=trained.base
    )
    print(output)


if __name__ == "__main__":
    with bad_input_exits("average_weights.py"):
        main()
