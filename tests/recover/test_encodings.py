"""Logs in other encodings than UTF-8: detected where the content allows, else kept apart."""

from __future__ import annotations

import io

import pytest

from recover_samples import STAMP
from recover_trials import Recovery, read_trials

WORDS = {
    "gbk": ("激活", "函数", "学习率", "模型"),
    "cp932": ("活性化", "モデル", "学習率です", "データ"),
    "cp1251": ("модель", "Скорость обучения", "тест", "размер"),
    "cp1252": ("größe", "modèle", "tamaño", "Straße \u2013 5°"),
}


def log_of(*texts: str) -> str:
    return "".join(
        f"{STAMP}Trial {number} finished with value: 0.5 and parameters: {{'act': {text!r},"
        " 'n': 1}. Best is trial 0 with value: 0.5.\n"
        for number, text in enumerate(texts)
    )


def of_bytes(data: bytes, size: int = 1 << 20) -> Recovery:
    return read_trials([[data[start : start + size] for start in range(0, len(data), size)]])


def values_of(recovery: Recovery) -> list[str]:
    return [trial.params["act"] for study in recovery.studies for trial in study.rows]


@pytest.mark.parametrize("encoding", WORDS)
@pytest.mark.parametrize("size", [3, 100, 1 << 20])
def test_an_encoding_is_detected_by_the_content(encoding: str, size: int) -> None:
    text = "epoch 1\n" * 20 + log_of(*WORDS[encoding])

    recovery = of_bytes(text.encode(encoding), size)

    assert values_of(recovery) == [*WORDS[encoding]]
    assert recovery.conflicts == []
    assert any(f"read as {encoding.upper()}" in line for line in recovery.report())


@pytest.mark.parametrize("encoding", WORDS)
@pytest.mark.parametrize("index", range(4))
def test_one_word_is_read_right_or_not_at_all(encoding: str, index: int) -> None:
    word = WORDS[encoding][index]

    recovery = of_bytes(log_of(word).encode(encoding))

    assert values_of(recovery) == [word] or recovery.conflicts


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [("koi8-r", ("привет", "слова")), ("cp1251", ("ПРИВЕТ", "СЛОВО")), ("latin-1", ("é", "à"))],
)
def test_bytes_in_an_unknown_encoding_are_kept_apart(
    encoding: str, texts: tuple[str, ...]
) -> None:
    recovery = of_bytes(log_of(*texts).encode(encoding))

    values = values_of(recovery)
    assert len({*values}) == len(texts)
    assert values[0] == "".join(f"\\x{byte:02x}" for byte in texts[0].encode(encoding))
    assert any("unknown encoding: 2" in conflict for conflict in recovery.conflicts)


def test_invalid_bytes_elsewhere_are_no_damage() -> None:
    recovery = of_bytes(b"noise \xff\xfe\x80\n" + log_of("größe").encode())

    assert values_of(recovery) == ["größe"]
    assert recovery.conflicts == []


def test_text_in_utf_8_is_never_converted() -> None:
    texts = [word for words in WORDS.values() for word in words]

    recovery = read_trials([io.BytesIO(log_of(*texts).encode())])

    assert values_of(recovery) == texts
    assert (
        recovery.report()[1:]
        == ["  direction minimize, inferred from the best trials that lines name"]
        or not recovery.conflicts
    )


TABLES = {
    "csv": ("number;value;params_act;state\n", "{0};0.5;{1};COMPLETE\n"),
    "yaml": ("", "- number: {0}\n  params:\n    act: {1}\n  state: COMPLETE\n  value: 0.5\n"),
    "json": (
        "",
        '{{"number": {0}, "state": "COMPLETE", "value": 0.5, "params": {{"act": "{1}"}}}}\n',
    ),
}


def table_of(name: str, *texts: str) -> str:
    header, row = TABLES[name]
    return header + "".join(row.format(number, text) for number, text in enumerate(texts))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "gbk"])
def test_tables_have_their_encoding_detected(name: str, encoding: str) -> None:
    recovery = of_bytes(table_of(name, *WORDS[encoding]).encode(encoding))

    assert values_of(recovery) == [*WORDS[encoding]]
    assert recovery.conflicts == []
    assert any(f"read as {encoding.upper()}" in line for line in recovery.report())


@pytest.mark.parametrize("name", TABLES)
def test_bytes_of_tables_in_an_unknown_encoding_are_kept_apart(name: str) -> None:
    recovery = of_bytes(table_of(name, "é", "à").encode("latin-1"))

    assert len({*values_of(recovery)}) == 2
    assert any("unknown encoding: 2" in conflict for conflict in recovery.conflicts)


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("euc-jp", ("カタカナ", "学習率")),  # not kana and Chinese characters of GBK
        ("cp437", ("größe", "naïve")),  # not Latin words with a Japanese character in them
        ("cp1254", ("öğrenme", "şekil")),  # not Icelandic letters
        ("big5", ("學習率", "參數")),  # in part valid UTF-8
    ],
)
def test_other_encodings_are_not_taken_for_known_ones(
    encoding: str, texts: tuple[str, ...]
) -> None:
    recovery = of_bytes(log_of(*texts).encode(encoding))

    expected = [
        "".join(c if c.isascii() else escaped(c.encode(encoding)) for c in text) for text in texts
    ]
    assert values_of(recovery) == expected
    assert any("unknown encoding" in conflict for conflict in recovery.conflicts)


def escaped(data: bytes) -> str:
    return "".join(chr(byte) if byte < 0x80 else f"\\x{byte:02x}" for byte in data)


@pytest.mark.parametrize(
    "text",
    [
        "number,value,state\n0,0.5,COMPLETE\n",
        "commit\tval_bpb\tstatus\tdescription\na1\t0.5\tkeep\tb\n",
        '[{"number": 0, "value": 0.5, "state": "COMPLETE", "params": {}}]',
        '{"number": 0, "value": 0.5, "state": "COMPLETE", "params": {}}\n',
        "METRIC val_bpb=0.5\n",
        "Trial 0 finished with value: 0.5 and parameters: {'x': 1}.\n",
    ],
)
def test_a_byte_order_mark_changes_no_format(text: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        study = read_trials([[text.encode(encoding)]]).studies[0]
        assert [(trial.number, trial.values) for trial in study.rows] == [(0, (0.5,))]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_characters_of_two_or_four_bytes_are_read(encoding: str, size: int) -> None:
    recovery = of_bytes((log_of("größe", "моя") * 20).encode(encoding), size)

    assert values_of(recovery) == ["größe", "моя"]
    assert recovery.conflicts == []


def test_zeros_in_place_of_lines_are_reported() -> None:
    text = log_of("a", "b", "c").encode()

    recovery = of_bytes(text[:50] + b"\0" * 200 + text[250:])

    assert any("zero bytes: 200" in line for line in recovery.report())
    assert not any("zero bytes" in line for line in of_bytes(text).report())
