"""The outputs of a look as HTML; every picture lies in the text itself, so that none is written to a disk."""

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from harness.app import draw
from harness.app.look import Look
from harness.report.gallery.scenes import canvas

if TYPE_CHECKING:
    from torch import Tensor

QUALITY = 88
CSS = """
.harness-bar progress { appearance: none; width: 100%; height: 10px; border: 0; background: #e2e2e0; }
.harness-bar progress::-webkit-progress-bar { background: #e2e2e0; }
.harness-bar progress::-webkit-progress-value { background: #bc3754; }
.harness-bar progress::-moz-progress-bar { background: #bc3754; }
.harness-bad { border-left: 4px solid #bc3754; padding: 6px 12px; }
.harness-out img { max-width: 100%; height: auto; background: white; }
.harness-out figure { margin: 0 0 12px 0; } .harness-out h4 { margin: 10px 0 2px 0; }
.harness-out figcaption, .harness-faint { opacity: 0.8; font-size: 90%; }
.harness-out table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.harness-out th, .harness-out td { padding: 2px 14px 2px 0; text-align: right; }
.harness-out th:first-child, .harness-out td:first-child { text-align: left; }
.harness-out code { overflow-wrap: anywhere; }
"""


def progress(share: float, doing: str) -> str:
    """Return a bar and what is being done."""
    return (f'<div class="harness-bar"><progress value="{share:.3f}" max="1" aria-label="progress"></progress>'
            f"<div>{escape(doing)}</div></div>")


def message(text: str) -> str:
    """Return a message about something that cannot be done."""
    return f'<div class="harness-bad" role="alert">{escape(text)}</div>'


def square(image: "Tensor", name: str) -> str:
    """Return the cut square of a photograph (3 h w)."""
    tile = Image.fromarray((image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    return _out(_figure(_webp(tile.resize((160, 160))), f"the square of {name} that the model sees", "square"))


def picture(look: Look) -> str:
    """Return the picture with points and maps, or the views that are being painted."""
    if look.evolution is None:
        if look.painted is None:
            return ""
        return _out(_figure(_webp(canvas(look.painted.numpy())), look.doing, "painted views"))
    marks = "dot and ring: the peak of a token's map"
    if look.agreement and any(j >= 0 for j in look.agreement.tied) and look.evolution.truth_yx.shape[2]:
        marks += "; white ring: the keypoint that it is tied to, where visible"
    return _out(_figure(_webp(draw.picture(look)), f"{marks}. A token's maps share one scale over the views.",
                        "picture with points and maps"))


def evolution(look: Look) -> str:
    """Return the latest noise level, and of a finished look the animations."""
    if look.evolution is None:
        return ""
    if not look.is_done:
        return _out(_figure(_webp(draw.latest(look)), "the noise level that came last", "latest noise level"))
    return _out("".join(_figure(_data("image/webp", content), f"{track.name}: {track.source}",
                                f"animation of the {track.name}") for track, content in draw.animations(look)))


def analysis(look: Look) -> str:
    """Return the numbers of every noise level so far, and of a finished look its charts and descriptions."""
    if look.evolution is None:
        return ""
    rows = "".join(f"<tr><td>{row['pass']}</td><td>{row['noise']:.0%}</td><td>{row['entropy']:.3f}</td>"
                   f"<td>{row['peak_mass']:.3f}</td><td>{row['residual']:.1e}</td></tr>" for row in draw.levels(look))
    table = ("<table><thead><tr><th>pass</th><th>noise</th><th>entropy</th><th>peak mass</th><th>residual</th></tr>"
             f"</thead><tbody>{rows}</tbody></table>")
    faint = ('<p class="harness-faint">Means over the drawn tokens and the views. Entropy: 0 for one pixel, 1 for a '
             "uniform map. Residual: the largest difference of the captured attention to the layers' own output.</p>")
    if not look.is_done:
        return _out(table + faint)
    found = look.agreement.words if look.agreement and look.agreement.points else ""
    checked = f"<p>Checked against the record: {found}.</p>" if found else ""
    pictures = "".join(_figure(_data("image/svg+xml", svg), caption, "chart") for caption, svg in draw.charts(look))
    words = "".join(f"<h4>{escape(head)}</h4><p>{escape(' '.join(sentences))}</p>"
                    for head, sentences in draw.described(look))
    return _out(table + faint + checked + pictures + words)


def saved(folder: Path | None, output: Path) -> str:
    """Return where a look was saved, or that it was not."""
    if folder is None:
        return _out(f"<p>Nothing is saved. Save writes a new folder into <code>{escape(str(output))}/</code>.</p>")
    names = " ".join(sorted(file.name for file in folder.iterdir()))
    return _out(f"<p>Saved in <code>{escape(str(folder))}/</code></p>"
                f'<p class="harness-faint">{escape(names)}</p>')


def _out(content: str) -> str:
    return f'<div class="harness-out">{content}</div>'


def _figure(address: str, caption: str, alt: str) -> str:
    return f'<figure><img src="{address}" alt="{escape(alt)}"><figcaption>{escape(caption)}</figcaption></figure>'


def _webp(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=2)
    return _data("image/webp", buffer.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
