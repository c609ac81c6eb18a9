"""CelebA and MAFL in their public layout, with faces of a few pixels."""

from pathlib import Path

from PIL import Image

COUNT = 8
TRAINING, TESTING = (1, 2, 3, 4), (6, 7)  # 5 and 8 are in CelebA alone
EYES = (3, 4, 9, 12)  # x, y of the left and of the right eye: 10 pixels apart, a triangle of 6 and 8
OTHERS = (7, 9, 5, 14, 8, 15)
SIZE = (16, 20)
HEADS = {"points": "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x "
                   "rightmouth_y", "boxes": "image_id x_1 y_1 width height"}
COVERING, SMALL = "2 3 12 8", "2 3 12 7"  # 96 and 84 of 320 pixels: 0.3 of them, and less


def face(path: Path) -> None:
    """Write an image with one white pixel, the left eye; without loss, whatever its name."""
    image = Image.new("RGB", SIZE)
    image.putpixel(EYES[:2], (255, 255, 255))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG")


def annotations(path: Path, head: str, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([str(len(lines)), head, *lines]) + "\n")


def tree(root: Path) -> Path:
    """Write both protocols; the boxes of faces 2 and 7 are too small for the wild."""
    files = [f"{number:06d}.jpg" for number in range(1, COUNT + 1)]
    numbers = " ".join(map(str, EYES + OTHERS))
    for name in ("list_landmarks_align_celeba.txt", "list_landmarks_celeba.txt"):
        annotations(root / "Anno" / name, HEADS["points"], [f"{file}  {numbers}" for file in files])
    annotations(root / "Anno/list_bbox_celeba.txt", HEADS["boxes"],
                [f"{file} {SMALL if file[5] in '27' else COVERING}" for file in files])
    for name, rows in (("training", TRAINING), ("testing", TESTING)):
        (root / "MAFL").mkdir(exist_ok=True)
        (root / f"MAFL/{name}.txt").write_text("".join(f"{row:06d}.jpg\n" for row in rows))
    for file in files:
        face(root / "Img/img_celeba" / file)
        face(root / "Img/img_align_celeba_png" / file.replace("jpg", "png"))
    return root
