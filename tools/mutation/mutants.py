"""The mutants of a module: where in it each of `changes` can be made. Pure.

Docstrings, annotations, decorators, protocols, the words of f-strings and what mypy proves to be
never reached stay as they are.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.mutation import changes

type Name = tuple[str, str, str, str, int]
"""File, scope, text, change and number of a mutant."""
type Trees = Mapping[str, Callable[[], ast.Module]]
"""By file, how to get what stands in its place."""

_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_LEFT_ALONE = frozenset(
    {"annotation", "returns", "decorator_list", "type_params", "format_spec", *_BODIES}
)
_CONDITIONS: dict[type[ast.AST], str] = {
    ast.If: "test",
    ast.While: "test",
    ast.IfExp: "test",
    ast.comprehension: "ifs",
    ast.match_case: "guard",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: in `field` of `parent`, at `index` if that is a list."""

    parent: ast.AST
    field: str
    index: int | None
    scope: tuple[str, ...]
    """The names of the classes and functions around it."""
    statement: range
    """The lines of its statement, without the statements in that."""
    at_import: bool
    compared: bool = False


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module."""

    file: str
    scope: str
    """The class and function that it is in, such as `Lane.wait`; empty at the top."""
    line: int
    text: str
    """The line as it is in the source."""
    change: str
    """Such as "`<` becomes `<=`"."""
    nth: int
    """Tells apart those that are alike in scope, text and change; the first is 1."""
    statement: range
    """The lines of its statement: a test that runs none of them can't notice."""
    at_import: bool
    """Whether it is run when the module is imported, so that any test may notice."""
    _tree: ast.Module
    _place: _Place
    _replacement: ast.AST

    @property
    def name(self) -> Name:
        """What identifies it, as long as its own line is not changed."""
        return self.file, self.scope, self.text, self.change, self.nth

    def mutated(self) -> ast.Module:
        """Make the change and return the tree, which all mutants of a file share.

        So this is called in a process that ends with this mutant.
        """
        place = self._place
        if place.index is None:
            setattr(place.parent, place.field, self._replacement)
        else:
            getattr(place.parent, place.field)[place.index] = self._replacement
        return ast.fix_missing_locations(self._tree)


def mutants(file: str, source: str, only: Sequence[str] = ()) -> tuple[Mutant, ...]:
    """Return all mutants of a module, in the order of its lines.

    `only` names the classes and functions to change; empty: the whole module.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for place, node, (replacement, change) in _statements(tree, (), at_import=True):
        if only and not (place.scope and place.scope[0] in only):
            continue
        line: int = getattr(node, "lineno", place.statement.start)
        scope, text = ".".join(place.scope), lines[line - 1].strip()
        seen[scope, text, change] += 1
        nth = seen[scope, text, change]
        found.append(
            Mutant(
                file, scope, line, text, change, nth, place.statement, place.at_import,
                tree, place, replacement,
            )
        )  # fmt: skip
    return tuple(found)


type _Found = tuple[_Place, ast.AST, changes.Change]
"""Where, what stands there, and what may stand there instead."""


def _statements(node: ast.AST, scope: tuple[str, ...], *, at_import: bool) -> Iterator[_Found]:
    """Yield the changes of all statements in a node's bodies."""
    for field in _BODIES:
        below = getattr(node, field, None)
        for index, child in enumerate(below if isinstance(below, list) else ()):
            place = _Place(node, field, index, scope, _lines(child), at_import)
            yield from _statement(child, place)


def _lines(statement: ast.AST) -> range:
    """Return the lines of a statement without the statements in it."""
    first = statement.pattern if isinstance(statement, ast.match_case) else statement
    start: int = getattr(first, "lineno", 0)
    end: int = getattr(statement, "end_lineno", start)
    body = getattr(statement, "body", None)
    return range(start, max(body[0].lineno, start + 1) if isinstance(body, list) else end + 1)


def _statement(node: ast.AST, place: _Place) -> Iterator[_Found]:
    match node:
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
            inside = (*place.scope, name)
            yield from _below(node.args, replace(place, scope=inside))
            yield from _statements(node, inside, at_import=False)
        case ast.ClassDef(name, bases):
            if not any(isinstance(base, ast.Name) and base.id == "Protocol" for base in bases):
                yield from _statements(node, (*place.scope, name), at_import=place.at_import)
        case ast.Import() | ast.ImportFrom() | ast.TypeAlias():
            return
        case ast.Expr(ast.Constant()):
            return  # A docstring.
        case ast.Expr(ast.Call(ast.Name("assert_never"))):
            return
        case _:
            yield from ((place, node, change) for change in changes.of_statement(node))
            if not isinstance(node, ast.ExceptHandler):
                yield from _below(node, place)
            yield from _statements(node, place.scope, at_import=place.at_import)


def _below(node: ast.AST, place: _Place) -> Iterator[_Found]:
    """Yield the changes of all expressions and patterns below a node."""
    is_compared = isinstance(node, ast.Compare | ast.pattern) or (
        place.compared and isinstance(node, ast.Set | ast.Tuple)
    )
    for field, value in ast.iter_fields(node):
        if field in _LEFT_ALONE and not isinstance(node, ast.expr):
            continue
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or (
                isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)
            ):
                continue
            below = replace(
                place,
                parent=node,
                field=field,
                index=index if isinstance(value, list) else None,
                compared=is_compared,
            )
            yield from _expression(child, below, is_condition=_CONDITIONS.get(type(node)) == field)


def _expression(node: ast.AST, place: _Place, *, is_condition: bool) -> Iterator[_Found]:
    if is_condition:
        yield from ((place, node, change) for change in changes.of_condition(node))
    found = changes.of_expression(node, compared=place.compared)
    yield from ((place, node, change) for change in found)
    yield from _below(node, place)
