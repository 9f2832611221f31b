#!/usr/bin/env python3
"""Build the three faces embedded in the program from the Noto fonts of Debian.

    apt-get install -y fonts-noto-cjk fonts-noto-core python3-fonttools
    python3 node/assets/fonts/build.py

Deterministic: the same font packages and the same fontTools give the same bytes.
Reads node/src/outputs/pdf/labels.rs for the characters of the bold face.
"""
import pathlib
import tempfile

from fontTools import merge, subset
from fontTools.ttLib import TTCollection, TTFont

HERE = pathlib.Path(__file__).resolve().parent
LABELS = HERE / "../../src/outputs/pdf/labels.rs"
CJK = pathlib.Path("/usr/share/fonts/opentype/noto")
CORE = pathlib.Path("/usr/share/fonts/truetype/noto")

# Hinting and vertical metrics do nothing in a PDF page set horizontally; the language systems of
# `locl` would pull in the Korean and Chinese shapes of every character.
DROP = ["vhea", "vmtx", "VORG", "DSIG", "BASE"]
FEATURES = ["kern", "mark", "mkmk"]


def two_bytes(codec, prefix=b"", lead=range(0xA1, 0xFF), trail=range(0xA1, 0xFF)):
    found = set()
    for a in lead:
        for b in trail:
            try:
                text = (prefix + bytes([a, b])).decode(codec)
            except UnicodeDecodeError:
                continue
            found.update(map(ord, text))
    return found


def characters():
    jis_x_0208 = two_bytes("euc_jp")
    jis_x_0212 = two_bytes("euc_jp", b"\x8f")
    jis_x_0213 = two_bytes("euc_jis_2004") | two_bytes("euc_jis_2004", b"\x8f")
    windows_31j = two_bytes("cp932", lead=range(0x81, 0xFD), trail=range(0x40, 0xFD))
    windows_31j -= set(range(0xE000, 0xF900))
    ks_x_1001_hangul = two_bytes("euc_kr", lead=range(0xB0, 0xC9))
    ranges = [
        (0x20, 0x7E), (0xA0, 0xFF), (0x2000, 0x22FF), (0x2460, 0x24FF), (0x2500, 0x26FF),
        (0x3000, 0x30FF), (0x31F0, 0x33FF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF61, 0xFF9F),
        (0xFE00, 0xFE0F), (0xE0100, 0xE01EF),
    ]
    names = {0x20BB7, 0x233CC}  # 𠮷, 𣏌
    wanted = jis_x_0208 | jis_x_0212 | jis_x_0213 | windows_31j | ks_x_1001_hangul | names
    for first, last in ranges:
        wanted.update(range(first, last + 1))
    return wanted


def basic_letters():
    return {c for c in range(0x20, 0x250) if chr(c).isalpha()}


def options():
    opts = subset.Options()
    opts.hinting = False
    opts.layout_features = FEATURES
    opts.drop_tables += DROP
    opts.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    return opts


def cut(font, unicodes, path):
    subsetter = subset.Subsetter(options())
    subsetter.populate(unicodes=unicodes)
    subsetter.subset(font)
    font.recalcTimestamp = False
    subset.save_font(font, str(path), options())


def japanese(collection):
    for font in TTCollection(str(collection), lazy=True).fonts:
        if font["name"].getDebugName(1).startswith("Noto Sans CJK JP"):
            return font
    raise SystemExit(f"{collection}: no Japanese face")


def main():
    regular = HERE / "NotoSansCJKjp-Regular-report.otf"
    cut(japanese(CJK / "NotoSansCJK-Regular.ttc"), characters(), regular)

    labels = {ord(c) for c in LABELS.read_text("utf-8") if not c.isspace()}
    labels |= set(range(0x20, 0x7F))
    cut(japanese(CJK / "NotoSansCJK-Bold.ttc"), labels, HERE / "NotoSansCJKjp-Bold-labels.otf")

    # What the Japanese face lacks: Latin, Greek and Cyrillic letters, and ≒ ⦅ ⦆. Basic letters
    # too, so that a word with one rare letter is set in one face, and marks find their bases.
    have = set(TTFont(str(regular)).getBestCmap())
    with tempfile.TemporaryDirectory() as scratch:
        letters = pathlib.Path(scratch, "letters.ttf")
        signs = pathlib.Path(scratch, "signs.ttf")
        sans = TTFont(str(CORE / "NotoSans-Regular.ttf"))
        cut(sans, set(sans.getBestCmap()) - have | basic_letters(), letters)
        math = TTFont(str(CORE / "NotoSansMath-Regular.ttf"))
        cut(math, {0x2252, 0x2985, 0x2986}, signs)
        merged = merge.Merger().merge([str(letters), str(signs)])
        merged["head"].created = merged["head"].modified = sans["head"].created
        merged.recalcTimestamp = False
        merged.save(str(HERE / "NotoSans-Regular-letters.ttf"))


if __name__ == "__main__":
    main()
