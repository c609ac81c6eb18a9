"""KeypointNet's layout in small: chairs of boxes as coloured point clouds and, if asked for, meshes."""

import json
from pathlib import Path

import numpy as np

CLASS = "03001627"
BOXES = {  # centre and half size in ShapeNet's frame: y up, the front towards -z
    "seat": ((0, 0, 0), (0.25, 0.03, 0.25)), "back": ((0, 0.3, 0.23), (0.25, 0.3, 0.03)),
    "leg": ((0.2, -0.25, -0.2), (0.04, 0.25, 0.04)),
}
COLOURS = {"seat": (200, 120, 40), "back": (120, 40, 200), "leg": (40, 40, 60)}


def sides(name):
    """The six sides of a box: corner, first edge, second edge."""
    centre, half = np.array(BOXES[name][0], float), np.diag(BOXES[name][1])
    for axis in range(3):
        for sign in (-1, 1):
            a, b = half[(axis + 1) % 3], half[(axis + 2) % 3]
            yield centre + sign * half[axis] - a - b, 2 * a, 2 * b


def points_of(seed, count=1200):
    """Random points of the chair's surface, and their colours; the first are the keypoints."""
    rng = np.random.default_rng(seed)
    squares = [(name, *square) for name in BOXES for square in sides(name)]
    areas = np.array([np.linalg.norm(np.cross(a, b)) for _, _, a, b in squares])
    chosen = rng.choice(len(squares), count, p=areas / areas.sum())
    points = np.stack([squares[i][1] + u * squares[i][2] + v * squares[i][3]
                       for i, (u, v) in zip(chosen, rng.uniform(size=(count, 2)), strict=True)])
    colours = np.array([COLOURS[squares[i][0]] for i in chosen])
    points[:4] = keypoints()
    return points, colours


def keypoints():
    """Middle of the back's front, of its rear, the seat's front edge, the leg's foot."""
    return np.array([[0, 0.4, 0.20], [0, 0.4, 0.26], [0, 0.03, -0.25], [0.2, -0.5, -0.2]])


def write_pcd(path, points, colours):
    packed = colours @ np.array([65536, 256, 1])
    rows = "\n".join(f"{x:.6f} {y:.6f} {z:.6f} {rgb}" for (x, y, z), rgb in zip(points, packed, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f"WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\n"
    path.write_text("VERSION .7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
                    f"{size}DATA ascii\n{rows}\n")


def write_obj(path):
    lines = []
    for name, (corner, a, b) in [(box, side) for box in BOXES for side in sides(box)]:
        colour = " ".join(f"{value / 255:.4f}" for value in COLOURS[name])
        places = (corner, corner + a, corner + a + b, corner + b)
        lines += [f"v {' '.join(f'{v:.6f}' for v in place)} {colour}" for place in places]
    lines += [f"f {i} {i + 1} {i + 2}\nf {i} {i + 2} {i + 3}" for i in range(1, len(lines), 4)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_ply(path, scale=1.0):
    """The chair as the publishers' PLY files: ASCII, coloured vertices."""
    rows = [(scale * place, COLOURS[name]) for name in BOXES for corner, a, b in sides(name)
            for place in (corner, corner + a, corner + a + b, corner + b)]
    vertices = "\n".join(f"{x:.6f} {y:.6f} {z:.6f} {' '.join(map(str, rgb))}" for (x, y, z), rgb in rows)
    faces = "\n".join(f"3 {i} {i + 1} {i + 2}\n3 {i} {i + 2} {i + 3}" for i in range(0, len(rows), 4))
    head = "".join(f"property {kind}\n" for kind in ("float x", "float y", "float z", "uchar red", "uchar green",
                                                     "uchar blue"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"ply\nformat ascii 1.0\nelement vertex {len(rows)}\n{head}element face {len(rows) // 2}\n"
                    f"property list uchar int vertex_indices\nend_header\n{vertices}\n{faces}\n")


def entry(model, semantic=(0, 1, 5, 7)):
    """One model's annotation; point k of the cloud is keypoint k."""
    points = [{"xyz": keypoints()[k].tolist(), "rgb": [9, 9, 9], "semantic_id": number,
               "pcd_info": {"point_index": k}, "mesh_info": {"face_index": 0, "face_uv": [1, 0, 0]}}
              for k, number in enumerate(semantic)]
    return {"class_id": CLASS, "model_id": model, "keypoints": points,
            "symmetries": {"reflection": [{"kp_indexes": [0, 1]}], "rotation": []}}


def keypointnet_tree(root: Path, train=4, test=2, meshes=False) -> Path:
    models = [f"{number:032x}" for number in range(train + test + 1)]
    lists = {"train": models[:train], "val": models[train:train + 1], "test": models[train + 1:]}
    (root / "annotations").mkdir(parents=True)
    (root / "splits").mkdir()
    for number, model in enumerate(models):
        write_pcd(root / "pcds" / CLASS / f"{model}.pcd", *points_of(number))
        if meshes:
            write_obj(root / "models" / CLASS / f"{model}.obj")
    entries = [entry(model) for model in models]
    entries[0]["keypoints"].pop()  # the first model lacks semantic id 7
    (root / "annotations" / "chair.json").write_text(json.dumps(entries))
    for name, listed in lists.items():
        (root / "splits" / f"{name}.txt").write_text(
            "02691156-aeroplane\n" + "".join(f"{CLASS}-{model}\n" for model in listed))
    return root
