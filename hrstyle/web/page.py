"""The page, built from Gradio components."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from hrstyle import styles
from hrstyle.errors import InputError
from hrstyle.options import StylizeOptions
from hrstyle.web.studio import MAX_PHOTOS, THUMBNAILS, Repaint, Studio, find

EXAMPLES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""Example photos, from scikit-image."""
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
_SCROLL_TO_RESULT = """() => {
  // On a phone, progress and result are further down. Wait until they are laid out.
  setTimeout(() => document.getElementById("slider").scrollIntoView(
    {behavior: "smooth", block: "nearest"}), 300)
}"""
PASTE_SCRIPT = """() => addEventListener("paste", event => {
  // Accept a paste anywhere on the page; Gradio itself only has a paste button.
  const field = document.querySelector("#photos input[type=file]")
  if (field && event.clipboardData.files.length) {
    field.files = event.clipboardData.files
    field.dispatchEvent(new Event("change", {bubbles: true}))
  }
})"""
_NONE = "none"
_PROGRESS = gr.Progress(track_tqdm=True)
_CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def build(studio: Studio, *, delete_cache: tuple[int, int]) -> gr.Blocks:
    """Build the page.

    Args:
        studio: repaints the photos.
        delete_cache: seconds between two checks for old files, and their maximal age in seconds.
    """

    def paint(
        photos: list[tuple[str, str | None]] | None,
        style: str,
        strength: float,
        stroke_size: float,
        keep_colours: bool | float,
        second: str,
        share: float,
        progress: gr.Progress = _PROGRESS,
    ) -> tuple[Any, ...]:
        options = {"strength": strength, "stroke_size": stroke_size, "keep_colours": keep_colours}
        paths = [path for path, _ in photos or ()]
        repaints = _paint(studio, paths, (style, second, share), options, progress)
        before = [str(repaint.before) for repaint in repaints]
        after = [str(repaint.after) for repaint in repaints]
        return (
            (before[0], after[0]),
            before,
            gr.Gallery(after, visible=len(after) > 1),
            gr.File([str(repaint.file) for repaint in repaints], visible=True),
        )

    def stylize(  # the API that scripts call, with these parameter names
        photo: str | None,
        style: str,
        strength: float,
        stroke_size: float,
        keep_colours: bool | float,
        second: str,
        share: float,
        progress: gr.Progress = _PROGRESS,
    ) -> str:
        options = {"strength": strength, "stroke_size": stroke_size, "keep_colours": keep_colours}
        paths = [photo] if photo else []
        [repaint] = _paint(studio, paths, (style, second, share), options, progress)
        return str(repaint.file)

    with gr.Blocks(title="hrstyle", analytics_enabled=False, delete_cache=delete_cache) as page:
        gr.Markdown("# hrstyle\nYour photos, repainted in the style of a painting.")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                photos = _photos()
                settings = _settings()
                button = gr.Button("Paint", variant="primary", elem_id="paint")
            with gr.Column(min_width=320):
                slider, before, after, results = _results()
        # The API takes and returns a single file.
        photo, result = gr.File(visible=False), gr.File(visible=False, label="Result")
        one_at_a_time: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "painter"}
        button.click(
            paint,
            [photos, *settings],
            [slider, before, after, results],
            api_visibility="private",
            show_progress_on=slider,
            **one_at_a_time,
        ).success(js=_SCROLL_TO_RESULT)
        button.click(js=_SCROLL_TO_RESULT)
        after.select(_select_result, [before, after], slider, queue=False, api_visibility="private")
        gr.Button(visible=False).click(
            stylize,
            [photo, *settings],
            result,
            api_name="stylize",
            api_description="Repaint a photo; returns a PNG of the same size.",
            **one_at_a_time,
        )
        gr.api(_names, api_name="styles", api_description="The names of the styles.", queue=False)
    return page


def _photos() -> gr.Gallery:
    photos = gr.Gallery(
        label="Photos: drop, paste or take some",
        sources=["upload", "clipboard", "webcam"],
        file_types=["image"],
        height=260,
        object_fit="contain",
        fit_columns=False,
        buttons=[],
        elem_id="photos",
    )
    samples = [[[str(files("skimage.data") / name)]] for name in EXAMPLES]
    gr.Examples(samples, photos, label="Or try one of", elem_id="examples")
    return photos


def _settings() -> list[gr.components.Component]:
    """The settings, in the order of the parameters of `paint` and `stylize`."""
    names = [(name.replace("_", " ").capitalize(), name) for name in styles.list_styles()]
    style = gr.Radio(names, value="starry_night", label="Style", elem_id="styles")
    with gr.Accordion("More", open=False):
        strength = gr.Slider(0, 1, 1, step=0.05, label="Strength: 0 is the photo")
        stroke_size = gr.Slider(
            0,
            8,
            0,
            step=0.5,
            label="Stroke size, relative to training (0: chosen by the photo's size)",
        )
        keep_colours = gr.Slider(0, 1, 0, step=0.05, label="Colours: 1 is the photo's")
        second = gr.Dropdown([_NONE, *names], value=_NONE, label="Second style, to mix in")
        share = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second style")
    return [style, strength, stroke_size, keep_colours, second, share]


def _results() -> tuple[gr.ImageSlider, gr.Gallery, gr.Gallery, gr.File]:
    slider = gr.ImageSlider(
        label="Before and after",
        interactive=False,
        buttons=["fullscreen"],
        max_height=640,
        elem_id="slider",
    )
    before = gr.Gallery(visible=False)
    after = gr.Gallery(
        label="Which one to look at",
        visible=False,
        allow_preview=False,
        interactive=False,
        height=150,
        buttons=[],
        elem_id="results",
    )
    results = gr.File(
        label="Download in full size, PNG",
        visible=False,
        file_count="multiple",
        interactive=False,
        elem_id="files",
    )
    return slider, before, after, results


def css() -> str:
    """The page's style sheet, with embedded thumbnails."""
    rules = [_CSS]
    for name in styles.list_styles():
        data = base64.b64encode((THUMBNAILS / f"{name}.jpg").read_bytes()).decode()
        rules.append(
            f'#styles label:has(input[value="{name}"])::before'
            f" {{ background-image: url(data:image/jpeg;base64,{data}) }}"
        )
    return "\n".join(rules)


def _paint(
    studio: Studio,
    paths: list[str],
    style: tuple[str, str, float],
    options: dict[str, Any],
    progress: gr.Progress,
) -> list[Repaint]:
    """Repaint photos in a style mixed with a share of a second one, and show the progress."""
    first, second, share = style
    repaints = []
    with _errors_on_page():
        if not 1 <= len(paths) <= MAX_PHOTOS:
            raise InputError(
                "choose a photo first" if not paths else f"at most {MAX_PHOTOS} photos at once"
            )
        # The page's stroke size 0 is None: chosen by the photo's size.
        checked = StylizeOptions(**options | {"stroke_size": options["stroke_size"] or None})
        stylizer = find(first, None if second == _NONE else second, share)
        for number, path in enumerate(paths):
            progress((number, len(paths)), desc="Painting", unit="photos")
            try:
                repaints.append(studio.paint(path, stylizer, checked))
            except InputError as error:
                if number == len(paths) - 1 and not repaints:
                    raise
                gr.Warning(str(error))  # go on with the other photos
    return repaints


def _select_result(
    before: list[tuple[str, Any]], after: list[tuple[str, Any]], event: gr.SelectData
) -> tuple[str, str]:
    return before[event.index][0], after[event.index][0]


def _names() -> list[str]:
    return styles.list_styles()


@contextmanager
def _errors_on_page() -> Iterator[None]:
    """Show an InputError to the visitor as one sentence."""
    try:
        yield
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from error
