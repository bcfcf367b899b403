"""What files say beside pixels comes out again, as far as it is true: made by Pillow and tifffile, read by them."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image as Pillow
from PIL.PngImagePlugin import PngInfo
from torch import nn

from translate.contracts import Direction
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import DataError
from translate.imaging.appearance.handling import Handling
from translate.imaging.colour.spaces import profile_of
from translate.imaging.io import Image, encode, read
from translate.imaging.metadata.metadata import Metadata

PIXELS = np.random.default_rng(0).integers(1, 255, (64, 96, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'
KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)


def opened(path):
    """A file that Pillow read and closed."""
    with Pillow.open(path) as file:
        file.load()
        file.getexif()
        return file


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in", tmp_path / "out"


@pytest.fixture
def twice(make, tiny):
    class Twice(tiny):
        directions = {"up": Direction(nets=("gen",), scale=2)}

        def translate(self, nets, inputs, direction, draw):
            return nn.functional.interpolate(nets.gen(inputs["image"]), scale_factor=2)

    return make(Twice)


def exif(orientation=1):
    block = Pillow.Exif()
    block[ExifTags.Base.DateTime] = "1999:07:01 12:00:00"
    block[ExifTags.Base.Artist] = "A Name"
    block[ExifTags.Base.Orientation] = orientation
    block.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (50.0, 30.0, 0.5)})
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "1999:07:01 12:00:00"
    return block


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_resolution_date_place_and_artist(make, folders, told, suffix):
    source, out = folders
    block, texts = exif(6), PngInfo()
    if suffix == ".webp":  # Pillow writes no resolution
        block.update({282: 300.0, 283: 200.0, 296: 2})
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    if suffix == ".tif":
        block[700] = XMP
    options = {"pnginfo": texts} if suffix == ".png" else {"xmp": XMP, "lossless": True}
    Pillow.fromarray(PIXELS).save(source / f"scan{suffix}", dpi=(300, 200), exif=block.tobytes(), **options)
    convert(source, out, make(), ConvertOptions(quality=100), console=told)
    made = opened(out / f"scan{suffix}")
    tags = made.getexif()
    assert made.size == (64, 96) and tags.get(ExifTags.Base.Orientation, 1) == 1
    assert tags[ExifTags.Base.DateTime] == "1999:07:01 12:00:00" and tags[ExifTags.Base.Artist] == "A Name"
    assert tags.get_ifd(ExifTags.IFD.GPSInfo)[2] == (50.0, 30.0, 0.5)
    assert tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "1999:07:01 12:00:00"
    dpi = made.info.get("dpi") or (tags[282], tags[283])
    # The image lay on its side: across is down.
    assert (float(dpi[0]), float(dpi[1])) == pytest.approx((200, 300), abs=0.02)
    packet = made.info.get("xmp") or made.info.get("XML:com.adobe.xmp") or made.tag_v2[700]
    assert (packet.encode() if isinstance(packet, str) else packet) == XMP
    if suffix != ".jpg":
        assert np.array_equal(np.asarray(made), np.asarray(Pillow.fromarray(PIXELS).transpose(Pillow.ROTATE_270)))


def test_larger_outputs_have_more_pixels_per_inch(twice, folders, told):
    source, out = folders
    for suffix in (".jpg", ".png", ".tif"):
        Pillow.fromarray(PIXELS).save(source / f"scan{suffix}", dpi=(300, 300))
    convert(source, out, twice, ConvertOptions(), console=told)
    for suffix in (".jpg", ".png", ".tif"):
        assert opened(out / f"scan{suffix}").info["dpi"] == pytest.approx((600, 600), abs=0.02)


def test_no_metadata_where_none_is_asked_for(make, folders, told):
    source, out = folders
    options = {"dpi": (300, 300), "exif": exif().tobytes(), "icc_profile": profile_of("srgb")}
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        Pillow.fromarray(PIXELS).save(source / f"scan{suffix}", **options)
    convert(source, out, make(handling=Handling(metadata="none")), ConvertOptions(), console=told)
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        made = opened(out / f"scan{suffix}")
        assert not {"exif", "xmp", "icc_profile"} & set(made.info) and 300 not in made.info.get("dpi", ())
        assert not {ExifTags.Base.Artist, ExifTags.IFD.GPSInfo} & set(made.getexif())


def test_a_wide_space_without_its_profile_is_srgb(make, folders, told):
    source, out = folders
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 219  # of Adobe RGB: that of sRGB
    Pillow.fromarray(red).save(source / "red.png", icc_profile=profile_of("adobe-rgb"))
    convert(source, out, make(handling=Handling(metadata="none")), ConvertOptions(), console=told)
    assert np.abs(np.asarray(opened(out / "red.png"))[0, 0].astype(int) - (255, 0, 0)).max() <= 3


def geotiff(path, array, keys=KEYS, **more):
    tags = [
        (33550, "d", 3, (0.5, 0.25, 0.0), True),
        (33922, "d", 6, (10, 20, 0, 500000.0, 5400000.0, 0), True),
        (34735, "H", len(keys), keys, True),
        (42113, "s", 0, "0", True),
        (42112, "s", 0, "<GDALMetadata><Item name='AREA'>1</Item></GDALMetadata>", True),
    ]
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(path, array, photometric=photometric, extratags=tags, metadata=None, **more)


def tags_of(path):
    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages.first.tags.values()}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_geotiff_and_its_pixels_without_data(make, folders, told, dtype):
    source, out = folders
    array = (np.random.default_rng(1).random((64, 64, 3)) * np.iinfo(dtype).max).astype(dtype)
    array[:16] = 0
    array[40, 40] = (0, 7, 0)  # a pixel of data, one of whose bands is not 0
    geotiff(source / "tile.tif", array)
    convert(source, out, make(), ConvertOptions(), console=told)
    before, after = tags_of(source / "tile.tif"), tags_of(out / "tile.tif")
    for code in (33550, 33922, 34735, 42112, 42113):
        assert before[code] == after[code], code
    assert np.array_equal(tifffile.imread(out / "tile.tif"), array)


@pytest.mark.parametrize("point", [False, True])
def test_geotiff_of_a_larger_output(twice, folders, told, point):
    source, out = folders
    array = np.full((32, 32, 3), 100, np.uint8)
    array[:8] = 0
    keys = tuple(2 if point and n == 11 else value for n, value in enumerate(KEYS))
    geotiff(source / "tile.tif", array, keys)
    convert(source, out, twice, ConvertOptions(), console=told)
    made = tags_of(out / "tile.tif")
    assert made[33550] == (0.25, 0.125, 0.0)
    # The corner of a pixel doubles its place; its centre c is at 2 c + 1/2.
    assert made[33922] == ((20.5, 40.5, 0, 500000.0, 5400000.0, 0) if point else (20, 40, 0, 500000.0, 5400000.0, 0))
    assert np.array_equal(tifffile.imread(out / "tile.tif"), array.repeat(2, 0).repeat(2, 1))


class Blur(nn.Module):
    """The mean of 5 x 5 pixels."""

    multiple = 1

    def __init__(self):
        super().__init__()
        self.mean = nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(3, 3, 5, groups=3, bias=False))
        nn.init.constant_(self.mean[1].weight, 1 / 25)

    def forward(self, x):
        return self.mean(x)


@pytest.mark.parametrize("tile", ["off", 8])
def test_what_holds_no_data_does_not_bleed(make, folders, told, tile):
    source, out = folders
    array = np.full((64, 64, 3), 200, np.uint8)
    array[:, :20] = 0
    geotiff(source / "tile.tif", array)
    convert(source, out, make(nets={"gen": Blur()}, tile=tile), ConvertOptions(), console=told)
    assert np.array_equal(tifffile.imread(out / "tile.tif"), array)


def test_floats_without_data_stay_without(make, folders, told):
    source, out = folders
    array = np.random.default_rng(4).random((24, 24, 3)).astype(np.float32)
    array[:, 10:15] = -9999
    tag = (42113, "s", 0, "-9999", True)
    tifffile.imwrite(source / "height.tif", array, photometric="rgb", extratags=[tag], metadata=None)
    convert(source, out, make(), ConvertOptions(), console=told)
    made = tifffile.imread(out / "height.tif")
    assert np.array_equal(made == -9999, array == -9999) and np.abs(made - array).max() <= 1e-6
    convert(source, out / "white", make(handling=Handling(white=4.0)), ConvertOptions(), console=told)
    assert np.abs(tifffile.imread(out / "white/height.tif") - array).max() <= 1e-6


def test_data_never_become_none(make, folders, told):
    source, out = folders
    array = np.full((16, 16, 3), 200, np.uint8)
    array[:4] = 0
    geotiff(source / "tile.tif", array)
    black = nn.Conv2d(3, 3, 1)
    nn.init.zeros_(black.weight)
    nn.init.constant_(black.bias, -1)
    convert(source, out, make(nets={"gen": black}), ConvertOptions(), console=told)
    made = tifffile.imread(out / "tile.tif")
    assert not made[:4].any() and (made[4:] == 1).all()


def test_counts_keep_their_white(make, folders, told):
    source, out = folders
    counts = np.random.default_rng(2).integers(0, 4096, (32, 32)).astype(np.uint16)
    tifffile.imwrite(source / "counts.tif", counts, metadata=None, extratags=[(281, "H", 1, 4095, True)])
    tifffile.imwrite(source / "scaled.tif", counts * 16, metadata=None)
    tifffile.imwrite(source / "wrong.tif", counts, metadata=None, extratags=[(281, "H", 1, 100, True)])
    plain = Pillow.fromarray(counts)
    stream = io.BytesIO()
    plain.save(stream, "PNG")
    chunk = struct.pack(">I", 1) + b"sBIT\x0c" + struct.pack(">I", zlib.crc32(b"sBIT\x0c"))
    (source / "counts.png").write_bytes(stream.getvalue()[:33] + chunk + stream.getvalue()[33:])
    half = nn.Conv2d(1, 1, 1)
    nn.init.constant_(half.weight, 0.5)
    nn.init.constant_(half.bias, -0.5)  # half of the brightness: (x + 1) / 2 - 1
    convert(source, out, make(channels=1, nets={"gen": half}), ConvertOptions(), console=told)
    assert read(source / "counts.png").ranges == read(source / "counts.tif").ranges == ((0, 4095),)
    assert read(source / "wrong.tif").ranges is None
    for name in ("counts.tif", "counts.png"):
        made = read(out / name)
        assert made.ranges == ((0, 4095),) and np.abs(made.pixels[..., 0] - counts / 2).max() <= 0.51
    assert tags_of(out / "counts.tif")[281] == 4095
    assert np.abs(read(out / "scaled.tif").pixels[..., 0] - counts * 8.0).max() <= 0.51


def test_texts_of_png(make, folders, told):
    source, out = folders
    texts = PngInfo()
    texts.add_text("Title", "Straße")
    texts.add_text("Comment", "x" * 5000, zip=True)
    texts.add_itxt("Description", "北京")
    Pillow.fromarray(PIXELS).save(source / "a.png", pnginfo=texts)
    convert(source, out, make(), ConvertOptions(), console=told)
    assert opened(out / "a.png").text == {"Title": "Straße", "Comment": "x" * 5000, "Description": "北京"}


def test_gamma_and_primaries_of_png(make, folders, told):
    """gAMA 1: linear light. Networks see sRGB, and the file stays linear."""
    source, out = folders
    stream = io.BytesIO()
    Pillow.fromarray(PIXELS).save(stream, "PNG")
    body = b"gAMA" + struct.pack(">I", 100_000)
    data = stream.getvalue()
    linear = data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    (source / "linear.png").write_bytes(linear)
    convert(source, out, make(), ConvertOptions(), console=told)
    assert np.array_equal(read(out / "linear.png").pixels, PIXELS) and b"gAMA" in (out / "linear.png").read_bytes()
    convert(source, out / "tif", make(), ConvertOptions(format="tif"), console=told)
    assert read(out / "tif/linear.tif").icc is not None
    grey = make(handling=Handling(metadata="none"))(source / "linear.png")
    share = PIXELS / 255
    srgb = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
    assert np.abs(grey - srgb * 255).max() <= 0.6


def test_adobe_rgb_by_exif_alone(make, folders, told):
    source, out = folders
    block = exif()
    block.get_ifd(ExifTags.IFD.Exif)[0xA001] = 0xFFFF
    block.get_ifd(ExifTags.IFD.Exif)[0xA005] = {1: "R03"}
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 219
    Pillow.fromarray(red).save(source / "a.jpg", exif=block.tobytes(), quality=100, subsampling=0)
    seen = make(handling=Handling(metadata="none"))(source / "a.jpg")
    assert np.abs(seen[8, 8].astype(int) - (255, 0, 0)).max() <= 3
    convert(source, out, make(), ConvertOptions(quality=100), console=told)
    assert np.abs(np.asarray(opened(out / "a.jpg")).astype(int) - read(source / "a.jpg").pixels).max() <= 2


def test_descriptions_of_microscopes(make, twice, folders, told):
    source, out = folders
    grey = PIXELS[..., 0]
    tifffile.imwrite(source / "a.ome.tif", grey, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.5})
    convert(source, out, make(channels=1), ConvertOptions(), console=told)
    assert "PhysicalSizeX" in tags_of(out / "a.ome.tif")[270]
    convert(source, out / "2", twice, ConvertOptions(), console=told)
    assert 270 not in tags_of(out / "2/a.ome.tif")  # it would state another size


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif"])
def test_damaged_metadata_decide_about_nothing(folders, make, suffix):
    source, _ = folders
    path = source / f"a{suffix}"
    Pillow.fromarray(PIXELS).save(path, exif=exif().tobytes(), dpi=(300, 300))
    data, pixels = path.read_bytes(), read(path).pixels
    at, draw = data.find(b"A Name"), np.random.default_rng(3)
    assert at > 0
    for _ in range(60):
        mutant = bytearray(data)
        # Among the entries and values of EXIF, whose last ones these are.
        mutant[at - int(draw.integers(0, 60))] = int(draw.integers(0, 256))
        path.write_bytes(mutant)
        try:
            image = read(path)
        except DataError as error:  # TIFF: an entry of its one directory leads out of the file
            assert suffix == ".tif" and "damaged" in str(error)
            continue
        output = make().translate_image(image)
        if suffix != ".tif":
            assert np.array_equal(output.pixels, pixels)
        assert encode(output, suffix)


def test_odd_metadata_keep_no_image_from_being_written():
    odd = Metadata(resolution=(float("inf"), 1.0), texts=(("x", "\ud800"),), exif=b"II*\0junk", white=(0.0, 1e300))
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        assert encode(Image(PIXELS, metadata=odd), suffix)
