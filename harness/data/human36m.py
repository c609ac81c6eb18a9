"""Human3.6M: people acting before four cameras, with 32 joints from motion capture, the six actions that papers use.

``layout: simplified`` is the release of the unsupervised literature (Zhang et al. 2018):
``S<n>/WithBackground/<action>/<frame>.jpg``, cut to the person, ``S<n>/Landmarks/<action>/<frame>.mat`` whose
``keypoints_2d`` (32 x 2) are shares of the image, and ``S<n>/BackgroudMask/<action>/<frame>.png``, so spelt. The points
are (row, column): StableKeypoints and AutoLink take them so, turning round those of all other sets.
``layout: raw`` is what github.com/anibali/h36m-fetch makes: ``S<n>/<action>/imageSequence/<camera>/img_<frame>.jpg``,
six digits, and ``S<n>/<action>/annot.h5`` with ``camera``, ``frame`` and ``pose/2d`` (x, y) in pixels, counted from the
image's upper left corner as StableKeypoints does. A square around the person is cut, 100 px wider on each side;
StableKeypoints also shifts it at random, which would make another scene each time it is asked for.

Subjects 1, 5, 6, 7, 8, 9 are for training, 11 for testing. An action's folder bears its name, followed by anything but
a letter: StableKeypoints takes every folder whose name begins so, with raw images WalkingDog too. Errors are in sides
of the square that is seen. All joints are visible, but for those at NaN or (-1, -1). They are in the order of the
authors' skeleton: hips, right leg, left leg, spine and head, left arm, right arm.

Ionescu et al.: Human3.6M, TPAMI 2014, http://vision.imar.ro/human3.6m (licence on request); Zhang et al.: Unsupervised
Discovery of Object Landmarks as Structural Representations, CVPR 2018, github.com/YutingZhang/lmdis-rep
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data._images import data_root, demand, open_rgb, sizes
from harness.data._photos import Label, Numbers, PhotoData, Photos
from harness.data._squares import scaled
from harness.data.base import Rules
from harness.data.formats import human36m_raw, human36m_simplified
from harness.errors import UsageError
from harness.ops.matching import HUMAN36M_MIRROR
from harness.registry import knob

SOURCE = "http://vision.imar.ro/human3.6m"
TRAIN, TEST = (1, 5, 6, 7, 8, 9), (11,)
JOINTS = (
    "hips", "right hip", "right knee", "right foot", "right toe base", "right toe end",
    "left hip", "left knee", "left foot", "left toe base", "left toe end",
    "spine base", "spine", "neck", "head", "head end",
    "left collar", "left shoulder", "left elbow", "left wrist", "left thumb", "left thumb end", "left hand",
    "left hand end", "right collar", "right shoulder", "right elbow", "right wrist", "right thumb", "right thumb end",
    "right hand", "right hand end",
)
READ = 256  # scenes of each split whose points are part of the fingerprint


@dataclass(frozen=True)
class Human36m(PhotoData):
    """Human3.6M, subject 11 for testing. Points are read when an image is seen: the index holds none of its 800,000.

    The fingerprint hashes the names and sizes of all images, and the points of each split's first 256 scenes; a scene's
    cached latents also depend on when its own files last changed, the mask among them. So a point that changes makes
    new trials where one of those 256 changes, and new latents wherever it is used.
    """

    layout: str = knob("simplified", "the folders' layout: images cut to the person, or whole ones",
                       choices=("simplified", "raw"))
    background: str = knob("keep", "what lies behind the person: kept, or black as StableKeypoints has it (simplified)",
                           choices=("keep", "black"))
    margin_px: int = knob(100, "what is cut out beyond the joints on each side, in pixels of the file (raw)", low=0,
                          high=1000)

    rules = Rules(normaliser="side of the square around the person", official="mirrored", mirror=HUMAN36M_MIRROR)
    keypoint_names = JOINTS

    def read(self) -> Photos:
        """Return the index; lists folders, and with raw images opens each action's annot.h5, but no image."""
        root = data_root(self.name, self.root, SOURCE)
        if self.background == "black" and self.layout == "raw":
            raise UsageError("data human36m: background=black needs the masks of layout=simplified; raw has none")
        demand(root, (f"S{subject}" for subject in (*TRAIN, *TEST)), SOURCE)
        listed = human36m_raw.files if self.layout == "raw" else human36m_simplified.files
        train, test = ([file for subject in subjects for file in listed(root, f"S{subject}", SOURCE)]
                       for subjects in (TRAIN, TEST))
        files = (*train, *test)
        rows, unknown = np.arange(len(files)), np.float32(np.nan)
        return Photos(root, files, np.empty((len(files), 0, 2), np.float32), np.empty((len(files), 0), bool),
                      np.broadcast_to(unknown, (len(files), 4)), np.broadcast_to(unknown, len(files)),
                      lists={"train": rows[: len(train)], "test": rows[len(train):]},
                      sizes=tuple(sizes(root, files, "annot.h5" if self.layout == "raw" else "WithBackground")))

    def label(self, row: int) -> Label:
        """Return what is known of an image: its points, read now, and with raw images the box around them."""
        if self.layout == "simplified":
            points = human36m_simplified.points(self.path(row), len(JOINTS))
            return scaled(_label(points, np.full(4, np.nan, np.float32), 1.0), self.path(row), 1)
        points = human36m_raw.points(self.path(row), len(JOINTS))
        known = points[_known(points)]
        if not len(known):
            raise UsageError(f"image {self.path(row)}: annot.h5 knows none of its joints")
        low, high = known.min(0) - self.margin_px, known.max(0) + self.margin_px
        return _label(points, np.concatenate((low, high)), float((high - low).max()))

    def image(self, row: int) -> Image.Image:
        """Return an image, before black if so asked."""
        image = super().image(row)
        if self.background == "keep":
            return image
        mask = human36m_simplified.mask(self.path(row))
        shown = open_rgb(mask).convert("L").point(lambda value: 255 * (value > 0))
        if shown.size != image.size:
            shown = shown.resize(image.size, Image.Resampling.BILINEAR)
        return Image.composite(image, Image.new("RGB", image.size), shown)

    def fingerprint(self) -> str:
        """Return a hash of knobs, of all images' names and sizes, and of the first scenes' points."""
        return _fingerprint(self)

    def stamp(self, split: str, index: int) -> str:
        """Return sizes and times of change of all files that a scene is made from."""
        path = self.path(int(self.rows(split)[index]))
        others = [human36m_raw.labels(path) if self.layout == "raw" else human36m_simplified.labels(path)]
        others += [human36m_simplified.mask(path)] * (self.background == "black")
        states = [other.stat() for other in others if other.exists()]
        return ",".join((super().stamp(split, index), *(f"{state.st_size}:{state.st_mtime_ns}" for state in states)))


def _known(points_yx: Numbers) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(points_yx).any(-1) | (points_yx == -1).all(-1)
    return ~missing


def _label(points_yx_px: Numbers, box_px: Numbers, normaliser_px: float) -> Label:
    return Label(points_yx_px, _known(points_yx_px), box_px.astype(np.float32), normaliser_px)


@lru_cache(maxsize=8)
def _fingerprint(data: Human36m) -> str:
    digest = hashlib.sha256(repr((super(Human36m, data).fingerprint(), data.layout, data.background,
                                  data.margin_px)).encode())
    for split in ("optimise", "fit", "test"):
        for row in data.rows(split)[:READ]:
            digest.update(data.label(int(row)).points_yx_px.tobytes())
    return digest.hexdigest()[:12]
