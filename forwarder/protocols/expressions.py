"""The expressions of protocol files: a small part of Python, checked and then compiled by Python.

A file may come from a user, so nothing here can reach an attribute, a module or a loop: the tree is
checked against a list of node types and names, operators whose cost depends on their operands are
replaced by guarded ones, and what is left is bounded by the length of the text.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from forwarder.definitions.model import TYPES

# The longest expression of our own files has 110 characters.
MAX_CHARACTERS = 400
# Packets carry at most 64-bit numbers; products of such stay small in so short a text.
MAX_INTEGER = 2**64
MAX_SHIFT = 64
# The largest attribute value that Bluetooth allows (ATT); no packet can be longer.
MAX_BYTES = 512


class ExpressionError(Exception):
    """A template or an expression in it is not allowed; the text says why."""


def shift_left(value: int, by: int) -> int:
    if not 0 <= by <= MAX_SHIFT:
        raise ValueError(f"a shift by {by} is not within 0..{MAX_SHIFT}")
    return value << by


def multiply(one: float, other: float) -> float:
    if not isinstance(one, (int, float)) or not isinstance(other, (int, float)):
        raise TypeError("only numbers can be multiplied")
    return one * other


def modulo(one: float, other: float) -> float:
    if not isinstance(one, (int, float)):
        raise TypeError("only numbers have a remainder")
    return one % other


def take_bytes(data: bytes) -> bytes:
    if not isinstance(data, bytes) or len(data) > MAX_BYTES:
        raise TypeError(f"only up to {MAX_BYTES} bytes can be put into a packet as they are")
    return data


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xffff."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def crc16_xmodem(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 0x1021, start 0."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def crc16(data: bytes, kind: str) -> int:
    return {"modbus": crc16_modbus, "xmodem": crc16_xmodem}[kind](data)


def xor_of(data: bytes | bytearray) -> int:
    result = 0
    for byte in data:
        result ^= byte
    return result


def xor_with_key(data: bytes, key: str) -> bytes:
    """`data` xored with the repeated ASCII text `key`."""
    repeated = key.encode("ascii")
    return bytes(byte ^ repeated[at % len(repeated)] for at, byte in enumerate(data))


# What compiled templates may call. `_` marks what only the compiler writes.
GLOBALS: dict[str, object] = {
    "__builtins__": {},
    "_shl": shift_left,
    "_mul": multiply,
    "_mod": modulo,
    "_sum": sum,
    "_xor": xor_of,
    "_crc16": crc16,
    "_enumerate": enumerate,
    "_bytes": bytes,
    "_take": take_bytes,
    "_bytearray": bytearray,
    "abs": abs,
    "min": min,
    "max": max,
    "int": int,
    "len": len,
    "any": any,
    "xorkey": xor_with_key,
}
_INT_RESULT = frozenset({"abs", "int", "len", "sum", "xor", "crc16", "any", "has", "count"})

# Names that are variables of the compiled function, and those that the device's memory holds.
_LOCALS = frozenset({"v", "i", "t", "prev", "d", "k", "r", "g", "top"})
_MEMORY = frozenset({"s", "n", "kinds", "seq", "ident", "name", "address", "variant"})
_INTS = frozenset({"v", "i", "prev", "d", "k", "top", "n", "kinds", "seq"})
_OF_STATE = frozenset({"v", "s", "prev", "d", "seq", "k", "r", "g"})
SIGNATURE = "m, i=0, t='', v=0, prev=0, d=0, top=0, r=b'', g=()"


@dataclass(frozen=True)
class Scope:
    """What expressions at one place of a file may name.

    `variables`: of the built-in names; `constants`: from `set`, and captures of `init`.
    `calls`: registered host functions. `checksums`: whether the bytes so far can be summed up.
    """

    variables: frozenset[str]
    constants: frozenset[str] = frozenset()
    calls: dict[str, Callable[..., int]] = field(default_factory=dict)
    checksums: bool = False
    # Inside a repetition, these variables are the repetition's own.
    renamed: dict[str, str] = field(default_factory=dict)

    def inside(self, depth: int) -> Scope:
        renamed = {name: f"{name}_{depth}" for name in ("k", "v", "t")}
        return Scope(self.variables | {"k"}, self.constants, self.calls, self.checksums, renamed)


_ANYWHERE = frozenset({"n", "kinds", "ident", "name", "address", "variant"})
OUTPUT_NAMES = _ANYWHERE | {"v", "i", "t", "prev", "d", "s", "seq", "top"}
CONNECT_NAMES = _ANYWHERE | {"seq"}
INPUT_NAMES = _ANYWHERE | {"r", "g", "i"}
IDENTITY_NAMES = frozenset({"ident", "name", "address", "g"})


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression as Python source. `uses`: the file's names in it."""

    source: str
    uses: frozenset[str]
    is_int: bool

    @property
    def is_static(self) -> bool:
        """Whether it is settled once a device is connected, feature and type given."""
        return not self.uses & _OF_STATE


def check(text: str, scope: Scope) -> Expression:
    """The expression behind `text`. Raises ExpressionError."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"an expression may have {MAX_CHARACTERS} characters at most")
    try:
        with warnings.catch_warnings():
            # `1if x` and the like: Python warns, a file is told.
            warnings.simplefilter("error", SyntaxWarning)
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ExpressionError(f"{text!r} is not an expression: {reason}") from error
    visitor = _Checker(text, scope)
    checked = visitor.visit(tree.body)
    return Expression(ast.unparse(checked), frozenset(visitor.uses), _is_int(tree.body))


def compile_expression(text: str, scope: Scope) -> Callable[..., object]:
    """A function of the memory and the names in SIGNATURE. Raises ExpressionError."""
    return define(f"return {check(text, scope).source}", scope)


def define(body: str, scope: Scope) -> Callable[..., object]:
    """Compile the body of a function that was put together from checked expressions."""
    lines = "\n".join("    " + line for line in body.splitlines())
    space: dict[str, object] = GLOBALS | scope.calls
    # The source holds checked expressions only, and its globals only what GLOBALS lists.
    exec(compile(f"def _f({SIGNATURE}):\n{lines}\n", "<template>", "exec"), space)
    function = space["_f"]
    assert callable(function)
    return function


_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr,
    ast.BitXor, ast.LShift, ast.RShift,
)  # fmt: skip
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_UNARY = (ast.USub, ast.UAdd, ast.Not, ast.Invert)


class _Checker(ast.NodeTransformer):
    """Refuses what is not listed; what it returns runs against GLOBALS and the memory `m`."""

    def __init__(self, text: str, scope: Scope) -> None:
        self._text = text
        self._scope = scope
        self.uses: set[str] = set()

    def _refuse(self, reason: str) -> ExpressionError:
        return ExpressionError(f"{reason} in {self._text!r}")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        raise self._refuse(f"{type(node).__name__} is not allowed")

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, int) and abs(value) <= MAX_INTEGER:
            return node
        if isinstance(value, (str, bytes)):
            return node
        raise self._refuse(f"the constant {value!r} is not allowed")

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = node.id
        scope = self._scope
        if name in scope.constants:
            self.uses.add(name)
            return _source(f"m.names[{name!r}]")
        if name not in scope.variables:
            known = ", ".join(sorted(scope.variables | scope.constants))
            raise self._refuse(f"{name} is not known here (known: {known})")
        self.uses.add(name)
        if name in scope.renamed:
            return ast.Name(scope.renamed[name], ast.Load())
        return _source(f"m.{name}") if name in _MEMORY else node

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        return ast.Tuple([self.visit(one) for one in node.elts], ast.Load())

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if not isinstance(node.op, _UNARY):
            raise self._refuse("this operator is not allowed")
        return ast.UnaryOp(node.op, self.visit(node.operand))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        return ast.BoolOp(node.op, [self.visit(one) for one in node.values])

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return ast.IfExp(self.visit(node.test), self.visit(node.body), self.visit(node.orelse))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if not all(isinstance(one, _COMPARISONS) for one in node.ops):
            raise self._refuse("this comparison is not allowed")
        others = [self.visit(one) for one in node.comparators]
        return ast.Compare(self.visit(node.left), node.ops, others)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if not isinstance(node.op, _OPERATORS):
            raise self._refuse("this operator is not allowed")
        left, right = self.visit(node.left), self.visit(node.right)
        guard = None
        if isinstance(node.op, ast.LShift) and not _is_small_shift(node.right):
            guard = "_shl"
        elif isinstance(node.op, ast.Mult) and not (_is_int(node.left) and _is_int(node.right)):
            guard = "_mul"
        elif isinstance(node.op, ast.Mod) and not _is_int(node.left):
            guard = "_mod"
        if guard is not None:
            return ast.Call(ast.Name(guard, ast.Load()), [left, right], [])
        return ast.BinOp(left, node.op, right)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        index = node.slice
        if isinstance(index, ast.Slice):
            if index.step is not None:
                raise self._refuse("a step in a slice is not allowed")
            lower, upper = (one and self.visit(one) for one in (index.lower, index.upper))
            return ast.Subscript(self.visit(node.value), ast.Slice(lower, upper), ast.Load())
        return ast.Subscript(self.visit(node.value), self.visit(index), ast.Load())

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self._refuse("only plain calls of the listed functions are allowed")
        name = node.func.id
        arguments = [self.visit(one) for one in node.args]
        if name in ("sum", "xor") and len(arguments) == 1:
            self._need_checksums(name)
            return ast.Call(
                ast.Name(f"_{name}", ast.Load()),
                [ast.Subscript(_source("out"), ast.Slice(arguments[0], None), ast.Load())],
                [],
            )
        if name == "crc16" and len(arguments) in (1, 2):
            if not isinstance(kind := node.args[0], ast.Constant) or kind.value not in (
                "modbus",
                "xmodem",
            ):
                raise self._refuse("crc16 knows 'modbus' and 'xmodem'")
            if len(arguments) == 1:
                self._need_checksums(name)
            data = arguments[1] if len(arguments) == 2 else _source("out")
            return ast.Call(_source("_crc16"), [data, arguments[0]], [])
        if name == "has" and len(arguments) == 1:
            return ast.Compare(arguments[0], [ast.In()], [_source("m.endpoints")])
        if name == "count" and arguments:
            for one in node.args:
                if not isinstance(one, ast.Constant) or one.value not in TYPES:
                    raise self._refuse("count takes output types, such as 'vibrate'")
            return ast.Call(_source("m.count"), arguments, [])
        if (
            name in ("abs", "min", "max", "int", "len", "any", "xorkey")
            or name in self._scope.calls
        ):
            if not arguments:
                raise self._refuse(f"{name}() needs an argument")
            return ast.Call(ast.Name(name, ast.Load()), arguments, [])
        raise self._refuse(f"there is no function {name}")

    def _need_checksums(self, name: str) -> None:
        self.uses.add("out")
        if not self._scope.checksums:
            raise self._refuse(f"{name}() works on the bytes of a packet only")


def _source(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_small_shift(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value <= MAX_SHIFT
    )


def _is_int(node: ast.AST) -> bool:
    """Whether this is an integer for certain; then its operators need no guard."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int)
        case ast.Name(id=name):
            return name in _INTS
        case ast.UnaryOp(operand=operand, op=op):
            return isinstance(op, ast.Not) or _is_int(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return not isinstance(op, ast.Div) and _is_int(left) and _is_int(right)
        case ast.BoolOp(values=values):
            return all(_is_int(one) for one in values)
        case ast.Compare():
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return _is_int(body) and _is_int(orelse)
        case ast.Subscript(value=ast.Name(id="s"), slice=index):
            return not isinstance(index, ast.Slice)
        case ast.Call(func=ast.Name(id="min" | "max" | "abs"), args=args):
            return all(_is_int(one) for one in args)
        case ast.Call(func=ast.Name(id=name)):
            return name in _INT_RESULT
    return False
