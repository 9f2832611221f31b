"""Pictures and decoded frames by DICOMweb, against pydicom, numpy and Pillow."""

import os
import signal
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy
import pydicom
import pytest
import requests
from collector import Authority, Collector
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from test_dicomweb import Web, body, encoded, part, status, with_web
from world import DEADLINE, ROOT, until

PIXELS = ROOT / "node" / "tests" / "data" / "pixels"
OBJECTS = ROOT / "node" / "tests" / "data" / "dicom" / "objects"
EXPLICIT = "1.2.840.10008.1.2.1"
OCTETS = "multipart/related; type=application/octet-stream"
# As a browser asks for a page, for a picture, and as OHIF asks for frames.
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PICTURE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = with_web(tmp_path_factory.mktemp("pictures") / "clinic")
    try:
        yield Web(site.start())
        assert "panicked" not in site.said(), site.said()[-4000:]
    finally:
        site.close()


def kept(web, file, **attributes):
    """An object of a study of its own, stored: it, and its path."""
    data = pydicom.dcmread(file, force=True) if isinstance(file, Path) else file
    data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = (generate_uid() for _ in range(3))
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.PatientID = "PICTURES"
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    answer = web.post(body(part(encoded(data))))
    assert answer.status_code == 200, answer.text
    return data, f"/studies/{data.StudyInstanceUID}/series/{data.SeriesInstanceUID}/instances/{data.SOPInstanceUID}"


def picture(answer):
    assert answer.status_code == 200, answer.text[:300]
    image = Image.open(BytesIO(answer.content))
    assert image.get_format_mimetype() == answer.headers["Content-Type"]
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    return numpy.asarray(image).astype(int)


def parts(answer):
    """The heads and contents of a multipart body."""
    assert answer.status_code == 200, answer.text[:300]
    boundary = answer.headers["Content-Type"].split("boundary=")[1].encode()
    pieces = answer.content.split(b"\r\n--" + boundary)
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    return [piece.removeprefix(b"\r\n").split(b"\r\n\r\n", 1) for piece in pieces[1:-1]]


def windowed(data, center, width):
    """PS3.3 C.11.2.1.2, on values after rescale."""
    values = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    shown = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    return numpy.clip(shown, 0, 255)


def test_a_window_is_what_the_standard_computes(web):
    data, path = kept(web, OBJECTS / "CT_small.dcm")
    for center, width in ((40, 400), (-600.5, 1500), (1000, 1), (0, 2)):
        for function in (",linear", ""):
            got = picture(web.get(f"{path}/rendered?window={center},{width}{function}&accept=image/png", Accept=PICTURE))
            if width > 1:
                assert abs(got - windowed(data, center, width)).max() <= 1, (center, width)
            else:
                assert set(numpy.unique(got)) <= {0, 255}
    got = picture(web.get(f"{path}/frames/1/rendered?window=40%2C400%2Clinear", Accept="image/png"))
    assert abs(got - windowed(data, 40, 400)).max() <= 1
    lossy = picture(web.get(f"{path}/rendered?window=40,400,linear&quality=100", Accept=PICTURE))
    assert abs(lossy - windowed(data, 40, 400)).mean() < 2


def test_monochrome1_is_the_other_way_round(web):
    attributes = {"WindowCenter": 40, "WindowWidth": 400}
    _, path = kept(web, OBJECTS / "CT_small.dcm", **attributes)
    _, other = kept(web, OBJECTS / "CT_small.dcm", PhotometricInterpretation="MONOCHROME1", **attributes)
    one, two = (picture(web.get(f"{each}/rendered", Accept="image/png")) for each in (path, other))
    assert one.std() > 10 and abs(one + two - 255).max() <= 1


def test_colours_are_shown(web):
    us, path = kept(web, PIXELS / "color-px.dcm")
    rgb = picture(web.get(f"{path}/rendered", Accept="image/png"))
    assert rgb.shape == (us.Rows, us.Columns, 3) and (rgb == us.pixel_array).all()
    # Planes, and a palette of 16 bits.
    planes = pydicom.dcmread(PIXELS / "color-px.dcm")
    planes.PlanarConfiguration = 1
    planes.PixelData = us.pixel_array.transpose(2, 0, 1).tobytes()
    _, path = kept(web, planes)
    assert (picture(web.get(f"{path}/rendered", Accept="image/png")) == us.pixel_array).all()
    palette = pydicom.dcmread(OBJECTS / "CT_small.dcm")
    palette.PhotometricInterpretation, palette.PixelRepresentation = "PALETTE COLOR", 0
    del palette.PixelPaddingValue
    for at, colour in enumerate(("Red", "Green", "Blue")):
        # Longer than what metadata keeps, as real palettes are.
        entries = (numpy.arange(4096) * (at + 1) * 16 % 65536).astype("<u2")
        palette.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [4096, 0, 16])
        setattr(palette, f"{colour}PaletteColorLookupTableData", entries.tobytes())
    palette, path = kept(web, palette)
    shown = pydicom.pixels.apply_color_lut(palette.pixel_array, palette) >> 8
    assert abs(picture(web.get(f"{path}/rendered", Accept="image/png")) - shown).max() <= 1


def test_what_browsers_and_viewers_ask_for_is_what_they_get(web):
    data, path = kept(web, OBJECTS / "CT_small.dcm")
    for accept in (PAGE, PICTURE, "*/*", "image/jpeg", "image/*"):
        answer = web.get(f"{path}/rendered?viewport=512,512", Accept=accept)
        assert answer.headers["Content-Type"] == "image/jpeg" and picture(answer).shape == (512, 512)
    assert web.get(f"{path}/rendered?accept=image/png", Accept=PAGE).headers["Content-Type"] == "image/png"
    assert picture(web.get(f"{path}/thumbnail", Accept=PICTURE)).shape == (128, 128)
    assert picture(web.get(f"{path}/thumbnail?viewport=64,32")).shape == (32, 32)
    for place in (path.split("/instances/")[0], path.split("/series/")[0]):
        assert picture(web.get(f"{place}/thumbnail", Accept=PICTURE)).shape == (128, 128)
        assert picture(web.get(f"{place}/rendered", Accept=PICTURE)).shape == (data.Rows, data.Columns)
    for accept in ("image/gif", "application/dicom+json", "video/mp4", "text/html"):
        answer = web.get(f"{path}/rendered", Accept=accept)
        assert answer.status_code == 406 and "image/jpeg" in answer.text, accept
    for query in ("viewport=0,5", "viewport=x", "window=1", "window=1,2,cubic", "quality=0", "quality=101"):
        answer = web.get(f"{path}/rendered?{query}")
        assert answer.status_code == 400 and "cannot be read" in answer.text or "whole number" in answer.text, query
    assert web.get(f"{path}/rendered?viewport=9000,9000").status_code == 413
    assert web.get(f"{path}/frames/2/rendered").status_code == 404
    annotated = web.get(f"{path}/rendered?annotation=patient,technique")
    assert "not supported: patient,technique" in annotated.headers["Warning"] and picture(annotated).any()
    (native,) = parts(web.get(f"{path}/frames/1", Accept=OHIF))
    assert native[1] == data.PixelData and EXPLICIT.encode() in native[0]


def test_frames_are_decoded_bit_by_bit(web):
    known = {(name, int(number)): digest for name, number, digest in
             (line.split("\t") for line in (PIXELS / "frames.tsv").read_text().splitlines())}
    for name in ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "JLSL_16_15_1_1F.dcm",
                 "emri_small_RLE.dcm", "JPEG-LL.dcm", "SC_rgb_rle_2frame.dcm", "HTJ2KLossless_08_RGB.dcm", "693_J2KI.dcm"):
        file = next(folder / name for folder in (PIXELS, OBJECTS) if (folder / name).exists())
        data, path = kept(web, file)
        compressed = data.file_meta.TransferSyntaxUID
        (decoded,) = parts(web.get(f"{path}/frames/1", Accept=f"{OCTETS}; transfer-syntax={EXPLICIT}"))
        assert sha256(decoded[1]).hexdigest() == known[(name, 0)], name
        assert f"application/octet-stream; transfer-syntax={EXPLICIT}".encode() in decoded[0]
        single = web.get(f"{path}/frames/1", Accept=f"application/octet-stream; transfer-syntax={EXPLICIT}")
        assert single.content == decoded[1], name
        assert int(single.headers["Content-Length"]) == len(decoded[1])
        # A client that takes everything gets it as it is kept.
        pieces = list(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=int(data.get("NumberOfFrames", 1))))
        for accept in (OHIF, f"{OCTETS}; transfer-syntax={compressed}"):
            (one,) = parts(web.get(f"{path}/frames/1", Accept=accept))
            assert one[1] == pieces[0] and compressed.encode() in one[0], name
    plain = pydicom.dcmread(OBJECTS / "MR_small.dcm").pixel_array
    _, path = kept(web, OBJECTS / "MR_small_RLE.dcm")
    got = web.get(f"{path}/frames/1", Accept="application/octet-stream").content
    assert (numpy.frombuffer(got, "<i2").reshape(plain.shape) == plain).all()
    data, path = kept(web, OBJECTS / "SC_rgb_rle_2frame.dcm")
    two = parts(web.get(f"{path}/frames/2,1", Accept=OCTETS))
    both = [numpy.frombuffer(content, "u1").reshape(data.Rows, data.Columns, 3) for _, content in two]
    assert (both[0] == data.pixel_array[1]).all() and (both[1] == data.pixel_array[0]).all()
    assert two[0][0].endswith(b"/frames/2") and two[1][0].endswith(b"/frames/1")
    pictures = parts(web.get(f"{path}/frames/1,2/rendered", Accept="multipart/related; type=image/png"))
    for (head, content), frame in zip(pictures, data.pixel_array, strict=True):
        assert b"image/png" in head and (numpy.asarray(Image.open(BytesIO(content))) == frame).all()
    other = web.get(f"{path}/frames/1", Accept=f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.4.90")
    assert other.status_code == 406 and "1.2.840.10008.1.2.5" in other.text
    # Of one bit: frames begin inside of bytes until they are decoded.
    bits = numpy.random.default_rng(1).integers(0, 2, (3, 5, 7), "u1")
    mask = pydicom.dcmread(OBJECTS / "liver_rle.dcm")
    mask.file_meta.TransferSyntaxUID = EXPLICIT
    mask.NumberOfFrames, mask.Rows, mask.Columns = bits.shape
    mask.PixelData = numpy.packbits(bits.ravel(), bitorder="little").tobytes() + bytes(2)
    mask["PixelData"].VR, mask["PixelData"].is_undefined_length = "OB", False
    _, path = kept(web, mask)
    for accept in (OCTETS, OHIF):
        ((_, got),) = parts(web.get(f"{path}/frames/3", Accept=accept))
        got = numpy.unpackbits(numpy.frombuffer(got, "u1"), bitorder="little")
        assert (got[:35].reshape(5, 7) == bits[2]).all()


def test_an_instance_is_given_uncompressed(web):
    files = [OBJECTS / name for name in ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_implicit.dcm",
             "MR_small_bigendian.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_jpeg_dcmtk.dcm", "image_dfl.dcm", "rtdose.dcm")]
    changed = {"PhotometricInterpretation", "PlanarConfiguration", "PixelData", "LossyImageCompression"}
    for file in (*files, PIXELS / "emri_small_RLE.dcm"):
        data, path = kept(web, file)
        if data.file_meta.TransferSyntaxUID == EXPLICIT:
            continue
        wanted = f"application/dicom; transfer-syntax={EXPLICIT}"
        answer = web.get(path, Accept=wanted)
        assert answer.status_code == 200, (file.name, answer.text)
        assert answer.headers["Content-Type"] == wanted
        got = pydicom.dcmread(BytesIO(answer.content))
        assert got.file_meta.TransferSyntaxUID == EXPLICIT and got.SOPInstanceUID == data.SOPInstanceUID
        assert len(got.PixelData) % 2 == 0
        if file.name == "SC_rgb_jpeg_dcmtk.dcm":
            assert got.PhotometricInterpretation in ("RGB", "YBR_FULL") and got.LossyImageCompression == "01"
            assert abs(got.pixel_array.astype(int) - data.pixel_array).max() <= 1
        else:
            assert (got.pixel_array == data.pixel_array).all(), file.name
        for element in data:
            if element.tag.element and element.keyword not in changed and element.tag.group < 0x7FE0:
                assert got[element.tag].value == element.value, (file.name, element.tag)
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
        ((head, content),) = parts(web.get(path, Accept=accept))
        assert content == answer.content and EXPLICIT.encode() in head
        assert web.get(path, Accept=wanted, If_None_Match=answer.headers["ETag"]).status_code == 304
        untouched = pydicom.dcmread(BytesIO(web.get(path, Accept="application/dicom; transfer-syntax=*").content))
        assert untouched.file_meta.TransferSyntaxUID == data.file_meta.TransferSyntaxUID
        assert untouched.PixelData == data.PixelData
    report, path = kept(web, OBJECTS / "test-SR.dcm")
    got = pydicom.dcmread(BytesIO(web.get(path, Accept=f"application/dicom; transfer-syntax={EXPLICIT}").content))
    assert got.ContentSequence == report.ContentSequence


def test_going_back_in_a_deflated_object_has_an_end(web):
    for name, ends in (("image_dfl.dcm", True), ("MR_small_RLE.dcm", False)):
        _, path = kept(web, OBJECTS / name)
        for accept in (OHIF, OCTETS):
            some = web.get(f"{path}/frames/{','.join(['1'] * 17)}", Accept=accept)
            assert len({content for _, content in parts(some)}) == 1 and len(parts(some)) == 17
            many = web.get(f"{path}/frames/{','.join(['1'] * 18)}", Accept=accept)
            assert many.status_code == (400 if ends else 200), name
            assert not ends or "ascending" in many.text


def test_what_stands_behind_the_pixels_of_an_instance_is_given_too(web):
    for name in ("MR_small_RLE.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "SC_rgb_jpeg_dcmtk.dcm", "image_dfl.dcm"):
        data = pydicom.dcmread(OBJECTS / name)
        signature = pydicom.Dataset()
        signature.MACIDNumber, signature.DigitalSignatureUID = 1, generate_uid()
        signature.Signature = b"signed"
        data.DigitalSignaturesSequence = [signature]
        data.DataSetTrailingPadding = bytes(range(64))
        data, path = kept(web, data)
        for accept in (f"application/dicom; transfer-syntax={EXPLICIT}", f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'):
            answer = web.get(path, Accept=accept)
            assert answer.status_code == 200, (name, answer.text)
            content = parts(answer)[0][1] if accept.startswith("multipart") else answer.content
            got = pydicom.dcmread(BytesIO(content))
            assert got.file_meta.TransferSyntaxUID == EXPLICIT
            assert got.DataSetTrailingPadding == data.DataSetTrailingPadding, name
            assert got.DigitalSignaturesSequence == data.DigitalSignaturesSequence, name
    # A header that is read when there is memory for it.
    for name in ("MR_small_RLE.dcm", "MR_small_implicit.dcm"):
        data = pydicom.dcmread(OBJECTS / name)
        data.TextValue = "long " * 600_000
        data, path = kept(web, data)
        answer = web.get(path, Accept=f"application/dicom; transfer-syntax={EXPLICIT}")
        got = pydicom.dcmread(BytesIO(answer.content))
        assert got.TextValue == data.TextValue.rstrip() and (got.pixel_array == data.pixel_array).all()


def test_lossy_images_are_shown(web):
    for name in ("JPEG-lossy.dcm", "SC_rgb_small_odd_jpeg.dcm", "dx_image.dcm", "JPEGLSNearLossless_16.dcm"):
        data, path = kept(web, PIXELS / name)
        image = picture(web.get(f"{path}/rendered", Accept=PICTURE))
        assert image.shape[:2] == (data.Rows, data.Columns) and image.std() > 0, name


def test_an_unchanged_picture_is_not_made_again(web):
    _, path = kept(web, OBJECTS / "CT_small.dcm")
    place = f"{path}/rendered?window=40,400,linear&viewport=256,256"
    tag = web.get(place).headers["ETag"]
    again = web.get(place, If_None_Match=tag)
    assert again.status_code == 304 and not again.content and again.headers["ETag"] == tag
    for other in (f"{path}/rendered?window=41,400,linear&viewport=256,256", f"{path}/rendered", f"{path}/thumbnail"):
        assert web.get(other, If_None_Match=tag).status_code == 200
    assert web.get(place, If_None_Match=tag, Accept="image/png").status_code == 200
    _, path = kept(web, OBJECTS / "MR_small_RLE.dcm")
    first = web.get(f"{path}/frames/1", Accept=OCTETS)
    assert web.get(f"{path}/frames/1", Accept=OCTETS, If_None_Match=first.headers["ETag"]).status_code == 304
    assert web.get(f"{path}/frames/1", Accept=OHIF, If_None_Match=first.headers["ETag"]).status_code == 200


def test_what_has_no_image_is_refused_in_words(web):
    _, path = kept(web, OBJECTS / "test-SR.dcm")
    for what in ("rendered", "thumbnail", "frames/1/rendered"):
        answer = web.get(f"{path}/{what}", Accept=PAGE)
        assert answer.status_code == 406 and "holds no image" in answer.text and "画像がありません" in answer.text
    video = pydicom.dcmread(PIXELS / "JPEG-lossy.dcm")
    video.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    _, path = kept(web, video)
    answer = web.get(f"{path}/rendered", Accept=PICTURE)
    assert answer.status_code == 406 and "cannot be decoded" in answer.text
    assert web.get("/studies/1.2.3/rendered").status_code == 404


def test_a_damaged_image_hides_no_other(web):
    def sealed():
        return {file for file in web.site.data.rglob("[0-9]*") if file.is_file() and file.stat().st_size > 1000}

    before, study = sealed(), generate_uid()
    for uid in (study, study):
        data = pydicom.dcmread(OBJECTS / "CT_small.dcm")
        data.StudyInstanceUID, data.SeriesInstanceUID, data.SOPInstanceUID = uid, generate_uid(), generate_uid()
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        assert web.post(body(part(encoded(data)))).status_code == 200
        if len(new := sealed() - before) == 1:
            (first,) = new
    damaged = bytearray(first.read_bytes())
    damaged[100] ^= 1
    first.write_bytes(damaged)
    answers = [web.get(f"/studies/{study}/rendered"), web.get(f"/studies/{study}/series/{data.SeriesInstanceUID}/rendered")]
    assert picture(answers[0]).std() > 0 and answers[0].content == answers[1].content


def heavy():
    """A small file whose image is large: it keeps a decoder busy."""
    data = pydicom.dcmread(OBJECTS / "SC_rgb_small_odd.dcm")
    data.Rows = data.Columns = 5000
    image = BytesIO()
    Image.new("RGB", (5000, 5000)).save(image, "JPEG2000", no_jp2=True)
    data.PixelData = encapsulate([image.getvalue()])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.PlanarConfiguration, data.PhotometricInterpretation = 0, "YBR_RCT"
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
    return data


def test_what_ends_a_decoder_costs_one_request(web):
    _, good = kept(web, OBJECTS / "MR_small_jp2klossless.dcm")
    first = web.get(f"{good}/rendered")
    assert picture(first).std() > 0
    _, bad = kept(web, heavy())
    before = status(web.site)["memory_bytes"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(web.get, f"{bad}/rendered")
        # As the kernel does with whoever uses up its memory.
        large = until("a decoder at work", lambda: [pid for pid in decoders_of(web.site) if resident(pid) > 150 << 20])
        for pid in large:
            os.kill(pid, signal.SIGKILL)
        answer = asked.result()
    assert answer.status_code == 500 and "limit of memory or computing time" in answer.text
    assert web.get(f"{good}/rendered").content == first.content
    assert status(web.site)["memory_bytes"] - before < 256 * 1024 * 1024


def test_what_is_no_image_costs_one_request(web):
    _, good = kept(web, OBJECTS / "MR_small_jp2klossless.dcm")
    first = web.get(f"{good}/rendered")
    torn = pydicom.dcmread(OBJECTS / "MR_small_jp2klossless.dcm")
    (stream,) = pydicom.encaps.generate_frames(torn.PixelData, number_of_frames=1)
    torn.PixelData = encapsulate([stream[:40]])
    _, bad = kept(web, torn)
    answer = web.get(f"{bad}/rendered")
    assert answer.status_code == 409 and "damaged" in answer.text
    _, bad = kept(web, OBJECTS / "CT_small.dcm", BitsStored=40)
    answer = web.get(f"{bad}/rendered")
    assert answer.status_code == 409 and "contradict" in answer.text
    assert web.get(f"{good}/rendered").content == first.content
    # One that is killed while it has nothing to do is replaced.
    children = decoders_of(web.site)
    assert children
    for child in children:
        os.kill(child, signal.SIGKILL)
    until("no decoder", lambda: all(state(child) in ("Z", None) for child in children))
    assert web.get(f"{good}/rendered").content == first.content


def state(pid):
    """The state of a process as the kernel writes it; none when there is none of this number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def resident(pid):
    """Bytes of memory that a process uses."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def decoders_of(site):
    """The processes of a node that decode."""
    node = site.node.pid
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = (place / "stat").read_text().rsplit(")", 1)[1].split()
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(parent[1]) == node and parent[0] != "Z" and b"decode-child" in words:
            found.append(int(place.name))
    return found


def test_many_pictures_at_once(web):
    _, path = kept(web, OBJECTS / "CT_small.dcm")
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda at: web.get(f"{path}/rendered?window={at},400,linear"), range(48)))
    assert all(answer.status_code == 200 for answer in got)
    assert len({answer.content for answer in got}) > 40
    assert len(decoders_of(web.site)) <= os.cpu_count()


def test_auditors_hear_who_saw_what(tmp_path):
    authority = Authority(tmp_path / "authority")
    collector = Collector(*authority.issue("collector", "subjectAltName=IP:127.0.0.1")).open()
    site = with_web(tmp_path / "clinic")
    try:
        with open(site.data / "dokuei.toml", "a") as config:
            config.write(f'\n[audit]\nsyslog = "127.0.0.1:{collector.port}"\nca = "{authority.file}"\n')
        web = Web(site.start(), name="viewer")
        data, path = kept(web, OBJECTS / "CT_small.dcm")
        assert web.get("/studies?PatientName=Nobody", Accept="application/dicom+json").status_code == 200
        for _ in range(3):
            assert web.get(f"{path}/rendered").status_code == web.get(f"{path}/frames/1", Accept=OHIF).status_code == 200
        assert web.get("/studies", Authorization="Bearer dkw_wrong").status_code == 401
        invited = site.ask("dicom", "account", "invite", "Hanako", "--scope", "all")
        browser = requests.Session()
        browser.headers["Origin"] = web.url
        form = {"code": invited["code"], "password": "a-long-password", "again": "a-long-password"}
        assert browser.post(f"{web.url}/login/setup", data=form, allow_redirects=False, timeout=DEADLINE).status_code == 303
        assert browser.post(f"{web.url}/logout", allow_redirects=False, timeout=DEADLINE).status_code == 303
        guess = {"name": "Hanako", "password": "a-wrong-password"}
        assert browser.post(f"{web.url}/login", data=guess, timeout=DEADLINE).status_code == 403

        def told(event, kind=None):
            return [one for one in collector.messages() if one.event == event and kind in (None, one.kind)]

        until("both log-ins and the log-out", lambda: len(told("110114")) == 3)
        (asked,) = told("110112")
        assert b64decode(asked.xml.find(".//ParticipantObjectQuery").text) == b"PatientName=Nobody"
        assert asked.participants("110153") == ["token:viewer"]
        (came,), (seen,) = told("110104"), told("110103")
        for message in (came, seen):
            assert message.objects("110180") == [data.StudyInstanceUID] and message.instances() == 1
            assert "token:viewer" in message.xml.xpath("//@UserID") and "127.0.0.1" in message.xml.xpath("//@NetworkAccessPointID")
        assert [one.get("EventOutcomeIndicator") for one in (message.xml.find("EventIdentification") for message in told("110114"))] == ["0", "0", "4"]
        assert [message.kind for message in told("110114")] == ["110122", "110123", "110122"]
        assert told("110113"), "the unknown token"
        assert "account:Hanako" in told("110114")[0].xml.xpath("//@UserID")
        # The page that lists studies, and a search for workitems.
        assert requests.get(f"{web.url}/viewer/", headers=web.headers, timeout=DEADLINE).status_code == 200
        assert web.get("/workitems?ProcedureStepState=SCHEDULED").status_code == 204
        until("both searches", lambda: len(told("110112")) == 3)
        asked = [b64decode(one.xml.find(".//ParticipantObjectQuery").text or "") for one in told("110112")]
        assert sorted(asked) == [b"", b"PatientName=Nobody", b"ProcedureStepState=SCHEDULED"]
    finally:
        site.close()
        collector.close()
