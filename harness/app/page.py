"""The page: its controls, and what each of them calls. The only file that imports Gradio."""

import threading
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from harness import registry
from harness.app import html, photograph
from harness.app.keep import keep
from harness.app.look import Choices, Look, look
from harness.app.sources import Source, sources
from harness.data._images import SUFFIXES
from harness.errors import UsageError
from harness.method.evolution import Unfaithful
from harness.method.passes import Diverged
from harness.models.attention.capture import NothingCaptured

HOST = "127.0.0.1"
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"  # the page can fetch from nowhere else
REFUSED = (UsageError, NothingCaptured, Unfaithful, Diverged)
FONTS = ("system-ui", "sans-serif")
_ONE = threading.Lock()  # a model serves one pass at a time, also while a cancelled step ends


class OnlyHere:
    """Middleware that forbids the browser every other address."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Add the header to every answer."""
        async def sent(answer: Any) -> None:
            if answer["type"] == "http.response.start":
                answer["headers"] = [*answer.get("headers", ()), (b"content-security-policy", POLICY.encode())]
            await send(answer)

        await self.app(scope, receive, sent)


def serve(results: Path, output: Path, port: int, *, opens: bool) -> Any:
    """Start the server in the background and return it; ``close()`` ends it."""
    page = build(sources(results), output)
    hosts = [HOST, "localhost"]
    page.queue(api_open=False, default_concurrency_limit=1).launch(
        server_name=HOST, server_port=port, share=False, inbrowser=opens, prevent_thread_lock=True, quiet=True,
        footer_links=[], run_history=False, max_file_size=photograph.MOST_BYTES, ssr_mode=False, pwa=False,
        mcp_server=False, enable_monitoring=False, css=html.CSS,
        theme=gr.themes.Base(font=FONTS, font_mono=("ui-monospace", "monospace")),
        app_kwargs={"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(OnlyHere)]})
    return page


def build(offered: dict[str, Source], output: Path) -> Any:
    """Return the page."""
    first = next(iter(offered.values()))
    with gr.Blocks(title="harness", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown("# What do the tokens look at?")
        kept = gr.State()
        with gr.Row():
            with gr.Column(scale=1, min_width=360):
                source = gr.Dropdown(list(offered), value=first.name, label="Trial, or model with untrained tokens")
                scene = gr.Slider(0, first.spec.test_scenes - 1, value=0, step=1, label="Test scene of its data")
                photo = gr.File(file_types=list(SUFFIXES), label="Or a photograph of your own (at most 20 MB)",
                                height=170)
                preview = gr.HTML()
                controls = _controls(first)
                with gr.Row():
                    start = gr.Button("Look", variant="primary")
                    cancel = gr.Button("Cancel")
            with gr.Column(scale=3, min_width=480):
                status = gr.HTML(html.progress(0, "choose, then press Look"))
                outputs = [gr.HTML() for _ in range(3)]
                for name, place in zip(("Picture", "Evolution", "Analysis"), outputs, strict=True):
                    place.unrender()
                    gr.Markdown(f"## {name}")
                    place.render()
                gr.Markdown("## Saved")
                saved = gr.HTML(html.saved(None, output))
                save = gr.Button("Save", interactive=False, scale=0, min_width=160)
        source.change(lambda name: _defaults(offered[name]), source, [scene, *controls], show_progress="hidden")
        photo.change(lambda path, name: _preview(path, offered[name]), [photo, source], preview, show_progress="hidden")
        running = start.click(
            partial(_run, offered, output), [source, scene, photo, *controls],
            [status, *outputs, saved, save, kept], show_progress="hidden")
        cancel.click(lambda: html.progress(0, "cancelled"), None, status, cancels=[running], show_progress="hidden")
        save.click(lambda held: _save(held, output), kept, [saved, save], show_progress="hidden")
    return page


def _controls(first: Source) -> list[Any]:
    layers = [str(layer) for layer in range(first.layers)]
    return [
        gr.Slider(1, 8, value=6, step=1, label="Kept tokens that are drawn"),
        gr.CheckboxGroup(layers, value=_own_layers(first), label="Cross-attention layers, along the up path"),
        gr.Slider(0, 999, value=first.spec.timestep, step=1, label="Noise of the picture, in training timesteps"),
        gr.Dropdown(list(registry.names("fusion")), value=first.spec.fusion.name, label="Fusion in the view pass"),
        gr.Slider(0, 1, value=_own_strength(first), step=0.05, label="Strength of the fusion"),
        gr.Slider(2, 12, value=6, step=1, label="Noise levels of the evolution"),
    ]


def _own_layers(source: Source) -> list[str]:
    return [str(layer) for layer in source.spec.layers]


def _own_strength(source: Source) -> float:
    return float(source.spec.fusion.knobs.get("strength", 1.0))


def _defaults(source: Source) -> list[Any]:
    """Return the scene and the controls at the source's own values; the number of tokens and levels stays."""
    spec = source.spec
    layers = [str(layer) for layer in range(source.layers)]
    return [gr.Slider(maximum=max(spec.test_scenes - 1, 1), value=0), gr.skip(),
            gr.CheckboxGroup(layers, value=_own_layers(source)), spec.timestep, spec.fusion.name, _own_strength(source),
            gr.skip()]


def _preview(path: str | None, source: Source) -> str:
    if not path:
        return ""
    try:
        return html.square(photograph.square(Path(path), source.side_px), Path(path).name)
    except UsageError as error:
        return html.message(str(error))


def _choices(values: Sequence[Any]) -> Choices:
    scene, photo, shown, layers, timestep, fusion, strength, levels = values
    return Choices(int(scene), Path(photo) if photo else None, int(shown), tuple(int(layer) for layer in layers),
                   int(timestep), fusion, float(strength), int(levels))


def _run(offered: dict[str, Source], output: Path, *values: Any) -> Iterator[list[Any]]:
    """Yield the page's outputs as a look goes on; the last one can be saved."""
    source, choices = offered[values[0]], _choices(values[1:])
    unsaved = html.saved(None, output)
    yield [html.progress(0, "starting"), "", "", "", unsaved, gr.Button(interactive=False), None]
    steps = look(source, choices)
    while True:
        try:
            with _ONE:
                step = next(steps, None)
                drawn = [] if step is None else [html.picture(step), html.evolution(step), html.analysis(step)]
        except Exception as error:  # every error becomes one line, as on the command line
            yield [html.message(_told(error)), "", "", "", unsaved, gr.Button(interactive=False), None]
            return
        if step is None:
            return
        done = step.is_done
        yield [html.progress(step.share, step.doing), *drawn, unsaved, gr.Button(interactive=done),
               (step, source, choices) if done else None]


def _told(error: Exception) -> str:
    """Return an error in one line; of a fault of the harness the terminal shows the rest."""
    if isinstance(error, REFUSED):
        return str(error)
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}; this is a bug, the terminal shows where"


def _save(held: tuple[Look, Source, Choices], output: Path) -> list[Any]:
    try:
        return [html.saved(keep(*held, output), output), gr.Button(interactive=False)]
    except UsageError as error:
        return [html.message(str(error)), gr.Button(interactive=True)]
