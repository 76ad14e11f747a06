"""The page, built from Gradio components."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from hrstyle.engine.options import StylizeOptions
from hrstyle.errors import InputError
from hrstyle.inference import Stylizer
from hrstyle.web.choices import Choices
from hrstyle.web.studio import MAX_PHOTOS, Repaint, Studio

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


def build(studio: Studio, choices: Choices, *, delete_cache: tuple[int, int]) -> gr.Blocks:
    """Build the page.

    Args:
        studio: repaints the photos.
        choices: the styles.
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
        stylizer = _find(choices, style, second, share)
        repaints = _paint(studio, paths, stylizer, options, progress)
        return _shown(repaints, 0)

    def blend_preview(
        repaints: list[Repaint], index: int, strength: float, keep_colours: bool | float
    ) -> Any:
        if not repaints:
            return gr.skip()
        with _errors_on_page():
            options = StylizeOptions(strength=strength, keep_colours=keep_colours)
            after = studio.blend_preview(repaints[index], options)
        return str(repaints[index].before), str(after)

    def blend(
        repaints: list[Repaint], index: int, strength: float, keep_colours: bool | float
    ) -> Any:
        if not repaints:
            return [gr.skip()] * 6
        with _errors_on_page():
            options = StylizeOptions(strength=strength, keep_colours=keep_colours)
            return _shown([studio.blend(repaint, options) for repaint in repaints], index)

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
        stylizer = _find(choices, style, second, share)
        [repaint] = _paint(studio, paths, stylizer, options, progress)
        return str(repaint.file)

    def showable(photos: list[tuple[str, str | None]]) -> list[str]:
        return [studio.showable(path) for path, _ in photos]

    def names() -> list[str]:
        return choices.names

    with gr.Blocks(title="hrstyle", analytics_enabled=False, delete_cache=delete_cache) as page:
        gr.Markdown("# hrstyle\nYour photos, repainted in the style of a painting.")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                photos = _photos()
                settings = _settings(choices)
                button = gr.Button("Paint", variant="primary", elem_id="paint")
            with gr.Column(min_width=320):
                slider = _slider()
                strength = gr.Slider(
                    0, 1, 1, step=0.05, label="Strength: 0 is the photo", elem_id="strength"
                )
                keep_colours = gr.Slider(
                    0, 1, 0, step=0.05, label="Colours: 1 is the photo's", elem_id="colours"
                )
                before, after, results = _results()
        style, stroke_size, second, share = settings
        settings = [style, strength, stroke_size, keep_colours, second, share]
        photos.upload(showable, photos, photos, api_visibility="private", show_progress="hidden")
        repaints, index = gr.State([]), gr.State(0)  # of which the slider shows one
        shown = [slider, before, after, results, repaints, index]
        # The API takes and returns a single file.
        photo, result = gr.File(visible=False), gr.File(visible=False, label="Result")
        one_at_a_time: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "painter"}
        button.click(
            paint,
            [photos, *settings],
            shown,
            api_visibility="private",
            show_progress_on=slider,
            **one_at_a_time,
        ).success(js=_SCROLL_TO_RESULT)
        button.click(js=_SCROLL_TO_RESULT)
        after.select(
            _select_result, [before, after], [slider, index], queue=False, api_visibility="private"
        )
        # The pass is kept, so a new blend is there at once, and then its file in full size.
        blending: dict[str, Any] = {
            "inputs": [repaints, index, strength, keep_colours],
            "trigger_mode": "always_last",
            "api_visibility": "private",
        }
        written = gr.on(
            [strength.change, keep_colours.change],
            blend_preview,
            outputs=slider,
            show_progress="hidden",
            **blending,
        ).success(blend, outputs=shown, show_progress_on=results, **blending)
        button.click(cancels=written)
        gr.Button(visible=False).click(
            stylize,
            [photo, *settings],
            result,
            api_name="stylize",
            api_description="Repaint a photo; returns a PNG of the same size.",
            **one_at_a_time,
        )
        gr.api(
            names,
            api_name="styles",
            api_description="The names of the styles.",
            queue=False,
        )
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


def _settings(choices: Choices) -> list[Any]:
    """Style, stroke size, second style and its share: all that a new pass is needed for."""
    names = [(name.replace("_", " ").capitalize(), name) for name in choices.names]
    style = gr.Radio(names, value=choices.first, label="Style", elem_id="styles")
    with gr.Accordion("More", open=False):
        stroke_size = gr.Slider(
            0,
            8,
            0,
            step=0.5,
            label="Stroke size, relative to training (0: chosen by the photo's size)",
        )
        second = gr.Dropdown([_NONE, *names], value=_NONE, label="Second style, to mix in")
        share = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the second style")
    return [style, stroke_size, second, share]


def _slider() -> gr.ImageSlider:
    return gr.ImageSlider(
        label="Before and after",
        interactive=False,
        buttons=["fullscreen"],
        max_height=640,
        elem_id="slider",
    )


def _results() -> tuple[gr.Gallery, gr.Gallery, gr.File]:
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
    return before, after, results


def css(choices: Choices) -> str:
    """The page's style sheet, with embedded thumbnails."""
    return _CSS + choices.css("#styles")


def _shown(repaints: list[Repaint], index: int) -> tuple[Any, ...]:
    """The values of the result's components, with one repaint on the slider."""
    before = [str(repaint.before) for repaint in repaints]
    after = [str(repaint.after) for repaint in repaints]
    return (
        (before[index], after[index]),
        before,
        gr.Gallery(after, visible=len(after) > 1),
        gr.File([str(repaint.file) for repaint in repaints], visible=True),
        repaints,
        index,
    )


def _find(choices: Choices, style: str, second: str, share: float) -> Stylizer:
    with _errors_on_page():
        return choices.find(style, None if second == _NONE else second, share)


def _paint(
    studio: Studio,
    paths: list[str],
    stylizer: Stylizer,
    options: dict[str, Any],
    progress: gr.Progress,
) -> list[Repaint]:
    """Repaint photos, and show the progress."""
    repaints = []
    with _errors_on_page():
        if not 1 <= len(paths) <= MAX_PHOTOS:
            raise InputError(
                "choose a photo first" if not paths else f"at most {MAX_PHOTOS} photos at once"
            )
        # The page's stroke size 0 is None: chosen by the photo's size.
        checked = StylizeOptions(**options | {"stroke_size": options["stroke_size"] or None})
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
) -> tuple[tuple[str, str], int]:
    return (before[event.index][0], after[event.index][0]), event.index


@contextmanager
def _errors_on_page() -> Iterator[None]:
    """Show an InputError to the visitor as one sentence."""
    try:
        yield
    except InputError as error:
        raise gr.Error(str(error), print_exception=False) from error
