"""The tool that makes mutants: what it changes, what it leaves alone, and what it calls killed."""

import ast
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from tools.mutation import survivors
from tools.mutation.coverage import AT_IMPORT, Coverage, imported_by
from tools.mutation.mutants import Mutant, mutants
from tools.mutation.survivors import Comparison, Survivor, entry_for


def changed(source: str) -> list[str]:
    """Return the whole module as each mutant has it."""
    count = len(mutants("m.py", source))
    return [ast.unparse(mutants("m.py", source)[number].mutated()) for number in range(count)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a == b", {"x = a != b"}),
        ("x = a < b", {"x = a <= b", "x = a >= b"}),
        ("x = a < b < c", {"x = a <= b < c", "x = a >= b < c", "x = a < b <= c", "x = a < b >= c"}),
        ("x = a is not None", {"x = a is None"}),
        ("x = a in b", {"x = a not in b"}),
        ("x = a and b", {"x = a or b", "x = b", "x = a"}),
        ("x = not a", {"x = a"}),
        ("x = a + b", {"x = a - b"}),
        ("x = a // b", {"x = a * b"}),
        ("x = -a", {"x = a"}),
        ("x = 1", {"x = 2"}),
        ("x = True", {"x = False"}),
        ("x = 'word'", {"x = 'XXwordXX'"}),
        ("x = ''", {"x = 'XX'"}),
        ("x = a == 'two words'", {"x = a != 'two words'", "x = a == 'XXtwo wordsXX'"}),
        ("x = a if b else c", {"x = a if not b else c"}),
        ("x = a[b:c]", {"x = a[:c]", "x = a[b:]"}),
        ("x = a.lower()", {"x = a"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("x = sorted(a, key=b)", {"x = list(a)"}),
        ("x = [a for a in b if c(a)]", {"x = [a for a in b if not c(a)]"}),
        ("x = lambda a=1: a", {"x = lambda a=2: a"}),
        ("x += 1", {"pass", "x -= 1", "x += 2"}),
        ("x.y = a", {"pass"}),
        ("a()", {"pass"}),
        ("raise a", {"pass"}),
        ("def f(a=1):\n    pass", {"def f(a=2):\n    pass"}),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("for a in b:\n    break", {"for a in b:\n    continue"}),
        ("for a in b:\n    continue", {"for a in b:\n    break"}),
        ("while a():\n    pass", {"while not a():\n    pass"}),
        (
            "try:\n    pass\nexcept A:\n    x = a",
            {"try:\n    pass\nexcept A:\n    raise"},
        ),
        ("try:\n    pass\nexcept A:\n    raise", {"try:\n    pass\nexcept A:\n    pass"}),
        (
            "match a:\n    case A(b=True) if c:\n        pass",
            {
                "match a:\n    case A(b=False) if c:\n        pass",
                "match a:\n    case A(b=True) if not c:\n        pass",
            },
        ),
        (
            "match a:\n    case 'b c':\n        pass",
            {"match a:\n    case 'XXb cXX':\n        pass"},
        ),
    ],
)
def test_a_piece_of_a_program_becomes_each_of_its_alternatives(
    source: str, expected: set[str]
) -> None:
    assert set(changed(source)) == expected


@pytest.mark.parametrize(
    "source",
    [
        "'''A docstring.'''",
        "x: 'int'",
        "x: Annotated[int, 'meaning']",
        "import a",
        "from a import b",
        "type A = Literal['b']",
        "x = 'prose for a person'",
        "x = f'words {a}'",
        "x = f'{a:.0f}'",
        "assert_never(a)",
        "class A(Protocol):\n    x: int = 1",
        "@dataclass(frozen=True)\nclass A:\n    pass",
        "@a(1)\ndef f() -> 'int':\n    pass",
        "def f():\n    return None",
        "x, y = a, b",
        "x = 'a b' + b",
    ],
)
def test_what_says_nothing_or_could_only_fail_is_left_alone(source: str) -> None:
    assert changed(source) == []


CLASS = dedent("""\
    LIMIT = 1

    class Lane:
        most: int = 2

        def wait(self, now=3):
            if (now >
                    self.most):
                return now
            return self.most + 1 + 1
    """)


def of_lane(change: str) -> list[Mutant]:
    return [mutant for mutant in mutants("m.py", CLASS) if mutant.change == change]


def test_a_mutant_says_where_it_is_and_what_it_changes() -> None:
    (mutant,) = of_lane("`>` becomes `>=`")
    assert mutant.scope == "Lane.wait"
    assert mutant.line == 7
    assert mutant.text == "if (now >"


def test_those_that_are_alike_are_numbered() -> None:
    alike = of_lane("`1` becomes `2`")
    assert [(mutant.scope, mutant.nth) for mutant in alike] == [
        ("", 1),
        ("Lane.wait", 1),
        ("Lane.wait", 2),
    ]


def test_no_two_mutants_have_one_name() -> None:
    found = mutants("m.py", CLASS)
    assert len({mutant.name for mutant in found}) == len(found)


def test_a_statement_is_its_own_lines_without_those_of_the_statements_in_it() -> None:
    (mutant,) = of_lane("`>` becomes `>=`")
    assert mutant.statement == range(7, 9)


@pytest.mark.parametrize(
    ("change", "at_import"),
    [("`2` becomes `3`", True), ("`3` becomes `4`", True), ("`>` becomes `>=`", False)],
)
def test_constants_of_a_class_and_defaults_are_run_at_import(change: str, at_import: bool) -> None:  # noqa: FBT001 - parametrized
    (mutant,) = of_lane(change)
    assert mutant.at_import is at_import


def test_a_part_of_a_module_can_be_chosen() -> None:
    scopes = {mutant.scope for mutant in mutants("m.py", CLASS, only=("Lane",))}
    assert scopes == {"Lane", "Lane.wait"}


# Which tests are tried

COVERAGE = Coverage(
    seconds={
        "tests/test_a.py::slow": 3.0,
        "tests/test_a.py::quick": 0.01,
        "tests/unit/test_m.py::own": 2.0,
        "tests/test_b.py::other": 0.01,
        "tests/test_c.py::stranger": 0.01,
    },
    lines={
        ("m.py", 7): frozenset(
            {"tests/test_a.py::slow", "tests/test_a.py::quick", "tests/unit/test_m.py::own"}
        ),
        ("n.py", 7): frozenset({"tests/test_c.py::stranger"}),
    },
    imports={
        "tests/test_a.py": frozenset({"m.py"}),
        "tests/unit/test_m.py": frozenset({"m.py"}),
        "tests/test_b.py": frozenset({"m.py"}),
        "tests/test_c.py": frozenset({"n.py"}),
    },
)


def test_tests_that_run_the_statement_are_tried_quick_ones_and_the_modules_own_first() -> None:
    (mutant,) = of_lane("`>` becomes `>=`")
    assert COVERAGE.tests_of(mutant) == (
        "tests/test_a.py::quick",
        "tests/unit/test_m.py::own",
        "tests/test_a.py::slow",
    )


def test_what_is_run_at_import_is_tried_on_all_files_that_import_it() -> None:
    (mutant,) = of_lane("`2` becomes `3`")
    tried = COVERAGE.tests_of(mutant)
    assert set(tried) == COVERAGE.seconds.keys() - {"tests/test_c.py::stranger"}
    assert tried[-1] == "tests/test_b.py::other"


def test_a_function_that_is_run_at_import_is_tried_on_all_files_that_import_it() -> None:
    (mutant,) = of_lane("`>` becomes `>=`")
    lines = {("m.py", 7): frozenset({AT_IMPORT, "tests/test_a.py::quick"})}
    tried = replace(COVERAGE, lines=lines).tests_of(mutant)
    assert set(tried) == COVERAGE.seconds.keys() - {"tests/test_c.py::stranger"}
    assert tried[0] == "tests/test_a.py::quick"


def test_imports_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import x\n")
    (tmp_path / "b.py").write_text("import c.d, json\n")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "d.py").write_text("from a import y\n")
    (tmp_path / "e.py").write_text("")
    assert imported_by(tmp_path, "a.py") == {"a.py", "b.py", "c/d.py"}


# Survivors


def entry(mutant: Mutant, reason: str = 'equivalent = "because"') -> Survivor:
    (read,) = survivors.read(f"{entry_for(mutant)}{reason}\n")
    return read


def test_the_entry_of_a_mutant_names_it() -> None:
    for mutant in mutants("m.py", CLASS):
        assert entry(mutant).name == mutant.name


def test_quotes_and_backslashes_survive_in_an_entry() -> None:
    (mutant,) = mutants("m.py", "x = \"'\" == r'\\d\"'")[1:2]
    assert entry(mutant).name == mutant.name


@pytest.mark.parametrize("reason", ["", 'equivalent = "a"\naccepted = "b"', 'accepted = ""'])
def test_an_entry_has_one_reason(reason: str) -> None:
    (mutant,) = of_lane("`>` becomes `>=`")
    with pytest.raises(ValueError, match="has to be either equivalent or accepted"):
        entry(mutant, reason)


def test_a_survivor_is_listed_once() -> None:
    (mutant,) = of_lane("`>` becomes `>=`")
    text = f'{entry_for(mutant)}accepted = "because"\n'
    with pytest.raises(ValueError, match="listed twice"):
        survivors.read(text + text)


def test_survivors_are_held_against_what_is_known_of_them() -> None:
    one, other, third = mutants("m.py", "x = 1\ny = 2\nz = 3")
    known = [entry(one), entry(other, 'accepted = "because"')]
    compared = Comparison.of([one, other, third], known)
    assert compared.equivalent == (one,)
    assert compared.accepted == (other,)
    assert compared.unknown == (third,)
    assert compared.no_more == ()


def test_an_entry_whose_mutant_was_killed_is_told() -> None:
    (one,) = mutants("m.py", "x = 1")
    assert Comparison.of([], [entry(one)]).no_more == (entry(one),)


def test_every_survivor_that_is_listed_is_a_mutant_of_the_code_as_it_is() -> None:
    from tools.mutation.__main__ import FILES  # noqa: PLC0415 - imports what trials need
    from tools.mutation.session import ROOT  # noqa: PLC0415

    of_today = {
        mutant.name
        for file, only in FILES.items()
        for mutant in mutants(file, (ROOT / file).read_text(), only)
    }
    listed = survivors.read(survivors.FILE.read_text())
    assert [entry.name for entry in listed if entry.name not in of_today] == []
