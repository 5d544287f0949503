r"""Text in other encodings than UTF-8.

Without a byte order mark, the bytes of the first lines that are not UTF-8 decide: an encoding is
taken if it alone makes plausible words of all of them. Otherwise these bytes are kept as `\xNN`,
so that different values remain different.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from recover_trials.skipped_lines import Findings

MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
LOW_BYTES = {"utf-32-le": 0, "utf-32-be": 3}  # the others of a character are zero in ASCII
ZEROS = {"utf-16-le": 1, "utf-16-be": 0}  # the half of each character that is zero in ASCII


def encoding_of(head: bytes) -> str | None:
    """Return the name of the UTF-16 or UTF-32 encoding of a text; None for other encodings.

    A log after a crash can begin with the bytes of a byte order mark: the zeros are required.
    """
    sample = head[: len(head) // 2 * 2]
    half = len(sample) // 2
    for name, low in LOW_BYTES.items():
        quarter = len(head) // 4
        zeros = [head[place : 4 * quarter : 4].count(0) for place in range(4)]
        if zeros.pop(low) < 0.1 * quarter and min(zeros) > 0.6 * quarter:
            return name
    for name, side in ZEROS.items():
        found, others = sample[side::2].count(0), sample[1 - side :: 2].count(0)
        marked = MARKS.get(sample[:2]) == name
        if half and found > (0.2 if marked else 0.6) * half and others < 0.1 * half:
            return name
    return None


def to_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield text in UTF-8; invalid bytes are replaced."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


SAMPLE = 64 * 1024
PART = 32 * 1024
READ_AS = "text that is not UTF-8 was read as {0}; lines: {1}"
UNKNOWN = (
    "lines about trials in an unknown encoding: {0}; their bytes are kept as \\\\xNN. Convert the"
    " file: iconv -f ENCODING -t UTF-8"
)
NAMES_TRIAL = re.compile(rb"rial[# ]\d|A new study|Using an existing study")
EVERY_LINE = re.compile(rb"")
NOT_ASCII = re.compile(rb"[\x80-\xff]+")
WORDS = re.compile(r"[^\x00-\x7f]+")
# Characters that ordinary text of a language has; the names are those of Python's codecs.
CYRILLIC = re.compile(
    "[\u0430-\u044f\u0451]+|[\u0410-\u042f\u0401][\u0430-\u044f\u0451]*|[\u0410-\u042f\u0401]{2,}"
)
# Without the Icelandic letters, which are Turkish ones in another encoding.
LATIN = re.compile(
    "[\u00c0-\u00cf\u00d1-\u00d6\u00d8-\u00dc\u00df-\u00ef\u00f1-\u00f6\u00f8-\u00fc\u00ff"
    "\u0152\u0153\u0160\u0161]{1,2}"
)
SIGN = re.compile(
    "[\u00a3\u00a7\u00ab\u00b0-\u00b3\u00b5\u00bb\u00d7\u20ac\u2013\u2014"
    "\u2018\u2019\u201c\u201d\u2026]"
)
FREQUENT_ROWS = {0xA1, 0xA3, *range(0xB0, 0xD8)}  # without kana, which EUC-JP has there
KANA_AND_KANJI = re.compile(r"[\u3041-\u30fc\u4e00-\u9fa5\uff01-\uff5e\u3001\u3002]+")


def is_gbk(text: str) -> bool:
    """Return whether a text has frequent Chinese characters, of the first level of GB 2312."""
    pairs = [char.encode("gbk") for char in text if ord(char) > 0x7F]
    known = all(len(p) == 2 and p[0] in FREQUENT_ROWS and p[1] >= 0xA1 for p in pairs)
    return known and not within_latin(text)


def is_shift_jis(text: str) -> bool:
    """Return whether a text has kana and frequent kanji, in two bytes each."""
    pairs = [char.encode("cp932") for char in text if ord(char) > 0x7F]
    known = all(len(p) == 2 and 0x81 <= p[0] <= 0x97 for p in pairs)
    kana_and_kanji = all(map(KANA_AND_KANJI.fullmatch, WORDS.findall(text)))
    return known and kana_and_kanji and not within_latin(text)


def within_latin(text: str) -> bool:
    """Return whether all words are single characters beside Latin letters."""
    words = WORDS.finditer(text)
    return all(len(w[0]) == 1 and any(map(str.isalpha, around(text, w))) for w in words)


def is_cyrillic(text: str) -> bool:
    """Return whether the words of a text are Cyrillic, in lower case, capitalized or capitals."""
    words = list(WORDS.finditer(text))
    alone = all(not any(map(str.isalpha, around(text, word))) for word in words)
    cyrillic = all(CYRILLIC.fullmatch(word[0]) for word in words)
    # Words in capitals alone may be lower case in another Cyrillic encoding.
    return alone and cyrillic and any(len(word[0]) > 1 and not word[0].isupper() for word in words)


def is_latin(text: str) -> bool:
    """Return whether accented letters stand alone or in pairs within words of ASCII letters."""
    words = WORDS.finditer(text)
    return all(SIGN.fullmatch(word[0]) or is_within_word(text, word) for word in words)


def is_within_word(text: str, match: re.Match[str]) -> bool:
    """Return whether accented letters are beside an ASCII letter."""
    return LATIN.fullmatch(match[0]) is not None and any(map(str.isalpha, around(text, match)))


PLAUSIBLE: dict[str, Callable[[str], bool]] = {
    "gbk": is_gbk,
    "cp932": is_shift_jis,
    "cp1251": is_cyrillic,
    "cp1252": is_latin,
}


def around(text: str, match: re.Match[str]) -> str:
    """Return the characters beside a match."""
    return text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]


def guess_encoding(sample: bytes) -> str | None:
    """Return the only encoding that makes plausible text of all lines; None without one."""
    lines = [line for line in sample.splitlines() if not is_utf8(line)]
    lines = [line for line in lines if NAMES_TRIAL.search(line)] or lines
    found = [name for name in PLAUSIBLE if is_plausible(b"\n".join(lines), name)]
    return found[0] if len(found) == 1 else None


def is_utf8(line: bytes) -> bool:
    return decoded(line, "utf-8") is not None


def decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def is_plausible(data: bytes, encoding: str) -> bool:
    text = decoded(data, encoding)
    return text is not None and PLAUSIBLE[encoding](text)


def legacy_to_utf8(
    chunks: Iterable[bytes], findings: Findings, about_trials: re.Pattern[bytes] = NAMES_TRIAL
) -> Iterator[bytes]:
    """Yield text in UTF-8; lines in another encoding are converted, and reported.

    Lines about trials whose encoding is unknown are a problem.
    """
    blocks = split_lines(chunks)
    for block in blocks:
        if all(part.isascii() or is_utf8(part) for part in parts_of(block)):
            yield block
        else:
            yield from converted(chain([block], blocks), findings, about_trials)


def parts_of(block: bytes) -> Iterator[bytes]:
    """Yield a block in parts of whole lines: a search for other bytes than ASCII is fastest."""
    begin = 0
    while begin < len(block):
        end = block.find(b"\n", begin + PART) + 1 or len(block)
        yield block[begin:end]
        begin = end


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks that end with a line, unless a line is very long."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if len(data) - end > SAMPLE:
            end = len(data)
        if end:
            yield data if end == len(data) else data[:end]
        rest = data[end:]
    if rest:
        yield rest


def converted(
    blocks: Iterator[bytes], findings: Findings, about_trials: re.Pattern[bytes]
) -> Iterator[bytes]:
    """Yield the blocks from the first one that is not UTF-8 on."""
    head, sample = take_sample(blocks)
    encoding = guess_encoding(sample)
    lines = unknown = 0
    for block in chain([head], blocks):
        parts = block.splitlines(keepends=True)
        for index, line in enumerate(parts):
            if line.isascii() or is_utf8(line):
                continue
            text = decoded(line, encoding) if encoding else None
            lines += text is not None
            unknown += text is None and about_trials.search(line) is not None
            parts[index] = escaped(line) if text is None else text.encode()
        yield b"".join(parts)
    if lines:
        findings.remarks.append(READ_AS.format(str(encoding).upper(), lines))
    if unknown:
        findings.problems.append(UNKNOWN.format(unknown))


def take_sample(blocks: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return the first blocks, and their text from the first line that is not UTF-8 on."""
    head, start = b"", -1
    for block in blocks:
        head += block
        if start < 0:
            first = next(line for line in head.splitlines(keepends=True) if not is_utf8(line))
            start = head.find(first)
        if len(head) - start >= SAMPLE:
            break
    sample = head[start : start + SAMPLE]
    return head, sample if len(sample) < SAMPLE else sample[: sample.rfind(b"\n") + 1]


def escaped(line: bytes) -> bytes:
    r"""Return a line with the bytes of words that are not UTF-8 as escapes, `\xNN` in a text."""
    return NOT_ASCII.sub(lambda word: word[0] if is_utf8(word[0]) else escapes(word[0]), line)


def escapes(word: bytes) -> bytes:
    return "".join(rf"\\x{byte:02x}" for byte in word).encode()
