"""Parts are joined only if one file can hold them."""

from __future__ import annotations

import ast

import pytest

from hpogen.errors import PartError
from hpogen.families import FAMILIES
from hpogen.families.family import Family
from hpogen.rendering.inline import Imports, check_parts, parse_part, part_text, read_part


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f():\n    pass\n", "x.py:1: no docstring"),
        ('"""T."""\n', "x.py:1: defines nothing"),
        ('"""T."""\n\nX = 1\nimport os\n', "x.py:4: move the import above"),
        ('"""T."""\n\nprint(1)\n', "x.py:3: write functions, classes and constants only"),
        ('"""T."""\n\nif 1:\n    X = 1\n', "x.py:3: write functions, classes and constants only"),
        (
            '"""T."""\n\nimport hpo_script.streams\n\nX = 1\n',
            "x.py:3: write `from hpo_script.streams import NAME`",
        ),
    ],
)
def test_what_one_file_cannot_hold_is_refused_with_its_line(source: str, message: str) -> None:
    with pytest.raises(PartError) as caught:
        parse_part("x.py", source)
    assert str(caught.value).startswith(message)


def test_a_name_from_no_part_above_is_refused() -> None:
    user = parse_part("user.py", '"""T."""\n\nfrom hpo_script.maker import make\n\nX = make\n')
    maker = parse_part("maker.py", '"""T."""\n\n\ndef make():\n    return 1\n')
    check_parts([maker, user], [])
    with pytest.raises(PartError, match=r"user.py:3: no part above defines make"):
        check_parts([user, maker], [])


def test_a_name_defined_twice_is_refused_with_both_places() -> None:
    one = parse_part("one.py", '"""T."""\n\nX = 1\n')
    two = parse_part("two.py", '"""T."""\n\nX: int = 2\n')
    with pytest.raises(PartError, match=r"two.py: X is already defined in one.py"):
        check_parts([one, two], [])
    with pytest.raises(PartError, match=r"one.py: X is already defined in the constants"):
        check_parts([one], ["X"])


def test_a_part_may_replace_what_it_imports_under_another_name() -> None:
    one = parse_part("one.py", '"""T."""\n\nX = 1\n')
    two = parse_part("two.py", '"""U."""\n\nfrom hpo_script.one import X as Y\n\nX = Y + 1\n')
    check_parts([one, two], [])
    names: dict[str, int] = {}
    exec(f"{part_text(one)}\n{part_text(two)}", names)  # noqa: S102
    assert (names["X"], names["Y"]) == (2, 1)


def test_the_body_is_copied_to_the_letter() -> None:
    body = 'def f():\n    return "\\n"  # a comment\n\n\nX = 1  # another'
    found = parse_part("x.py", f'"""Title.\n\nA note.\n"""\n\nimport os\n\n\n{body}\n')
    assert found.body == body
    assert part_text(found).endswith(f"# A note.\n\n\n{body}")
    assert part_text(found).startswith("# --- Title ---")


def test_imports_are_merged_sorted_and_wrapped() -> None:
    imports = Imports()
    for statement in (
        "import b\nimport a as z",
        "from m import c, B, A_B",
        "from m import c, a",
        "from long_module_name import " + ", ".join(f"quite_a_long_name_{i}" for i in range(5)),
    ):
        for node in ast.parse(statement).body:
            assert isinstance(node, (ast.Import, ast.ImportFrom))
            imports.add(node)
    lines = imports.lines()
    assert lines[:2] == ["import a as z", "import b"]
    assert lines[2].splitlines()[:2] == [
        "from long_module_name import (",
        "    quite_a_long_name_0,",
    ]
    assert lines[3] == "from m import A_B, B, a, c"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_part_of_a_family_is_left_over(family: Family) -> None:
    """Every part that a family can use exists and keeps the rules."""
    names = {name for name in family.parts if not name.startswith("{")}
    for choices in family.options.values():
        names |= {part for choice in choices.values() for part in choice.parts.values()}
    names |= {part for kind in family.tasks for part in kind.parts.values()}
    for name in names:
        assert read_part(name).title
