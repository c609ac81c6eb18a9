"""KeypointNet's ShapeNet models with human 3D keypoints, rendered into Zero123++'s six views.

You et al., KeypointNet: A Large-scale 3D Keypoint Dataset Aggregated from Numerous Human Annotations, CVPR 2020;
https://github.com/qq456cvb/KeypointNet. The data is for research; ShapeNet's terms hold for the models.

Layout: annotations/<category>.json, pcds/<class id>/<model id>.pcd, splits/{train,val,test}.txt with lines
``<class id>-<model id>``. Meshes, for ``source: mesh`` and for the visibility of keypoints, are as published in
ShapeNetCore.v2.ply/<class id>/<model id>.ply inside the folder or beside it, or in models/<class id>, see `MESHES`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data._images import data_root, file_sizes, path_inside, require_files
from harness.data._objects import ObjectData, Objects
from harness.data.base import Rules, Survey
from harness.data.formats.keypointnet_lists import read_annotations, read_list
from harness.data.rendering.keypointnet_shapes import CloudShape, MeshShape, extent_px, shows
from harness.data.rendering.meshes import apply_placement, load_mesh, placement
from harness.data.rendering.point_clouds import closed_surface, read_pcd, surface
from harness.data.rendering.raster import Floats, Picture
from harness.errors import UsageError
from harness.ops.seeds import seed_of
from harness.registry import knob

if TYPE_CHECKING:
    import torch

    import harness.data._scene
    import harness.ops.geometry

VERSION = 2  # raise when a scene of the same files and knobs comes out different
SOURCE = "https://github.com/qq456cvb/KeypointNet"
CLASSES = {
    "airplane": "02691156", "bathtub": "02808440", "bed": "02818832", "bottle": "02876657", "cap": "02954340",
    "car": "02958343", "chair": "03001627", "guitar": "03467517", "helmet": "03513137", "knife": "03624134",
    "laptop": "03642806", "motorcycle": "03790512", "mug": "03797390", "skateboard": "04225987", "table": "04379243",
    "vessel": "04530566",
}  # WordNet ids
MESHES = (
    "models/{class_id}/{model}.ply", "models/{class_id}/{model}.obj", "models/{class_id}/{model}.glb",
    "models/{class_id}/{model}/models/model_normalized.ply", "models/{class_id}/{model}/models/model_normalized.obj",
    "ShapeNetCore.v2.ply/{class_id}/{model}.ply", "../ShapeNetCore.v2.ply/{class_id}/{model}.ply",
    "ShapeNetCore.v2/{class_id}/{model}/models/model_normalized.obj",
    "../ShapeNetCore.v2/{class_id}/{model}/models/model_normalized.obj",
)
CONDITION_PX = 512  # side of the condition view: Zero123++ scales it to this size
FRAME = 0.1  # of the object's radius: how far a cloud may reach out of the mesh that it was taken from


@dataclass(frozen=True)
class Models(Objects):
    """The models' files and keypoints: places in the file's frame (NaN: none), indices in the cloud (-1: none)."""

    annotation: Path
    files: tuple[str, ...]
    meshes: tuple[str, ...]  # that decide visibility, "" where the cloud does
    xyz: Floats  # M K 3
    point: np.ndarray[Any, np.dtype[np.int64]]  # M K
    semantic: tuple[int, ...]  # K


@dataclass(frozen=True)
class KeypointNet(ObjectData):
    """The models of one category; keypoints are its semantic ids. A model without some of them does not show these.

    A model is scaled to the unit ball, which all cameras see, and rotated from ShapeNet's axes (front -z, y up) to the
    world's (front x, z up). The condition view has a random azimuth, because ShapeNet's models all face one way. If a
    model has several keypoints with one semantic id, the last counts, as in the publishers' benchmark. Symmetry is
    ignored, so errors on models with rotational or mirror symmetry are upper bounds. The unit of errors is the longer
    side of the box around the model's vertices or points in the view, which is that of its silhouette.
    """

    rules = Rules(normaliser="longer side of the box around the model in the view")
    category: str = knob("chair", "class by name or WordNet id", choices=(*CLASSES, *CLASSES.values()))
    source: str = knob("points", "draw the coloured point cloud, or the mesh", choices=("points", "mesh"))
    visibility: str = knob("mesh", "what hides a cloud's keypoints: its model's mesh where there is one, or the cloud",
                           choices=("mesh", "points"))
    turned: bool = knob(True, "take the condition view from a random azimuth; false: from the front")

    @property
    def keypoint_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The semantic ids as names."""
        return tuple(f"kp{number}" for number in self.models.semantic)

    @property
    def models(self) -> Models:
        """The index."""
        index = self.objects
        assert isinstance(index, Models)
        return index

    def read(self) -> Models:
        """Return the listed models; opens none of them."""
        root, name_of = data_root(self.name, self.root, SOURCE), {number: name for name, number in CLASSES.items()}
        name = name_of.get(self.category, self.category)
        annotation = root / "annotations" / f"{name}.json"
        list_files = {kind: root / "splits" / f"{kind}.txt" for kind in ("train", "val", "test")}
        require_files(root, [f"annotations/{name}.json", "splits/train.txt", "splits/test.txt"], SOURCE)
        keypoints = read_annotations(annotation, CLASSES[name], SOURCE)
        lists = {kind: read_list(path, CLASSES[name], set(keypoints), annotation)
                 for kind, path in list_files.items() if path.is_file()}
        for path, models in ((list_files[kind], models) for kind, models in lists.items() if kind != "val"):
            if not models:
                raise UsageError(f"{path}: names no model of {name} ({CLASSES[name]})")
        both = set(lists["train"]) & set(lists["test"])
        if both:
            raise UsageError(f"{list_files['test']}: {min(both)} is in {list_files['train']} too")
        order = sorted({model for models in lists.values() for model in models})
        row_of = {model: row for row, model in enumerate(order)}
        for model in order:
            path_inside(root, model, str(annotation))
        files, meshes = self._files(root, CLASSES[name], order)
        listed = [*files, *filter(None, meshes)]
        lengths, listed = file_sizes(root, listed, str(annotation)), [name.removeprefix("../") for name in listed]
        semantic = tuple(sorted({number for model in order for number in keypoints[model]}))
        xyz, point = np.full((len(order), len(semantic), 3), np.nan), np.full((len(order), len(semantic)), -1)
        for row, model in enumerate(order):
            for number, (place, index) in keypoints[model].items():
                xyz[row, semantic.index(number)], point[row, semantic.index(number)] = place, index
        digest = hashlib.sha256(repr((VERSION, list(zip(listed, lengths, strict=True)))).encode())
        for path in (annotation, *(list_files[kind] for kind in lists)):
            digest.update(path.read_bytes())
        rows = {kind: np.array([row_of[model] for model in models], dtype=np.int64) for kind, models in lists.items()}
        return Models(tuple(order), rows, digest.hexdigest(), root, annotation, files, meshes, xyz, point,
                      semantic)

    def _files(self, root: Path, class_id: str, models: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the models' files to draw, and their meshes, "" for none."""
        places = [pattern for pattern in MESHES if (root / pattern.split("{")[0] / class_id).is_dir()]
        meshes = tuple(self._mesh(root, class_id, model, places) for model in models)
        if self.source == "points":
            clouds = tuple(f"pcds/{class_id}/{model}.pcd" for model in models)
            return clouds, meshes if self.visibility == "mesh" else ("",) * len(models)
        if "" in meshes:
            first = MESHES[0].format(class_id=class_id, model=models[meshes.index("")])
            raise UsageError(f"mesh {root / first}: missing; nor is it in ShapeNetCore.v2.ply or ShapeNetCore.v2, in "
                             "the folder or beside it")
        return meshes, meshes

    def _mesh(self, root: Path, class_id: str, model: str, places: list[str]) -> str:
        names = (place.format(class_id=class_id, model=model) for place in places)
        return next((name for name in names if (root / name).is_file()), "")

    def stamp(self, split: str, index: int) -> str:
        """Return the sizes and times of change of the model's files."""
        row = int(self.rows(split)[index])
        names = sorted({self.models.files[row], self.models.meshes[row]} - {""})
        states = [(self.models.root / name).stat() for name in names]
        return " ".join(f"{state.st_size}:{state.st_mtime_ns}" for state in states)

    def scene(self, split: str, index: int) -> "harness.data._scene.Scene":
        """Return a model's six views and its keypoints in the world."""
        import torch

        from harness.data._scene import Scene
        from harness.ops.geometry import project

        models, row = self.models, int(self.rows(split)[index])
        cameras, condition = self._cameras(models.names[row])
        shape, xyz = self._shape(models, row)
        annotated = np.asarray(np.isfinite(xyz).all(-1))
        points_xyz = torch.from_numpy(np.where(annotated[:, None], xyz, 0.0))
        points_yx = project(cameras, points_xyz)
        views, visible, sides = [], [], []
        for matrix, points in zip(cameras.matrices.double().numpy(), points_yx.numpy(), strict=True):
            views.append(shape.picture(matrix, self.side_px))
            visible.append(shows(shape.surface, matrix, points_xyz.numpy(), points) & annotated)
            sides.append(extent_px(shape.points, matrix, self.side_px))
        first = shape.picture(condition.matrices[0].double().numpy(), max(self.side_px, CONDITION_PX))
        is_known = torch.from_numpy(annotated)[:, None]
        return Scene(
            name=f"keypointnet/{models.files[row].removeprefix('../')}",
            views=torch.stack([_float(picture) for picture in views]),
            condition=_float(first), points_yx=torch.where(is_known, points_yx, 0.5).float(),
            visible=torch.from_numpy(np.stack(visible)),
            normaliser_px=torch.tensor(sides),
            cameras=cameras, points_xyz=torch.where(is_known, points_xyz, torch.nan).float(),
        )

    def survey(self) -> Survey:
        """Return counts of models and keypoints, and the models that cannot be opened."""
        models, errors = self.models, []
        for row in range(len(models.names)):
            try:
                self._shape(models, row)
            except UsageError as error:
                errors.append(str(error))
        counts = np.isfinite(models.xyz).all(-1).sum(1)
        found = (f"{len(models.names)} models of {self.category} in {models.root}",
                 *(f"published list {name!r}: {len(rows)}" for name, rows in models.lists.items()),
                 *super().survey().found,
                 self._judged(models),
                 f"{len(models.semantic)} semantic ids, {counts.sum()} keypoints, {counts.mean():.1f} of a model")
        return Survey(found, tuple(errors))

    def _judged(self, models: Models) -> str:
        count = sum(name != "" for name in models.meshes)
        return (f"visibility of keypoints: {count} of {len(models.meshes)} models have a mesh that decides it; of the "
                "others the point cloud does, which is less often right")

    def _cameras(self, model: str) -> tuple["harness.ops.geometry.Cameras", "harness.ops.geometry.Cameras"]:
        from harness.ops.geometry import orbit, zero123plus_cameras

        rng = np.random.default_rng(seed_of("keypointnet", "cameras", model))
        azimuth, elevation = float(rng.uniform(0, 360)) if self.turned else 0.0, float(rng.uniform(-10, 30))
        return zero123plus_cameras(azimuth, self.version), orbit([azimuth], [elevation])

    def _shape(self, models: Models, row: int) -> tuple[CloudShape | MeshShape, Floats]:
        """Return a model's shape and its keypoints (K 3), both in the world."""
        path, name = models.root / models.files[row], models.names[row]
        if self.source == "mesh":
            mesh = load_mesh(path)
            turn, shift = placement(mesh.corners, "sphere", "shapenet")
            return MeshShape(apply_placement(mesh, turn, shift)), models.xyz[row] @ turn.T + shift
        points, colours = read_pcd(path)
        index = models.point[row]
        if index.max(initial=-1) >= len(points):
            raise UsageError(f"{models.annotation}: model {name}: point_index {index.max()}, but {path} has "
                             f"{len(points)} points")
        turn, shift = placement(points, "sphere", "shapenet")
        xyz = np.where(index[:, None] >= 0, points[index], np.nan) @ turn.T + shift
        placed = points @ turn.T + shift
        hiding = self._mesh_around(models, row, placed, turn, shift) if models.meshes[row] else closed_surface(placed)
        return CloudShape(surface(points, colours), turn, shift, hiding), xyz

    def _mesh_around(self, models: Models, row: int, placed: Floats, turn: Floats, shift: Floats) -> Floats:
        """Return a model's mesh in the world; raise UsageError if the model's cloud (N 3) was not taken from it."""
        path = models.root / models.meshes[row]
        try:
            corners = load_mesh(path).corners @ turn.T + shift
        except UsageError as error:
            raise UsageError(f"{error}; or set data.visibility to points") from error
        low, high = corners.min((0, 1)), corners.max((0, 1))
        outside = max((low - placed.min(0)).max(), (placed.max(0) - high).max())
        if outside > FRAME or np.ptp(placed, axis=0).max() < (high - low).max() / 2:
            raise UsageError(f"mesh {path}: not in the frame of {models.root / models.files[row]}: move it away "
                             "or set data.visibility to points")
        return corners


def _float(picture: Picture) -> "torch.Tensor":
    import torch

    from harness.data._pixels import on_grey

    return on_grey(torch.from_numpy(picture.rgba)).permute(2, 0, 1).float() / 255
