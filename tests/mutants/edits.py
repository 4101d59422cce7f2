"""Small wrong changes of a module, one at a time: a comparison turned round, a call left out.

What is only shown in a log or a repr is left alone, and so are texts for people: what they say is
the business of the tests of the words. Decorators and the options of a class stay as well:
that it is frozen is the business of the type checker. So is None in the place of a bool constant,
which is turned round instead; and what a constant of a module is worth is a decision, not a
behaviour: that it is kept to is tested, with it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
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
    ast.Mod: ast.FloorDiv,
}
_NUMBER = ast.Constant | ast.Dict | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SHOWN = {"__repr__", "__str__"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`function`: first line of the outermost function that it is in, None outside of functions.
    `lines`: of the statement that it changes, first and last; `name` holds for as long as the text
    of the changed place does, wherever in its function that is."""

    name: str
    number: int
    function: int | None
    lines: tuple[int, int]


@dataclass(slots=True)
class _Place:
    parent: ast.AST
    field: str
    index: int | None
    new: ast.AST

    def put(self) -> None:
        if self.index is None:
            setattr(self.parent, self.field, self.new)
        else:
            getattr(self.parent, self.field)[self.index] = self.new


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its text."""
    seen: Counter[str] = Counter()
    found = []
    for number, (scope, function, statement, old, place) in enumerate(_places(ast.parse(source))):
        name = f"{scope}: {_short(old)} => {_short(place.new)}"
        seen[name] += 1
        if seen[name] > 1:
            name += f" #{seen[name]}"
        found.append(Mutant(name, number, function, statement))
    return found


def mutated(source: str, number: int) -> ast.Module:
    """The module with the mutant `number`. Raises LookupError."""
    tree = ast.parse(source)
    for at, (_, _, _, old, place) in enumerate(_places(tree)):
        if at == number:
            ast.copy_location(place.new, old)
            place.put()
            return ast.fix_missing_locations(tree)
    raise LookupError(number)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else text[:87] + "..."


_Found = tuple[str, "int | None", "tuple[int, int]", ast.AST, _Place]


def _places(tree: ast.Module) -> Iterator[_Found]:
    yield from _walk(tree, (), None, (1, 1))


def _walk(
    node: ast.AST, scope: tuple[str, ...], function: int | None, statement: tuple[int, int]
) -> Iterator[_Found]:
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "keywords") and not isinstance(
            node, ast.Call
        ):
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST):
                continue
            inner, within, lines = scope, function, statement
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if child.name in _SHOWN:
                    continue
                inner = (*scope, child.name)
            if isinstance(child, ast.stmt):
                lines = _header(child)
            if field == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                within = function if function is not None else _first_line(node)
            if not _left_alone(child):
                for new in _instead(node, field, child, within is not None):
                    place = _Place(node, field, index if isinstance(value, list) else None, new)
                    yield ".".join(inner), within, lines, child, place
                yield from _walk(child, inner, within, lines)


def _first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(one.lineno for one in function.decorator_list)])


def _header(statement: ast.stmt) -> tuple[int, int]:
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return statement.lineno, max(last, statement.lineno)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if ast.unparse(target).strip("_").isupper():
            return all(isinstance(one, _NUMBER) for one in ast.walk(node.value))
    if isinstance(node, ast.Expr):
        call = node.value
        if isinstance(call, ast.Constant):
            return True  # a docstring, or the body of a seam
        return isinstance(call, ast.Call) and ast.unparse(call.func).startswith("log.")
    return False


def _instead(parent: ast.AST, field: str, node: ast.AST, inside: bool) -> Iterator[ast.AST]:
    """What could stand there and be wrong."""
    match node:
        case ast.Compare(left, ops, comparators):
            for at, op in enumerate(ops):
                for new in _COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:at], new(), *ops[at + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values)
            for at in range(len(values)):
                rest = [*values[:at], *values[at + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(ast.Not(), operand):
            yield ast.Call(ast.Name("bool", ast.Load()), [operand], [])
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC and not _text(left, right):
            yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Call(ast.Name("abs"), [argument], []):
            yield argument
        case ast.Call(ast.Name(name), arguments, keywords) if name in _NAMES:
            yield ast.Call(ast.Name(_NAMES[name], ast.Load()), arguments, keywords)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.Raise() | ast.Delete() | ast.AugAssign() | ast.Expr() if inside:
            yield ast.Pass()
        case ast.Assign(targets, _) if inside and any(
            isinstance(one, ast.Attribute | ast.Subscript) for one in targets
        ):
            yield ast.Pass()
        case ast.AnnAssign(target, _, ast.expr()) if inside and isinstance(target, ast.Attribute):
            yield ast.Pass()
        case ast.Return(ast.expr() as value) if not (
            isinstance(value, ast.Constant)
            and (value.value is None or value.value in (True, False))
        ):
            yield ast.Return(ast.Constant(None))
    if field in ("test", "ifs") and isinstance(
        node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Await | ast.NamedExpr
    ):
        yield ast.UnaryOp(ast.Not(), node)


def _text(*operands: ast.expr) -> bool:
    return any(
        isinstance(one, ast.JoinedStr)
        or (isinstance(one, ast.Constant) and isinstance(one.value, str | bytes))
        for one in operands
    )
