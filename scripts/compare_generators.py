"""Train candidates for the default generator on equal terms, and compare them.

    python scripts/compare_generators.py --photos PHOTOS --steps 1500 --output candidates/

Every candidate gets the same style, crops, losses, steps and learning rates. Prints a table of
parameters, multiply-adds, seconds per pass, and losses on held-out photos. Writes each candidate's
repaints of these photos and of a drawn plain sky.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

import torch
from machine import machine
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import trange

from hrstyle.engine.layers import read_layers
from hrstyle.generator import Bottleneck, Generator, Noise, conv_norm, pyramid, upsample
from hrstyle.images import open_image, save_image, to_pil, to_rgb, to_tensor
from hrstyle.losses import PerceptualLoss, build
from hrstyle.styles import Style
from hrstyle.train.data import RandomCrops, find_pictures, sample_path

PHOTOS = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "motorcycle_left.png")
STYLE_WEIGHT = 6.0


class Lean(Generator):
    """The first prototype: a norm after every convolution, and a bottleneck at full resolution."""

    def __init__(self) -> None:
        super().__init__(stride=8, mean=(0.5,) * 3, std=(0.25,) * 3)
        self.config = {"name": "lean"}
        kind = {"affine": True, "padding_mode": "reflect"}
        steps = ((16, 32, 2), (32, 64, 3), (64, 128, 4))
        self.stem = nn.Sequential(conv_norm(3, 16, 3, **kind), nn.ReLU())
        self.down = nn.ModuleList(
            nn.Sequential(
                conv_norm(fine, coarse, 3, stride=2, **kind),
                nn.ReLU(),
                *(Bottleneck(coarse, coarse, coarse // 2) for _ in range(count)),
            )
            for fine, coarse, count in steps
        )
        self.fuse = nn.ModuleList(conv_norm(coarse, fine, 1, **kind) for fine, coarse, _ in steps)
        self.refine = nn.ModuleList(Bottleneck(fine, fine, fine // 2) for fine, _, _ in steps)
        self.to_rgb = nn.Conv2d(16, 3, 3, padding=1, padding_mode="reflect")

    def network(self, x: Tensor) -> Tensor:
        """See `Pyramid.network`."""
        x, kept = self.stem(x), []
        for down in self.down:
            kept.append(x)
            x = down(x)
        for fuse, refine in zip(reversed(self.fuse), reversed(self.refine), strict=True):
            x = refine(F.relu(kept.pop() + upsample(fuse(x), 2)))
        return self.to_rgb(x)


def without(generator: Generator, kind: type[nn.Module], places: str = "") -> Generator:
    """Remove the generator's modules of a kind, or only those with `places` in their name."""
    for name, module in list(generator.named_modules()):
        for child_name, child in list(module.named_children()):
            if isinstance(child, kind) and places in f"{name}.{child_name}":
                setattr(module, child_name, nn.Identity())
    return generator


def thin() -> Generator:
    """The default generator without its noise."""
    return without(pyramid(), Noise)


def fewer_norms() -> Generator:
    """`thin`, with norms inside bottlenecks only at 1/8 resolution."""
    generator = thin()
    for place in (generator.down[0], generator.down[1], *generator.refine):
        without(place, nn.InstanceNorm2d, "body")
    return generator


CANDIDATES = {"lean": Lean, "thin": thin, "fewer norms": fewer_norms, "thin + noise": pyramid}


def train(generator: Generator, loss: PerceptualLoss, crops: RandomCrops, steps: int) -> None:
    """Train like `hrstyle.train`, without logging."""
    optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3)
    for step in (bar := trange(steps)):
        cosine = (1 + math.cos(math.pi * max(0, step - 20) / (steps - 20))) / 2
        optimizer.param_groups[0]["lr"] = 3e-3 * min((step + 1) / 20, 0.03 + 0.97 * cosine)
        photo = crops.batch(step)
        with torch.autocast("cpu", torch.bfloat16):
            terms = loss(generator(photo), photo)
        optimizer.zero_grad()
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optimizer.step()
        bar.set_postfix({name: f"{terms[name]:.3f}" for name in ("content", "gram")})


def plain_sky() -> Image.Image:
    """A sky without grain and three shapes, where rings and bands are most visible."""
    picture = Image.new("RGB", (512, 400))
    draw = ImageDraw.Draw(picture)
    for y in range(400):
        draw.line([(0, y), (511, y)], fill=(90 + y // 8, 140 + y // 8, 210 - y // 20))
    draw.rectangle((0, 330, 512, 400), fill=(60, 80, 50))
    draw.ellipse((280, 90, 420, 230), fill=(40, 30, 30))
    draw.polygon([(60, 330), (110, 150), (160, 330)], fill=(150, 120, 90))
    return picture


@torch.inference_mode()
def seconds(generator: Generator, size: int, rounds: int = 7) -> float:
    """Median seconds of a plain pass."""
    picture, times = torch.rand(1, 3, size, size), []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        generator(picture)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Train, measure and paint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", required=True, help="folder of photos to train on")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--padding", default="zeros", help="of VGG19: zeros or replicate")
    parser.add_argument("--output", type=Path, default=Path("candidates"))
    arguments = parser.parse_args()
    style = Style(image="starry_night", name="starry_night").load()
    losses = {
        padding: build("gram", gram_weight=STYLE_WEIGHT, padding=padding)
        for padding in ("zeros", "replicate")
    }
    for loss in losses.values():
        loss.set_style(style)
    crops = RandomCrops(
        find_pictures(arguments.photos), size=256, batch_size=1, min_scale=0.5, seed=0
    )
    photos = {name: to_rgb(open_image(sample_path(name))) for name in PHOTOS}
    for photo in photos.values():
        photo.thumbnail((512, 512))
    print(f"Machine: {machine(torch.device('cpu'))}\n")
    print("| candidate | parameters | multiply-adds a pixel | 512 px, s | 1024 px, s |", end="")
    print(" content | style | objective |\n|-|-|-|-|-|-|-|-|")
    for name in arguments.only:
        torch.manual_seed(0)
        generator = CANDIDATES[name]()
        train(generator, losses[arguments.padding], crops, arguments.steps)
        generator.eval()
        folder = arguments.output / name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(generator.state_dict(), folder / "weights.pt")
        content = style_term = 0.0
        with torch.inference_mode():
            save_image(to_pil(generator(to_tensor(plain_sky()))), folder / "plain_sky.png")
            for photo_name, photo in photos.items():
                before = to_tensor(photo)
                painted = generator(before).clamp(0, 1)
                save_image(to_pil(painted), folder / f"{Path(photo_name).stem}.png")
                terms = losses["zeros"](painted, before)
                content += terms["content"].item() / len(photos)
                style_term += terms["gram"].item() / len(photos)
        parameters = sum(p.numel() for p in generator.parameters())
        cells = [f"{parameters / 1e3:.0f} k", f"{multiply_adds(generator) / 1e3:.1f} k"]
        cells += [f"{seconds(generator, size):.3f}" for size in (512, 1024)]
        cells += [f"{content:.2f}", f"{style_term:.3f}"]
        cells.append(f"{content + STYLE_WEIGHT * style_term:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def multiply_adds(generator: Generator) -> float:
    """Multiply-adds of the convolutions per pixel of the picture."""
    return sum(x.multiply_adds() for x in read_layers(generator) if x.kind == "conv")


if __name__ == "__main__":
    main()
