"""What one piece of a program may become in a mutant, one small change each. Pure.

Texts with a blank in them are prose for a person and stay as they are, unless they are compared. A
change that could only raise a TypeError (`"a" - "b"`) would be killed by any test that passes by,
so it isn't made.
"""

import ast
from collections.abc import Iterator, Sequence

type Change = tuple[ast.AST, str]
"""What stands there instead, and how to say so: "`<` becomes `<=`"."""

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_OTHER_FUNCTION = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
_METHODS_LEFT_OUT = frozenset({"lower", "upper", "casefold", "strip", "lstrip", "rstrip"})
_SIGNS: dict[type[ast.AST], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
    ast.And: "and", ast.Or: "or", ast.Not: "not", ast.USub: "-",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.BitOr: "|", ast.BitAnd: "&",
}  # fmt: skip
_LONGEST = 60


def of_statement(node: ast.AST) -> Iterator[Change]:
    """Yield what a statement, an except or a case may become."""
    match node:
        case ast.Expr() | ast.Raise():
            yield ast.Pass(), f"`{_short(node)}` is left out"
        case ast.Assign(targets) if not all(map(_is_name, targets)):
            yield ast.Pass(), f"`{_short(node)}` is left out"
        case ast.AugAssign(target, operator, value):
            yield ast.Pass(), f"`{_short(node)}` is left out"
            for other in () if _is_text(value) else _other_operators(operator):
                signs = f"`{_sign(operator)}=` becomes `{_sign(other)}=`"
                yield ast.AugAssign(target, other, value), signs
        case ast.Return(ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None)), f"`{_short(node)}` returns None"
        case ast.Break():
            yield ast.Continue(), "`break` becomes `continue`"
        case ast.Continue():
            yield ast.Break(), "`continue` becomes `break`"
        case ast.ExceptHandler(body=body) if not _only_raises(body):
            passed_on = ast.ExceptHandler(node.type, node.name, [ast.Raise()])
            yield passed_on, "the error is passed on as it is"


def _only_raises(body: Sequence[ast.stmt]) -> bool:
    """Whether an except passes its error on as it is already."""
    match body:
        case [ast.Raise(exc=None)]:
            return True
        case _:
            return False


def of_condition(node: ast.AST) -> Iterator[Change]:
    """Yield the negation of a condition, unless the changes of its expression make one."""
    match node:
        case ast.Compare(ops=[_]) | ast.UnaryOp(ast.Not()) | ast.BoolOp() | ast.Constant():
            return
        case ast.expr():
            yield ast.UnaryOp(ast.Not(), node), f"`{_short(node)}` is negated"


def of_expression(node: ast.AST, *, compared: bool) -> Iterator[Change]:
    """Yield what an expression or a pattern may become; `compared`: it is held against another."""
    match node:
        case ast.Compare():
            yield from _of_comparison(node)
        case ast.BoolOp():
            yield from _of_and_or(node)
        case ast.UnaryOp(ast.Not() | ast.USub() as operator, operand):
            yield operand, f"`{_sign(operator)}` is left out"
        case ast.BinOp(left, operator, right) if not (_is_text(left) or _is_text(right)):
            for other in _other_operators(operator):
                signs = f"`{_sign(operator)}` becomes `{_sign(other)}`"
                yield ast.BinOp(left, other, right), signs
        case ast.Constant(value):
            yield from _of_constant(value, compared=compared)
        case ast.MatchSingleton(bool() as value):
            yield ast.MatchSingleton(not value), f"`{value}` becomes `{not value}`"
        case ast.Call():
            yield from _of_call(node)
        case ast.Slice():
            yield from _of_slice(node)


def _of_comparison(node: ast.Compare) -> Iterator[Change]:
    for index, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            operators = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            changed = ast.Compare(node.left, operators, node.comparators)
            yield changed, f"`{_sign(operator)}` becomes `{_sign(other())}`"


def _of_and_or(node: ast.BoolOp) -> Iterator[Change]:
    other: ast.boolop = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    yield ast.BoolOp(other, node.values), f"`{_sign(node.op)}` becomes `{_sign(other)}`"
    for index, value in enumerate(node.values):
        rest = [*node.values[:index], *node.values[index + 1 :]]
        kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        yield kept, f"`{_short(value)}` is left out of `{_sign(node.op)}`"


def _of_constant(value: object, *, compared: bool) -> Iterator[Change]:
    match value:
        case bool():
            other: bool | float | str = not value
        case int() | float():
            other = value + 1
        case str() if compared or " " not in value:
            other = f"XX{value}XX" if value else "XX"
        case _:
            return
    yield ast.Constant(other), f"`{value!r}` becomes `{other!r}`"


def _of_call(node: ast.Call) -> Iterator[Change]:
    match node.func:
        case ast.Name(name) if name in _OTHER_FUNCTION:
            named = [] if name == "sorted" else node.keywords
            other = ast.Name(_OTHER_FUNCTION[name], ast.Load())
            yield ast.Call(other, node.args, named), f"`{name}` becomes `{_OTHER_FUNCTION[name]}`"
        case ast.Attribute(value, method) if method in _METHODS_LEFT_OUT:
            yield value, f"`.{method}()` is left out"


def _of_slice(node: ast.Slice) -> Iterator[Change]:
    if node.lower is not None:
        yield ast.Slice(None, node.upper, node.step), "the slice has no beginning"
    if node.upper is not None:
        yield ast.Slice(node.lower, None, node.step), "the slice has no end"


def _other_operators(operator: ast.operator) -> Sequence[ast.operator]:
    other = _ARITHMETIC.get(type(operator))
    return () if other is None else (other(),)


def _is_name(target: ast.expr) -> bool:
    """Whether it is a variable, or some: without it, whatever uses it fails."""
    return (
        all(map(_is_name, target.elts))
        if isinstance(target, ast.Tuple)
        else isinstance(target, ast.Name)
    )


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr() | ast.Constant(str()):
            return True
        case _:
            return False


def _sign(operator: ast.AST) -> str:
    return _SIGNS[type(operator)]


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
