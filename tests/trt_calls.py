"""Which members of TensorRT a piece of source calls, found without running it.

What our code holds of TensorRT is typed Any, so kinds are inferred: `trt` is the module, what a member gives is
told by the dumps of tests/trt_api, and parameters and fields typed Any go by their names (NAMED) in the engine room
and in files that speak of `trt`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Api = Mapping[str, Mapping[str, str]]  # class -> member -> "()" of a method, and "->CLASS" where it gives one

NAMED = {
    "trt": "module", "builder": "Builder", "config": "IBuilderConfig", "context": "IExecutionContext",
    "definition": "INetworkDefinition", "engine": "ICudaEngine", "error": "ParserError",
    "inspector": "EngineInspector", "layer": "ILayer", "logger": "ILogger", "monitor": "IProgressMonitor",
    "parser": "OnnxParser", "profile": "IOptimizationProfile", "runtime": "Runtime", "tensor": "ITensor",
    "cache": "ITimingCache", "timing_cache": "ITimingCache",
}


class Call(NamedTuple):
    member: str  # "IBuilderConfig.set_flag", "DataType.FLOAT", "volume"
    where: str  # file:line


class Found(NamedTuple):
    calls: frozenset[Call]
    asked: frozenset[Call]  # members that has() is asked about


def api_from_dump(dump: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """A file of tests/trt_api, its members taken apart."""
    return {name: dict(re.fullmatch(r"(\w+)(.*)", member).groups() for member in members.split())
            for name, members in dump.items()}


def merged(apis: Iterable[Api]) -> dict[str, dict[str, str]]:
    """What any of them has."""
    found: dict[str, dict[str, str]] = {}
    for api in apis:
        for name, members in api.items():
            known = found.setdefault(name, {})
            known.update({member: max(manner, known.get(member, ""), key=len) for member, manner in members.items()})
    return found


def has_member(api: Api, member: str) -> bool:
    """Is "IBuilderConfig.set_flag", "OnnxParserFlag" or "get_plugin_registry" there?"""
    cls, _, name = member.rpartition(".")
    return member in api or name in api.get(cls, {})


def calls_in(sources: Mapping[str, str], api: Api) -> Found:
    """sources: file name -> text. Two rounds: what functions return is known in the second."""
    reader = _Reader(api)
    trees = {name: ast.parse(text) for name, text in sources.items()}
    for reader.file, tree in trees.items():
        reader.learn(tree)
    for _ in range(2):
        for reader.file, tree in trees.items():
            reader.scope, reader.inside = {}, ""
            reader.named = NAMED if "engine/" in reader.file or re.search(r"\btrt\b", sources[reader.file]) else {}
            reader.visit(tree)
    return Found(frozenset(reader.calls), frozenset(reader.asked))


class _Reader(ast.NodeVisitor):
    """Kinds: "module"; a class of TensorRT, for its objects; "type X"; "call K", gives K; "each K", holds some K;
    "own X", an object of a class of ours."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.file = self.inside = ""  # and the class in it that is read
        self.named: Mapping[str, str] = {}
        self.scope: dict[str, str] = {}
        self.own: dict[str, dict[str, str]] = {}  # class of ours -> field, property or method -> kind
        self.returned: dict[str, str] = {}  # function of ours, in no class -> kind
        self.gives_any: set[str] = set()  # such functions whose return type has an Any in it
        self.calls: set[Call] = set()
        self.asked: set[Call] = set()

    def learn(self, tree: ast.Module) -> None:
        """The classes of ours, and functions that say what they return."""
        self.own.update({node.name: {} for node in ast.walk(tree) if isinstance(node, ast.ClassDef)})
        self.gives_any.update(self._key(node.name) for node in tree.body if isinstance(node, ast.FunctionDef)
                              and node.returns is not None and "Any" in ast.unparse(node.returns))

    def _key(self, function: str) -> str:
        """A private function's name means something in its own file alone."""
        return f"{self.file}:{function}" if function.startswith("_") else function

    # statements

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            kind = self.kind(base)
            if kind.startswith("type "):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                        self._note(f"{kind[5:]}.{method.name}", method)
        fields = self.own.setdefault(node.name, {})
        for field in node.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                fields[field.target.id] = self._declared(field.target.id, field.annotation)
        outer = self.scope, self.inside
        self.scope, self.inside = {**self.scope, "self": f"own {node.name}"}, node.name
        self.generic_visit(node)
        self.scope, self.inside = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = self.scope, self.inside
        self.scope, self.inside = dict(self.scope), ""
        for parameter in [*node.args.args, *node.args.kwonlyargs]:
            if parameter.annotation is not None or parameter.arg != "self":
                self.scope[parameter.arg] = self._declared(parameter.arg, parameter.annotation)
        self.generic_visit(node)
        returned = [self.kind(child.value) for child in ast.walk(node) if isinstance(child, ast.Return) and child.value]
        kind = self._declared("", node.returns) or next(filter(None, returned), "")
        self.scope, self.inside = outer
        if not self.inside:
            self.returned[self._key(node.name)] = kind
        elif "property" in map(ast.unparse, node.decorator_list):
            self.own[self.inside][node.name] = kind
        else:
            self.own[self.inside][node.name] = kind and f"call {kind}"

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, node.value)
            self.visit(target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.visit(node.value)

    def visit_For(self, node: ast.For) -> None:
        self._give_each(node)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self._bind(item.optional_vars, item.context_expr)
        self.generic_visit(node)

    # expressions

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.kind(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.kind(node)
        if ast.unparse(node.func).split(".")[-1] == "has" and node.args and isinstance(node.args[-1], ast.Constant):
            self.asked.add(Call(str(node.args[-1].value), f"{self.file}:{node.lineno}"))
        self.generic_visit(node)

    def _visit_comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self._give_all(node)
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _visit_comprehension

    def kind(self, node: ast.expr) -> str:
        """What an expression is, or ""; the members of TensorRT on the way are noted."""
        match node:
            case ast.Name():
                return self.scope.get(node.id) or ("module" if node.id == "trt" else "")
            case ast.Attribute():
                return self._member(self.kind(node.value), node)
            case ast.Call():
                return self._called(node)
            case ast.Subscript():
                return self._element(node.value)
            case ast.IfExp():
                return self.kind(node.body) or self.kind(node.orelse)
            case ast.BoolOp():
                return next(filter(None, map(self.kind, node.values)), "")
            case ast.List() | ast.Tuple() | ast.Set():
                held = [self._element(child.value) if isinstance(child, ast.Starred) else self.kind(child)
                        for child in node.elts]
                return f"each {held[0]}" if held and held[0] else ""
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._give_all(node)
                held_kind = self.kind(node.value if isinstance(node, ast.DictComp) else node.elt)
                return held_kind and f"each {held_kind}"
        return ""

    def _member(self, of: str, node: ast.Attribute) -> str:
        name = node.attr
        if name == "trt":
            return "module"
        if not of or name.startswith("__"):
            return ""
        if of.startswith("own "):
            return self.own.get(of[4:], {}).get(name, "")
        if of.startswith("each "):
            return f"call {of}" if name == "values" else ""
        if of.startswith("call "):
            return ""
        return self._member_of_library(of.removeprefix("type "), name, node, of.startswith("type "))

    def _member_of_library(self, cls: str, name: str, node: ast.AST, of_type: bool) -> str:
        path = name if cls == "module" else f"{cls}.{name}"
        self._note(path, node)
        if path in self.api:
            return f"type {path}"
        manner, _, given = self.api.get("" if cls == "module" else cls, {}).get(name, "").partition("->")
        if of_type and not manner:
            return cls  # a member of an enum
        given = given if given in self.api else given.removeprefix("I")  # IParserError is ParserError in Python
        return f"call {given}" if given and manner else given

    def _called(self, node: ast.Call) -> str:
        of = self.kind(node.func)
        if of.startswith(("type ", "call ")):
            return of[5:]
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "getattr" and isinstance(node.args[1], ast.Constant):
            return self.kind(ast.copy_location(ast.Attribute(node.args[0], str(node.args[1].value)), node))
        if name in ("list", "tuple", "sorted", "iter", "reversed") and node.args:
            return self.kind(node.args[0])
        return f"own {name}" if name in self.own else self.returned.get(self._key(name), "")

    # names

    def _note(self, member: str, node: ast.AST) -> None:
        self.calls.add(Call(member, f"{self.file}:{getattr(node, 'lineno', 0)}"))

    def _declared(self, name: str, annotation: ast.expr | None) -> str:
        """The kind of a parameter, field or result with this annotation."""
        told = ast.unparse(annotation).strip("'\"") if annotation is not None else ""
        ours = re.search(r"\w+", told.rpartition(".")[2])
        if told.split(" | ")[0] == "Any":
            return self.named.get(name.lstrip("_"), "")
        return f"own {ours[0]}" if ours and ours[0] in self.own else ""

    def _element(self, node: ast.expr) -> str:
        kind = self.kind(node)
        return kind[5:] if kind.startswith("each ") else ""

    def _give_all(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        for loop in node.generators:
            self._give_each(loop)

    def _give_each(self, loop: ast.For | ast.comprehension) -> None:
        named = self.named.get(getattr(loop.target, "id", ""), "") if self._gives_any(loop.iter) else ""
        self._give(loop.target, self._element(loop.iter) or named)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._bind(one, its)
        elif isinstance(target, ast.Tuple) and self._gives_any(value):
            for one in target.elts:
                self._give(one, self.named.get(getattr(one, "id", ""), ""))
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                self._give(one, self._element(value))
        else:
            named = self.named.get(getattr(target, "id", ""), "") if self._gives_any(value) else ""
            self._give(target, self.kind(value) or named)

    def _gives_any(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Call) and self._key(getattr(value.func, "id", "")) in self.gives_any

    def _give(self, target: ast.expr, kind: str) -> None:
        if isinstance(target, ast.Name):
            self.scope[target.id] = kind
        elif isinstance(target, ast.Attribute) and (owner := self.kind(target.value)).startswith("own "):
            if kind:
                self.own.setdefault(owner[4:], {})[target.attr] = kind
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                self._give(one, kind)
