"""glTF scenes are drawn as their materials say, or refused by name."""

import base64

import numpy as np
import pytest
from PIL import Image

from harness.data.rendering.meshes import load_mesh
from harness.errors import UsageError
from tests.data.rendering.mesh_files import FACES, PLACES, UV, Gltf, grey16, letters, picture, png, quarters, textured

DOWN = np.stack([UV[:, 0], 1 - UV[:, 1]], -1)  # coordinates as glTF has them
TRANSFORM = "KHR_texture_transform"


def moved(**transform):
    return textured(extensions={TRANSFORM: transform})


@pytest.mark.parametrize("kind", ["floats", "bytes", "shorts", "without alpha"])
def test_vertex_colours_multiply_the_factor_and_the_texture(tmp_path, kind):
    tint = np.tile(np.array([[0.6, 0.4, 0.2, 1]], np.float32), (4, 1))
    tint = {"bytes": (tint * 255).astype(np.uint8), "shorts": (tint * 65535).astype(np.uint16),
            "without alpha": tint[:, :3].copy()}.get(kind, tint)
    plain = {"baseColorFactor": [0.5, 1, 1, 1]}
    path = Gltf({"pbrMetallicRoughness": plain}, {"COLOR_0": tint}).save(tmp_path / "plain.glb")
    assert quarters(path) == pytest.approx(np.tile([0.3, 0.4, 0.2], (4, 1)), abs=0.02)
    both = {"pbrMetallicRoughness": {**plain, "baseColorTexture": {"index": 0}}}
    path = Gltf(both, {"COLOR_0": tint}).save(tmp_path / "both.glb")
    expected = [[0.3, 0, 0], [0, 0.4, 0], [0, 0, 0.2], [0.3, 0.4, 0.2]]
    assert quarters(path) == pytest.approx(np.array(expected), abs=0.02)


def test_a_colour_that_is_not_a_number_is_refused(tmp_path):
    path = Gltf(attributes={"COLOR_0": np.full((4, 3), np.nan, np.float32)}).save(tmp_path / "a.glb")
    with pytest.raises(UsageError, match="a colour of mesh 0 primitive 0 is not finite"):
        load_mesh(path)


@pytest.mark.parametrize("extension", ["KHR_texture_basisu", "KHR_draco_mesh_compression", "EXT_meshopt_compression",
                                       "EXT_mesh_gpu_instancing", "ACME_secret"])
def test_a_required_extension_that_is_not_read_is_refused_by_name(tmp_path, extension):
    path = Gltf(textured(), extensionsUsed=[extension], extensionsRequired=[extension]).save(tmp_path / "a.glb")
    with pytest.raises(UsageError, match=f"a.glb: requires the extension {extension}, which is not supported"):
        load_mesh(path)


def test_required_extensions_that_change_no_colour_are_read(tmp_path):
    path = Gltf(textured(), extensionsRequired=["KHR_materials_unlit", TRANSFORM]).save(tmp_path / "a.glb")
    assert letters(path) == "RGBW"


def test_a_texture_that_is_there_only_in_an_optional_extension_is_refused(tmp_path):
    file = Gltf(textured(), textures=[{"extensions": {"KHR_texture_basisu": {"source": 0}}}])
    with pytest.raises(UsageError, match="texture 0 of material 0 is there only in KHR_texture_basisu"):
        load_mesh(file.save(tmp_path / "a.glb"))
    file.json["textures"][0]["source"] = 0
    assert letters(file.save(tmp_path / "b.glb")) == "RGBW"


def test_a_compressed_primitive_is_refused_unless_the_plain_numbers_are_there_too(tmp_path):
    draco = {"extensions": {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}}
    file = Gltf(textured(), primitive=draco)
    assert letters(file.save(tmp_path / "a.glb")) == "RGBW"
    del file.json["accessors"][0]["bufferView"]
    with pytest.raises(UsageError, match="compressed with the extension KHR_draco_mesh_compression"):
        load_mesh(file.save(tmp_path / "b.glb"))


def test_optional_compression_of_buffers_without_a_fallback_is_refused(tmp_path):
    file = Gltf(textured())
    for view in file.json["bufferViews"]:
        view.update(buffer=1, extensions={"EXT_meshopt_compression": {"buffer": 0}})
    file.json["buffers"] = [{"byteLength": len(file.blob)}, {"byteLength": len(file.blob)}]
    with pytest.raises(UsageError, match="compressed with the extension EXT_meshopt_compression"):
        load_mesh(file.save(tmp_path / "a.glb"))


def test_optional_instances_are_refused(tmp_path):
    nodes = [{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 0}}}}]
    with pytest.raises(UsageError, match="drawn many times by the extension EXT_mesh_gpu_instancing"):
        load_mesh(Gltf(nodes=nodes).save(tmp_path / "a.glb"))


@pytest.mark.parametrize(("transform", "expected"), [
    ({"scale": [0.5, 0.5]}, "RRRR"), ({"scale": [0.5, 0.5], "offset": [0.5, 0]}, "GGGG"),
    ({"scale": [0.5, 0.5], "offset": [0, 0.5]}, "BBBB"), ({"scale": [1, -1], "offset": [0, 1]}, "BWRG"),
    # The specification's example: the image's lower left quarter; with the whole image it is turned clockwise.
    ({"scale": [0.5, 0.5], "offset": [0, 1], "rotation": np.pi / 2}, "BBBB"),
    ({"offset": [0, 1], "rotation": np.pi / 2}, "BRWG"),
])
def test_texture_transforms_are_applied(tmp_path, transform, expected):
    assert letters(Gltf(moved(**transform)).save(tmp_path / "a.glb")) == expected


@pytest.mark.parametrize("material", [textured(texCoord=1), moved(texCoord=1)])
def test_the_second_set_of_coordinates(tmp_path, material):
    sets = {"TEXCOORD_0": np.zeros((4, 2), np.float32), "TEXCOORD_1": DOWN}
    assert letters(Gltf(material, sets).save(tmp_path / "a.glb")) == "RGBW"


def test_a_set_of_coordinates_that_is_not_there_is_told(tmp_path):
    path = Gltf(textured(texCoord=2)).save(tmp_path / "a.glb")
    assert picture(path)[1] == ("a texture is not drawn: a primitive has no TEXCOORD_2",)


@pytest.mark.parametrize(("wrap", "above"), [(10497, "RG"), (33648, "GR"), (33071, "GG")])
@pytest.mark.parametrize("axis", [0, 1])
def test_wrap_modes(tmp_path, wrap, above, axis):
    coordinates = DOWN.copy()
    coordinates[:, axis] = 1.0425 + 0.7 * coordinates[:, axis]  # 1.2 and 1.6 in the middles of the quarters
    sampler = [{"wrapS": wrap if axis == 0 else 10497, "wrapT": wrap if axis == 1 else 10497}]
    path = Gltf(textured(), {"TEXCOORD_0": coordinates}, samplers=sampler,
                textures=[{"source": 0, "sampler": 0}]).save(tmp_path / "a.glb")
    shown = letters(path)
    across = {"R": "R", "G": "B"}  # below red lies blue
    assert shown[:2] == above if axis == 0 else shown[0] + shown[2] == "".join(across[c] for c in above)


def test_nearest_texels_stay_as_they_are(tmp_path):
    two = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8))
    file = Gltf(textured(), picture_bytes=png(two), samplers=[{"magFilter": 9728}],
                textures=[{"source": 0, "sampler": 0}])
    assert letters(file.save(tmp_path / "a.glb")) == "RGRG"


def test_images_of_16_bits_keep_their_greys(tmp_path):
    path = Gltf(textured(), picture_bytes=grey16(0.25)).save(tmp_path / "a.glb")
    assert quarters(path) == pytest.approx(np.full((4, 3), 0.25), abs=0.02)


@pytest.mark.parametrize("black", [True, False])
def test_light_that_a_material_sends_out_is_added_and_not_lit(tmp_path, black):
    base = {"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1]}} if black else {}
    shown, _ = picture(Gltf({**base, "emissiveFactor": [0.2, 0.4, 0]}).save(tmp_path / "factor.glb"))
    assert shown[20, 20].tolist() == ([51, 102, 0, 255] if black else [255, 255, *shown[20, 20, 2:]])
    both = {**base, "emissiveFactor": [1, 1, 1], "emissiveTexture": {"index": 0}}
    shown, _ = picture(Gltf(both).save(tmp_path / "texture.glb"))
    assert shown[20, 20, 0] == 255
    assert (shown[20, 20, 1] == 0) == black
    strong = {**base, "emissiveFactor": [0.2, 0, 0],
              "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 2}}}
    shown, _ = picture(Gltf(strong).save(tmp_path / "strong.glb"))
    assert shown[20, 20, 0] == (102 if black else 255)


def test_coordinates_that_are_not_numbers_are_refused_in_a_line(tmp_path):
    path = Gltf(textured(), {"TEXCOORD_0": np.full((4, 2), np.nan, np.float32)}).save(tmp_path / "a.glb")
    with pytest.raises(UsageError, match=r"a.glb: a texture coordinate of TEXCOORD_0 is not finite"):
        load_mesh(path)


@pytest.mark.parametrize("mode", ["MASK", "BLEND"])
def test_transparency_is_told_and_drawn_opaque(tmp_path, mode):
    clear = Image.merge("RGBA", [*Image.new("RGB", (4, 4), (255, 0, 0)).split(), Image.new("L", (4, 4), 20)])
    path = Gltf({"name": "leaf", "alphaMode": mode, **textured()}, picture_bytes=png(clear)).save(tmp_path / "a.glb")
    assert picture(path)[1] == (f"material 'leaf' is transparent (alphaMode {mode}), drawn opaque",)
    assert letters(path) == "RRRR"
    assert picture(Gltf({"alphaMode": mode, **textured()}).save(tmp_path / "b.glb"))[1] == ()  # nothing is clear


@pytest.mark.parametrize(("uri", "name"), [("my%20tex.png", "my tex.png"), ("TEX.PNG", "tex.png"),
                                           ("sub\\tex.png", "sub/tex.png"), ("a%b.png", "a%b.png"), ("data", "")])
def test_names_of_images_and_buffers(tmp_path, uri, name):
    file = Gltf(textured())
    if name:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
        (tmp_path / "my bin.bin").write_bytes(file.blob)
        file.json["buffers"] = [{"uri": "My%20Bin.bin", "byteLength": len(file.blob)}]
    else:
        uri = "data:image/png;base64," + base64.b64encode(png()).decode()
        whole = "data:application/octet-stream;base64," + base64.b64encode(file.blob).decode()
        file.json["buffers"] = [{"uri": whole, "byteLength": len(file.blob)}]
    file.json["images"] = [{"uri": uri}]
    assert letters(file.save(tmp_path / "a.gltf")) == "RGBW"


@pytest.mark.parametrize(("what", "message"), [
    ("image", r"material 'wood': its texture .*gone.png is missing"), ("buffer", "its buffer .*gone.bin is missing"),
    ("torn", r"its texture \(image 0\) of material 'wood' is unreadable"), ("net", "lies on the net"),
    ("old", "is glTF 1.0, only glTF 2 is supported"), ("vertex", "names a vertex that is not among its 4"),
])
def test_what_is_missing_or_broken_is_named(tmp_path, what, message):
    file = Gltf({"name": "wood", **textured()}, picture_bytes=b"not an image" if what == "torn" else None)
    if what in ("image", "net"):
        file.json["images"] = [{"uri": "gone.png" if what == "image" else "https://a.org/b.png"}]
    elif what == "buffer":
        file.json["buffers"] = [{"uri": "gone.bin", "byteLength": 1}]
    elif what == "old":
        file.json["asset"]["version"] = "1.0"
    elif what == "vertex":
        file.json["meshes"][0]["primitives"][0]["indices"] = file.add(np.array([0, 1, 9], np.uint16))
    with pytest.raises(UsageError, match=message) as caught:
        load_mesh(file.save(tmp_path / "a.glb"))
    assert "\n" not in str(caught.value)


def test_a_missing_image_that_no_picture_needs_is_not_asked_for(tmp_path):
    file = Gltf({**textured(), "normalTexture": {"index": 1}}, textures=[{"source": 0}, {"source": 1}])
    file.json["images"].append({"uri": "gone.png"})
    assert letters(file.save(tmp_path / "a.glb")) == "RGBW"


@pytest.mark.parametrize("mode", ["strip", "fan", "sparse", "fractions", "mirrored", "morph", "skin", "no scene"])
def test_triangles_in_other_forms(tmp_path, mode):
    file = Gltf(textured())
    one, node = file.json["meshes"][0]["primitives"][0], file.json["nodes"][0]
    if mode == "strip":
        one.update(mode=5, indices=file.add(np.array([0, 1, 3, 2], np.uint16)))
    elif mode == "fan":
        one.update(mode=6, indices=file.add(np.array([0, 1, 2, 3], np.uint16)))
    elif mode == "sparse":
        index, values = file.view(np.array([1, 2, 3], np.uint16).tobytes()), file.view(DOWN[1:].tobytes())
        one["attributes"]["TEXCOORD_0"] = file.add(np.tile(DOWN[:1], (4, 1)), sparse={
            "count": 3, "indices": {"bufferView": index, "componentType": 5123}, "values": {"bufferView": values}})
    elif mode == "fractions":
        one["attributes"]["TEXCOORD_0"] = file.add((DOWN * 65535).astype(np.uint16), normalized=True)
    elif mode == "mirrored":
        node["scale"] = [-1, 1, 1]
    elif mode == "morph":
        one["attributes"]["POSITION"] = file.add(PLACES * 0)
        one["targets"] = [{"POSITION": file.add(PLACES)}]
        file.json["meshes"][0]["weights"] = [1.0]
    elif mode == "skin":
        one["attributes"]["JOINTS_0"] = file.add(np.zeros((4, 4), np.uint8))
        one["attributes"]["WEIGHTS_0"] = file.add(np.tile(np.array([[1, 0, 0, 0]], np.float32), (4, 1)))
        node.update(skin=0, rotation=[0, 1, 0, 0])  # which a skin leaves out
        file.json["nodes"].append({"rotation": [0, 0, 1, 0]})  # half a turn in the picture
        file.json.update(skins=[{"joints": [1]}], scenes=[{"nodes": [0, 1]}])
    else:
        del file.json["scenes"]
    assert letters(file.save(tmp_path / "a.glb")) == {"mirrored": "GRWB", "skin": "WBGR"}.get(mode, "RGBW")


def test_a_node_that_is_hidden_is_not_drawn(tmp_path):
    hidden = {"mesh": 0, "translation": [9, 0, 0], "extensions": {"KHR_node_visibility": {"visible": False}}}
    file = Gltf(textured(), nodes=[{"mesh": 0}, hidden], scenes=[{"nodes": [0, 1]}])
    assert letters(file.save(tmp_path / "a.glb")) == "RGBW"


def test_a_material_that_lets_light_through_is_told(tmp_path):
    glass = {"name": "glass", "extensions": {"KHR_materials_transmission": {"transmissionFactor": 0.9}}}
    words = "material 'glass' lets light through (KHR_materials_transmission), drawn opaque"
    assert picture(Gltf(glass).save(tmp_path / "a.glb"))[1] == (words,)


def test_the_older_material_of_specular_and_glossiness(tmp_path):
    gloss = {"diffuseFactor": [1, 0.5, 0, 1], "diffuseTexture": {"index": 0}}
    path = Gltf({"extensions": {"KHR_materials_pbrSpecularGlossiness": gloss}}).save(tmp_path / "a.glb")
    assert quarters(path)[3] == pytest.approx([1, 0.5, 0], abs=0.02)


@pytest.mark.parametrize("copies", [True, False])
def test_parts_share_the_levels_of_equal_images(tmp_path, copies):
    file = Gltf(textured())
    file.json["materials"] = [textured() for _ in range(8)]
    if copies:
        file.json["images"] = [{"bufferView": file.view(png())} for _ in range(8)]
        file.json["textures"] = [{"source": number} for number in range(8)]
        for number, material in enumerate(file.json["materials"]):
            material["pbrMetallicRoughness"]["baseColorTexture"]["index"] = number
    one = file.json["meshes"][0]["primitives"][0]
    file.json["meshes"][0]["primitives"] = [{**one, "material": number} for number in range(8)]
    mesh = load_mesh(file.save(tmp_path / "a.glb"))
    assert len(mesh.corners) == 8 * len(FACES)
    assert len(mesh.textures) == 1
