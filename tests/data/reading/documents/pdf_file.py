"""PDF files, no more of them than reading needs: lines of any characters, one below the other."""

from collections.abc import Sequence
from pathlib import Path

LEADING = 14  # [points] from line to line
BEGIN_MAP = """/CIDInit /ProcSet findresource begin 12 dict begin begincmap
/CMapName /Adobe-Identity-UCS def /CMapType 2 def
1 begincodespacerange <0000> <FFFF> endcodespacerange"""
END_MAP = "endcmap CMapName currentdict /CMap defineresource pop end end"


def write_pdf(path: Path, pages: Sequence[Sequence[str]]) -> None:
    """An empty line leaves room between paragraphs; a page without lines has no text."""
    characters = sorted({each for page in pages for line in page for each in line})
    codes = {each: code for code, each in enumerate(characters, start=1)}
    contents = [_stream(_content(page, codes)) for page in pages]
    first = 6  # the first page's object, behind those of the document and the font
    kids = " ".join(f"{first + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type0/BaseFont/F/Encoding/Identity-H/DescendantFonts[4 0 R]"
        "/ToUnicode 5 0 R>>",
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/F/DW 500/CIDSystemInfo<</Registry(Adobe)"
        f"/Ordering(Identity)/Supplement 0>>/W[{_widths(codes)}]>>",
        _stream(_map(codes)),
    ]
    for at, content in enumerate(contents):
        objects += [
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>"
            f"/Contents {first + 2 * at + 1} 0 R>>",
            content,
        ]
    _write(path, objects)


def _content(lines: Sequence[str], codes: dict[str, int]) -> str:
    shown = [
        f"BT /F 12 Tf 1 0 0 1 50 {750 - LEADING * at} Tm <{_coded(line, codes)}> Tj ET"
        for at, line in enumerate(lines)
        if line
    ]
    return "\n".join(shown)


def _coded(line: str, codes: dict[str, int]) -> str:
    return "".join(f"{codes[each]:04X}" for each in line)


def _widths(codes: dict[str, int]) -> str:
    return " ".join(f"{code} [{500 if each.isascii() else 1000}]" for each, code in codes.items())


def _map(codes: dict[str, int]) -> str:
    entries = "\n".join(f"<{code:04X}> <{ord(each):04X}>" for each, code in codes.items())
    return f"{BEGIN_MAP}\n{len(codes)} beginbfchar\n{entries}\nendbfchar\n{END_MAP}"


def _stream(text: str) -> str:
    return f"<</Length {len(text)}>>stream\n{text}\nendstream"


def _write(path: Path, objects: Sequence[str]) -> None:
    raw, places = b"%PDF-1.7\n", list[int]()
    for number, each in enumerate(objects, start=1):
        places.append(len(raw))
        raw += f"{number} 0 obj\n{each}\nendobj\n".encode("latin-1")
    entries = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    table = f"xref\n0 {size}\n0000000000 65535 f \n{entries}trailer<</Size {size}/Root 1 0 R>>\n"
    path.write_bytes(raw + table.encode() + f"startxref\n{len(raw)}\n%%EOF".encode())
