"""Human3.6M: people acting before four cameras, with 32 joints from motion capture, the six actions that papers use.

``layout: simplified`` is the release of the unsupervised literature (Zhang et al. 2018), cut to the person:
``S<n>/WithBackground/<action>/<frame>.jpg`` are the images, ``S<n>/BackgroudMask/<action>/<frame>.png`` the masks (this
spelling). ``S<n>/Landmarks/<action>/<frame>.mat`` holds ``keypoints_2d`` (32 x 2) as shares of the image, in the order
(row, column) as in StableKeypoints and AutoLink.
``layout: raw`` is the output of github.com/anibali/h36m-fetch: ``S<n>/<action>/imageSequence/<camera>/img_<frame>.jpg``
(six digits), and ``S<n>/<action>/annot.h5`` with ``camera``, ``frame`` and ``pose/2d`` (x, y) in pixels from the upper
left corner, as in StableKeypoints. A square around the person is cut, 100 px wider on each side. StableKeypoints also
shifts it at random; here a scene must be the same each time.

Subjects 1, 5, 6, 7, 8, 9 are for training, 11 for testing. An action's folder is its name, then anything but a letter;
StableKeypoints takes every folder with this beginning, so with raw images WalkingDog too. The unit of errors is the
side of the visible square. All joints are visible, except those at NaN or (-1, -1). Their order is that of the authors'
skeleton: hips, right leg, left leg, spine and head, left arm, right arm.

Ionescu et al.: Human3.6M, TPAMI 2014, http://vision.imar.ro/human3.6m (licence on request); Zhang et al.: Unsupervised
Discovery of Object Landmarks as Structural Representations, CVPR 2018, github.com/YutingZhang/lmdis-rep
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data._images import data_root, file_sizes, open_rgb, require_files
from harness.data._photos import Label, Numbers, PhotoData, Photos, scale_label
from harness.data.base import SPLITS, Rules
from harness.data.formats import human36m_raw, human36m_simplified
from harness.errors import UsageError
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
# Left and right among the joints as in StableKeypoints and AutoLink: 28 is the counterpart of both 20 and 21. Surely
# (21, 29) was meant, but scores that compare with theirs need the same list.
HUMAN36M_MIRROR = (0, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16, 25, 26, 27, 28, 28, 30, 31, 24, 17, 18, 19,
                   21, 29, 22, 23)
HASHED_SCENES = 256  # scenes of each split whose points are part of the fingerprint


@dataclass(frozen=True)
class Human36m(PhotoData):
    """Human3.6M, subject 11 for testing. Points are read together with an image: the index of 800,000 holds none.

    The fingerprint hashes the names and sizes of all images, and the points of each split's first 256 scenes. A change
    of other points makes no new trials; cached latents notice it, because they depend on the times of change of the
    scene's files.
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
        require_files(root, (f"S{subject}" for subject in (*TRAIN, *TEST)), SOURCE)
        layout = human36m_raw if self.layout == "raw" else human36m_simplified
        train, test = ([file for subject in subjects for file in layout.files(root, f"S{subject}", SOURCE)]
                       for subjects in (TRAIN, TEST))
        files = (*train, *test)
        rows, nan = np.arange(len(files)), np.float32(np.nan)
        return Photos(root, files, np.empty((len(files), 0, 2), np.float32), np.empty((len(files), 0), bool),
                      np.broadcast_to(nan, (len(files), 4)), np.broadcast_to(nan, len(files)),
                      lists={"train": rows[: len(train)], "test": rows[len(train):]},
                      sizes=tuple(file_sizes(root, files, "annot.h5" if self.layout == "raw" else "WithBackground")))

    def label(self, row: int) -> Label:
        """Return an image's points, read from their file, and with raw images the box around them."""
        if self.layout == "simplified":
            points = human36m_simplified.points(self.path(row), len(JOINTS))
            whole = np.full(4, np.nan, np.float32)
            return scale_label(Label(points, _annotated(points), whole, 1.0), self.path(row), 1)
        points = human36m_raw.points(self.path(row), len(JOINTS))
        annotated = points[_annotated(points)]
        if not len(annotated):
            raise UsageError(f"image {self.path(row)}: annot.h5 has none of its joints")
        low, high = annotated.min(0) - self.margin_px, annotated.max(0) + self.margin_px
        box = np.concatenate((low, high)).astype(np.float32)
        return Label(points, _annotated(points), box, float((high - low).max()))

    def image(self, row: int) -> Image.Image:
        """Return an image, with a black background if the knob says so."""
        image = super().image(row)
        if self.background == "keep":
            return image
        mask = open_rgb(human36m_simplified.mask(self.path(row))).convert("L").point(lambda value: 255 * (value > 0))
        if mask.size != image.size:
            mask = mask.resize(image.size, Image.Resampling.BILINEAR)
        return Image.composite(image, Image.new("RGB", image.size), mask)

    @lru_cache(maxsize=8)  # noqa: B019  equal datasets share the result
    def fingerprint(self) -> str:
        """Return a hash of knobs, of all images' names and sizes, and of the first scenes' points."""
        digest = hashlib.sha256(repr((super().fingerprint(), self.layout, self.background, self.margin_px)).encode())
        for split in SPLITS:
            for row in self.rows(split)[:HASHED_SCENES]:
                digest.update(self.label(int(row)).points_yx_px.tobytes())
        return digest.hexdigest()[:12]

    def stamp(self, split: str, index: int) -> str:
        """Return sizes and times of change of all files of a scene."""
        path = self.path(int(self.rows(split)[index]))
        others = [human36m_raw.labels(path) if self.layout == "raw" else human36m_simplified.labels(path)]
        others += [human36m_simplified.mask(path)] * (self.background == "black")
        states = [other.stat() for other in others if other.exists()]
        return ",".join((super().stamp(split, index), *(f"{state.st_size}:{state.st_mtime_ns}" for state in states)))


def _annotated(points_yx: Numbers) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(points_yx).any(-1) | (points_yx == -1).all(-1)
    return ~missing
