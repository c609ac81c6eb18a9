"""glTF scenes: every primitive of triangles where its node puts it, with its material."""

from pathlib import Path

import numpy as np

from harness.data.rendering.gltf_file import Document, Node, Numbers
from harness.data.rendering.gltf_materials import GltfMap, GltfMaterial, Materials
from harness.data.rendering.parts import PLAIN, Layer, Part, Reading, layer, refuse
from harness.data.rendering.raster import Floats, Index

TRIANGLES, STRIP, FAN = 4, 5, 6
DRACO, INSTANCES = "KHR_draco_mesh_compression", "EXT_mesh_gpu_instancing"


def read_gltf(path: Path) -> Reading:
    """Return a glTF file's parts, one for each primitive of each node."""
    document, reading = Document(path), Reading()
    materials = Materials(document, reading)
    places = _places(document)
    for index, matrix in places.items():
        node = document.one("nodes", index)
        if INSTANCES in node.get("extensions", {}):
            refuse(f"node {index} is drawn many times by the extension {INSTANCES}, which is not supported")
        if "mesh" not in node:
            continue
        mesh = document.one("meshes", node["mesh"])
        weights = list(node.get("weights") or mesh.get("weights") or [])
        for number, primitive in enumerate(mesh["primitives"]):
            if primitive.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN):
                what = f"mesh {mesh.get('name', node['mesh'])!r} primitive {number}"
                points = _vertices(document, primitive, weights, what)
                points = _skinned(document, node, primitive, points, places, matrix)
                reading.parts.append(_part(document, primitive, points, materials, what))
            else:
                reading.note("points and lines are not drawn")
    return reading


def _places(document: Document) -> dict[int, Floats]:
    """Return the matrix (4 x 4) of every node of the scene that is shown."""
    scenes, nodes = document.all("scenes"), document.all("nodes")
    if scenes:
        waiting = list(document.one("scenes", document.json.get("scene", 0)).get("nodes", []))
    else:
        children = {child for node in nodes for child in node.get("children", [])}
        waiting = [index for index in range(len(nodes)) if index not in children]
    places: dict[int, Floats] = {}
    stack: list[tuple[int, Floats]] = [(index, np.eye(4)) for index in reversed(waiting)]
    while stack:
        index, above = stack.pop()
        if index in places:
            refuse(f"cannot be read: node {index} has two parents")
        node = document.one("nodes", index)
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
            continue
        places[index] = above @ _local(node)
        stack.extend((child, places[index]) for child in reversed(node.get("children", [])))
    return places


def _local(node: Node) -> Floats:
    """Return a node's own matrix (4 x 4): scaled, turned, then moved."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", [0.0, 0.0, 0.0, 1.0])
    turn = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", [1.0, 1.0, 1.0]))
    matrix[:3, 3] = node.get("translation", [0.0, 0.0, 0.0])
    return matrix


def _vertices(document: Document, primitive: Node, weights: list[float], what: str) -> Floats:
    """Return a primitive's vertices (N 3), its morph targets added by their weights."""
    attributes = primitive["attributes"]
    if "POSITION" not in attributes:
        refuse(f"{what} has no vertices (POSITION)")
    if DRACO in primitive.get("extensions", {}):
        # Beside the compressed form a file may hold the plain one; without a bufferView there is none.
        for index in [*attributes.values(), *([primitive["indices"]] if "indices" in primitive else [])]:
            if "bufferView" not in document.one("accessors", index):
                refuse(f"{what} is compressed with the extension {DRACO}, which is not supported")
    points = document.numbers(attributes["POSITION"]).astype(np.float64)
    for weight, target in zip(weights, primitive.get("targets", []), strict=False):
        if weight and "POSITION" in target:
            points = points + weight * document.numbers(target["POSITION"])
    return points


def _skinned(document: Document, node: Node, primitive: Node, points: Floats, places: dict[int, Floats],
             matrix: Floats) -> Floats:
    """Return vertices in the scene: where their joints hold them, otherwise where the node puts them."""
    attributes = primitive["attributes"]
    if "skin" not in node or "JOINTS_0" not in attributes or "WEIGHTS_0" not in attributes:
        return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])
    skin = document.one("skins", node["skin"])
    holds = np.stack([places.get(joint, np.eye(4)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        back = document.numbers(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        holds = holds @ back[:len(holds)]
    place, total = np.zeros_like(points), np.zeros((len(points), 1))
    for name in sorted(name for name in attributes if name.startswith("JOINTS_")):
        joints = document.numbers(attributes[name]).astype(np.int64)
        shares = document.numbers(attributes[name.replace("JOINTS", "WEIGHTS")]).astype(np.float64)
        for joint, share in zip(joints.T, shares.T, strict=True):
            pull = np.einsum("nij,nj->ni", holds[joint, :3, :3], points) + holds[joint, :3, 3]
            place, total = place + share[:, None] * pull, total + share[:, None]
    return np.where(total > 0, place / np.maximum(total, 1e-12), points)


def _part(document: Document, primitive: Node, points: Floats, materials: Materials, what: str) -> Part:
    """Return a primitive's triangles with their coats."""
    faces = _faces(document, primitive, len(points), what)
    tint = _tint(document, primitive, len(points), what)
    if "material" not in primitive:
        colours = np.full((len(faces), 3, 3), PLAIN) if tint is None else tint[faces]
        return Part(points[faces], Layer(colours))
    material: GltfMaterial = materials[primitive["material"]]
    shade = np.ones((len(faces), 3, 3)) if tint is None else tint[faces]
    base = _layer(document, primitive, material.base, shade * material.colour, faces, materials)
    glow = None
    if material.glow.any():
        shining = np.broadcast_to(material.glow, (len(faces), 3, 3)).copy()
        glow = _layer(document, primitive, material.glow_map, shining, faces, materials)
    return Part(points[faces], base, glow)


def _faces(document: Document, primitive: Node, count: int, what: str) -> Index:
    """Return a primitive's triangles (F 3)."""
    order = np.arange(count)
    if "indices" in primitive:
        order = document.numbers(primitive["indices"]).astype(np.int64)
    if order.max(initial=-1) >= count:
        refuse(f"cannot be read: {what} names a vertex that is not among its {count}")
    mode = primitive.get("mode", TRIANGLES)
    if mode == TRIANGLES:
        return order[:len(order) // 3 * 3].reshape(-1, 3)
    if mode == FAN:
        return np.stack([np.broadcast_to(order[:1], order[2:].shape), order[1:-1], order[2:]], -1)
    strip = np.stack([order[:-2], order[1:-1], order[2:]], -1)
    strip[1::2] = strip[1::2, [1, 0, 2]]  # every second one runs the other way round
    return strip


def _tint(document: Document, primitive: Node, count: int, what: str) -> Floats | None:
    """Return the vertices' colours (N 3), None without any."""
    index = primitive["attributes"].get("COLOR_0")
    if index is None:
        return None
    colours = document.numbers(index)
    if len(colours) != count:
        refuse(f"cannot be read: {what} has {len(colours)} colours for {count} vertices")
    if colours.dtype.kind in "ui":  # meant as fractions even where the file forgets to say so
        colours = colours / float(np.iinfo(colours.dtype).max)
    if not np.isfinite(colours).all():
        refuse(f"a colour of {what} is not finite")
    return np.asarray(colours[:, :3], dtype=np.float64).clip(0, 1)


def _layer(document: Document, primitive: Node, image: GltfMap | None, colours: Floats, faces: Index,
           materials: Materials) -> Layer:
    """Return a coat: the colours, times the texture where the primitive has the coordinates that it takes."""
    if image is None:
        return Layer(colours)
    name = f"TEXCOORD_{image.coordinates}"
    if name not in primitive["attributes"]:
        materials.reading.note(f"a texture is not drawn: a primitive has no {name}")
        return Layer(colours)
    uv: Numbers = document.numbers(primitive["attributes"][name]).astype(np.float64)
    return layer(colours, image.at(uv[faces]), image.texture, f"{name}")
