"""The pictures of an evolution: an animation and a still sheet of the kept tokens' maps as noise goes."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from harness.report.pictures import sheet
from harness.report.pictures.sheet import FAINT, GAP_PX, INK, MARGIN_PX, PAPER
from harness.report.pictures.tiles import Colour, colours, heated, photo, spot

if TYPE_CHECKING:
    from harness.method.tracks import Evolution, Track

MOST_TOKENS, MOST_VIEWS = 8, 6
TILE_PX, WIDE_TILE_PX = 92, 150  # of several views, of one
LABEL_PX = 62
FRAME_MS, LAST_FRAME_MS = 600, 2400
GIF_COLOURS = 192
NOISE_PX, BAR_PX, HEADS_PX = 66, 300, 36  # heights of the noise label and of the columns' heads, width of the bar


class Strip:
    """One pass's maps as tiles: the tokens that are drawn, their labels and colours, and a scale for each.

    A token's maps are divided by their sums and share one scale over views and noise levels, so that a map that spreads
    out is dark.
    """

    def __init__(self, evolution: "Evolution", track: "Track", tied: Sequence[int]) -> None:
        names = evolution.keypoint_names
        label = {j: names[k] for k, j in enumerate(tied) if j >= 0 and k < len(names)}
        order = [*label, *(j for j in range(len(evolution.kept)) if j not in label)]  # those tied to keypoints first
        self.tokens = order[:MOST_TOKENS]
        self.labels = [label.get(j, f"token {evolution.kept[j]}") for j in self.tokens]
        self.left_out = len(order) - len(self.tokens)
        self.palette: list[Colour] = colours(len(self.tokens))
        self.levels = track.levels
        self.views = min(MOST_VIEWS, len(track.levels[0].maps))
        maps = np.stack([level.maps.double().numpy() for level in track.levels])  # (P V J H W)
        total = maps.sum((-2, -1), keepdims=True)
        self.maps = maps / np.where(total > 0, total, 1.0)
        self.tops = self.maps.max((0, 1, 3, 4))  # (J)
        self.photos = [(level.pictures.numpy(), level.under.numpy()) for level in track.levels]
        width = TILE_PX if self.views > 1 else WIDE_TILE_PX
        rows, columns = self.photos[0][0].shape[-2:]
        self.size = (width, round(width * rows / columns))

    @property
    def width_px(self) -> int:
        """The width of a row of tiles with its label."""
        return LABEL_PX + (1 + len(self.tokens)) * (self.size[0] + GAP_PX)

    def row(self, level: int, view: int) -> list[Image.Image]:
        """Return the tiles of one level and view: the noisy view or the estimate, then each token's map."""
        from harness.ops.maps import peaks

        picture, under = (photo(views[view], self.size) for views in self.photos[level])
        points = peaks(self.levels[level].maps[view]).numpy()  # (J 2)
        return [picture, *(heated(under, self.maps[level, view, j], points[j], colour, float(self.tops[j]))
                           for j, colour in zip(self.tokens, self.palette, strict=True))]

    def write_heads(self, image: Image.Image, top: int, first: str) -> None:
        """Write the columns' heads."""
        draw = ImageDraw.Draw(image)
        step = self.size[0] + GAP_PX
        sheet.write(draw, (MARGIN_PX + LABEL_PX, top + 16), first, 12, self.size[0])
        for column, (text, colour) in enumerate(zip(self.labels, self.palette, strict=True), 1):
            left = MARGIN_PX + LABEL_PX + column * step
            lines = sheet.wrapped(text, 12, self.size[0] - 15)
            image.paste(spot(colour, 11), (left, top + 18))
            for i, line in enumerate([*lines[:1], " ".join(lines[1:]).strip()] if len(lines) > 1 else ["", *lines]):
                sheet.write(draw, (left + 14, top + 16 * i), line.strip(), 12, self.size[0] - 15, INK)

    def paste_row(self, image: Image.Image, top: int, tiles: Sequence[Image.Image], label: str) -> None:
        """Paste tiles as a row, with a label of one or two lines."""
        draw = ImageDraw.Draw(image)
        lines = label.splitlines()
        for i, line in enumerate(lines):
            sheet.write(draw, (MARGIN_PX, top + self.size[1] // 2 - 8 * len(lines) + 16 * i), line, 12, LABEL_PX - 4)
        for column, tile in enumerate(tiles):
            image.paste(tile, (MARGIN_PX + LABEL_PX + column * (self.size[0] + GAP_PX), top))


def frames(evolution: "Evolution", track: "Track", tied: Sequence[int], title: str) -> list[Image.Image]:
    """Return one picture per noise level: a row per view, the noisy view or the estimate and the tokens' maps."""
    strip = Strip(evolution, track, tied)
    width = strip.width_px + 2 * MARGIN_PX
    heads = _heading(strip, track, title, width)
    top = heads.height + NOISE_PX + HEADS_PX
    drawn = []
    for number, level in enumerate(track.levels):
        image = Image.new("RGB", (width, top + strip.views * (strip.size[1] + GAP_PX) + MARGIN_PX), PAPER)
        image.paste(heads, (0, 0))
        share = level.noise if level.step is None else number / (len(track.levels) - 1)
        _bar(image, heads.height, level.at, share, level.scored)
        strip.write_heads(image, heads.height + NOISE_PX, _under(track))
        for view in range(strip.views):
            label = f"view {view}" if strip.views > 1 else ""
            strip.paste_row(image, top + view * (strip.size[1] + GAP_PX), strip.row(number, view), label)
        drawn.append(image)
    return drawn


def still(evolution: "Evolution", track: "Track", tied: Sequence[int], title: str, view: int = 0) -> bytes:
    """Return a PNG of one view: a row per noise level."""
    strip = Strip(evolution, track, tied)
    width = strip.width_px + 2 * MARGIN_PX
    heads = _heading(strip, track, f"{title}, view {view}" if len(track.levels[0].maps) > 1 else title, width)
    top = heads.height + 22 + HEADS_PX
    image = Image.new("RGB", (width, top + len(track.levels) * (strip.size[1] + GAP_PX) + MARGIN_PX), PAPER)
    image.paste(heads, (0, 0))
    words = ("rows: noise remaining; *: a level of the trial's scores" if track.levels[0].step is None else
             "rows: steps of optimisation; *: the tokens of the trial's scores")
    ImageDraw.Draw(image).text((MARGIN_PX, heads.height), words, FAINT, sheet.font(13))
    strip.write_heads(image, top - HEADS_PX, _under(track))
    for number, level in enumerate(track.levels):
        label = f"{level.mark}{' *' if level.scored else ''}"
        strip.paste_row(image, top + number * (strip.size[1] + GAP_PX), strip.row(number, view), label)
    return sheet.png(image)


def animated(pictures: Sequence[Image.Image], form: str) -> bytes:
    """Return the pictures as an endless animation, "WEBP" or "GIF"; the last one stays longer."""
    buffer = io.BytesIO()
    times = [FRAME_MS] * (len(pictures) - 1) + [LAST_FRAME_MS]
    if form == "GIF":
        pictures = [picture.quantize(GIF_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                    for picture in pictures]
    more = {"quality": 82, "method": 3} if form == "WEBP" else {"disposal": 1, "optimize": False}
    pictures[0].save(buffer, form, save_all=True, append_images=list(pictures[1:]), duration=times, loop=0, **more)
    return buffer.getvalue()


def _under(track: "Track") -> str:
    return "estimate" if track.name == "view pass" else "noisy view"


def _heading(strip: Strip, track: "Track", title: str, width: int) -> Image.Image:
    """Return the title and what was captured."""
    room = width - 2 * MARGIN_PX
    rest = f"; {len(strip.tokens)} of {len(strip.tokens) + strip.left_out} kept tokens" if strip.left_out else ""
    text = f"{track.name}: {track.source}. Each token's maps share one scale; ring: the map's peak{rest}."
    titles, lines = sheet.wrapped(title, 19, room), sheet.wrapped(text, 13, room)
    image = Image.new("RGB", (width, MARGIN_PX + 23 * len(titles) + 17 * len(lines) + 8), PAPER)
    draw = ImageDraw.Draw(image)
    sheet.write_lines(draw, (MARGIN_PX, MARGIN_PX), titles, 19, INK)
    sheet.write_lines(draw, (MARGIN_PX, MARGIN_PX + 23 * len(titles) + 4), lines, 13)
    return image


def _bar(image: Image.Image, top: int, label: str, share: float, scored: bool) -> None:
    """Draw the label of a level and a bar as long as its share of noise, or of the steps."""
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN_PX, top), label, INK, sheet.font(24))
    note = "the trial's scores were computed here" if scored else ""
    draw.text((MARGIN_PX + BAR_PX + 14, top + 38), note, FAINT, sheet.font(13))
    box = (MARGIN_PX, top + 40, MARGIN_PX + BAR_PX, top + 52)
    draw.rectangle(box, (226, 226, 224))
    draw.rectangle((*box[:2], MARGIN_PX + round(BAR_PX * share), box[3]), (188, 55, 84))
