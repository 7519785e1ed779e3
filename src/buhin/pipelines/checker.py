"""Reads the YAML file of a pipeline and checks it in full before anything runs.

Every call is checked against the proto descriptors: the service and the method, each field, each constant, each
reference and its type, and the fields that the proto requires. A wrong file raises an ExceptionGroup of SpecErrors,
one for each problem, each with its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from google.protobuf.descriptor import MethodDescriptor

from buhin.catalogue.card import Localized
from buhin.pipelines import types
from buhin.pipelines.document import Document, Entry, describe, scalar
from buhin.pipelines.inputs import PARAMETER_TYPES, InputRule, Parameter
from buhin.pipelines.references import BadReferenceError, Reference, parse, suggest, type_of
from buhin.pipelines.request import RequestChecker
from buhin.pipelines.spec import Output, Spec, Step
from buhin.pipelines.types import ANY, FILE, UNKNOWN, Type
from buhin.pipelines.writers import WRITERS, Writer

_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TIMEOUT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)s")
_FILE = re.compile(r"[^/\\\x00-\x1f]+")
_RESERVED = {"input", "parameters", "item"}


def load(path: Path) -> Spec:
    """Read and check a pipeline. Raises an ExceptionGroup of SpecErrors, ordered by line."""
    document = Document(path)
    text, root = document.read()
    if root is None and not document.problems:
        document.report(1, "is empty")
    spec = Spec(path, text)
    if root is not None:
        _Checker(document, spec).check(root)
    if document.problems:
        problems = sorted(document.problems, key=lambda problem: int(problem.metadata["line"]))
        raise ExceptionGroup(f"{path} is not a pipeline", problems)
    return spec


class _Checker:
    """Fills a Spec from its nodes and keeps every problem."""

    def __init__(self, document: Document, spec: Spec) -> None:
        self._document = document
        self._spec = spec
        self._scope: dict[str, Type] = {}

    def check(self, root: yaml.Node) -> None:
        required = ("name", "title", "input", "steps", "outputs")
        keys = self._document.keys(root, "a pipeline", required=required, optional=["parameters"])
        if entry := keys.get("name"):
            self._spec.name = self._identifier(entry.value, "name") or ""
        if entry := keys.get("title"):
            self._title(entry.value)
        if entry := keys.get("input"):
            self._input(entry.value)
        if entry := keys.get("parameters"):
            self._parameters(entry.value)
        if entry := keys.get("steps"):
            steps = self._document.sequence(entry.value, "steps")
            if not steps and isinstance(entry.value, yaml.SequenceNode):
                self._document.report(entry.key, "a pipeline needs at least one step")
            for node in steps:
                self._step(node)
        if entry := keys.get("outputs"):
            for node in self._document.sequence(entry.value, "outputs"):
                self._output(node)

    def _identifier(self, node: yaml.Node, what: str) -> str | None:
        text = self._document.text(node, what)
        if text is not None and not _ID.fullmatch(text):
            self._document.report(node, f"{what} {text!r} must be lower-case letters, digits and _, a letter first")
            return None
        return text

    def _title(self, node: yaml.Node) -> None:
        keys = self._document.keys(node, "title", required=("en", "ja"))
        texts = {name: self._document.text(entry.value, f"title.{name}") or "" for name, entry in keys.items()}
        self._spec.title = Localized(en=texts.get("en", ""), ja=texts.get("ja", ""))

    def _input(self, node: yaml.Node) -> None:
        keys = self._document.keys(node, "input", required=("kind", "suffixes"))
        kind: Literal["file", "files"] = "file"
        if entry := keys.get("kind"):
            text = self._document.text(entry.value, "input.kind")
            if text == "files":
                kind = "files"
            elif text is not None and text != "file":
                self._document.report(entry.value, f"input.kind is {text!r}; accepted: file, files")
        suffixes = []
        elements = self._document.sequence(keys["suffixes"].value, "input.suffixes") if "suffixes" in keys else []
        for element in elements:
            suffix = self._document.text(element, "a suffix")
            if suffix is not None and not re.fullmatch(r"\.[a-z0-9]+", suffix):
                self._document.report(element, f"suffix {suffix!r} must be a dot and lower-case letters or digits")
            suffixes.append(suffix or "")
        if "suffixes" in keys and isinstance(keys["suffixes"].value, yaml.SequenceNode) and not elements:
            self._document.report(keys["suffixes"].value, "input.suffixes needs at least one suffix")
        self._spec.input = InputRule(kind, tuple(suffixes))
        self._scope["input"] = FILE if kind == "file" else Type("input", members={"files": FILE.list()})

    def _parameters(self, node: yaml.Node) -> None:
        members = {}
        for name, entry in self._document.mapping(node, "parameters").items():
            self._identifier(entry.key, "the parameter")
            keys = self._document.keys(
                entry.value, f"parameter {name}", required=["type"], optional=["default", "description"]
            )
            if "type" not in keys:
                continue
            kind = self._document.text(keys["type"].value, "type")
            if kind not in PARAMETER_TYPES:
                members[name] = Type(UNKNOWN)
                if kind is not None:
                    known = ", ".join(PARAMETER_TYPES)
                    self._document.report(keys["type"].value, f"parameter {name} has type {kind}; accepted: {known}")
                continue
            default = scalar(keys["default"].value) if "default" in keys else None
            if "default" in keys and not _is(default, kind):
                problem = f"the default of {name} must be a {kind}, not {describe(keys['default'].value)}"
                self._document.report(keys["default"].value, problem)
            description = self._document.text(keys["description"].value, "description") if "description" in keys else ""
            self._spec.parameters[name] = Parameter(name, kind, default, description or "")
            members[name] = Type(kind)
        self._scope["parameters"] = Type("parameters", members=members)

    def _step(self, node: yaml.Node) -> None:
        keys = self._document.keys(node, "a step", required=("id", "call"), optional=("with", "for_each", "timeout"))
        step_id = self._identifier(keys["id"].value, "the id") if "id" in keys else None
        if step_id is not None and (step_id in _RESERVED or step_id in self._scope):
            self._document.report(keys["id"].value, f"the id {step_id} is taken")
            step_id = None
        timeout = self._timeout(keys["timeout"].value) if "timeout" in keys else None
        method = self._method(keys["call"].value) if "call" in keys else None
        scope, for_each = self._iteration(keys)
        if method is None:
            if step_id is not None:
                self._scope[step_id] = Type(UNKNOWN)
            return
        checker = RequestChecker(self._document, scope)
        given = keys["with"].value if "with" in keys else None
        request = checker.message(given, method.input_type, at=keys["call"].key if given is None else keys["with"].key)
        if step_id is None:
            return
        response = types.of_message(method.output_type)
        if "for_each" in keys:
            response = response.list() if for_each is not None else Type(UNKNOWN)
        self._scope[step_id] = response
        self._spec.steps[step_id] = Step(step_id, method, request, for_each, timeout)

    def _timeout(self, node: yaml.Node) -> float | None:
        text = self._document.text(node, "timeout")
        match = _TIMEOUT.fullmatch(text or "")
        if match and float(match[1]) > 0:
            return float(match[1])
        if text is not None:
            self._document.report(node, f"timeout {text!r} must be seconds, for example 300s")
        return None

    def _method(self, node: yaml.Node) -> MethodDescriptor | None:
        text = self._document.text(node, "call")
        if text is None:
            return None
        service_name, slash, method_name = text.partition("/")
        if not slash:
            self._document.report(node, f"call {text!r} must be package.Service/Method")
            return None
        known = types.services()
        if service_name not in known:
            self._document.report(node, f"there is no service {service_name}{suggest(service_name, known)}")
            return None
        methods = known[service_name].methods_by_name
        if method_name not in methods:
            self._document.report(node, f"{service_name} has no method {method_name}{suggest(method_name, methods)}")
            return None
        method: MethodDescriptor = methods[method_name]
        if method.client_streaming or method.server_streaming:
            unary = [name for name, m in methods.items() if not (m.client_streaming or m.server_streaming)]
            self._document.report(node, f"{method_name} is a streaming method; a step calls one of: {', '.join(unary)}")
            return None
        return method

    def _iteration(self, keys: Mapping[str, Entry]) -> tuple[dict[str, Type], Reference | None]:
        if "for_each" not in keys:
            return self._scope, None
        node = keys["for_each"].value
        text = self._document.text(node, "for_each")
        scope = {**self._scope, "item": Type(UNKNOWN)}
        if text is None:
            return scope, None
        try:
            reference = parse(text)
            found = type_of(reference, self._scope)
        except BadReferenceError as problem:
            self._document.report(node, str(problem))
            return scope, None
        if not found.repeated and found.name != UNKNOWN:
            self._document.report(node, f"for_each takes a list; {text} is one {found}")
            return scope, None
        return {**self._scope, "item": found.one()}, reference

    def _output(self, node: yaml.Node) -> None:
        keys = self._document.keys(node, "an output", required=("file", "writer"), optional=["with"])
        name = self._document.text(keys["writer"].value, "writer") if "writer" in keys else None
        if name is None:
            return
        if name not in WRITERS:
            self._document.report(keys["writer"].value, f"there is no writer {name}{suggest(name, WRITERS)}")
            return
        writer = WRITERS[name]
        file = self._file(keys["file"].value, writer) if "file" in keys else ""
        given = self._document.mapping(keys["with"].value, "with") if "with" in keys else {}
        for need in writer.needs:
            if need.name not in given and not need.optional:
                self._document.report(node, f"the writer {name} needs {need.name}: a {need.type}")
        sources = {}
        for need_name, entry in given.items():
            found = next((need for need in writer.needs if need.name == need_name), None)
            if found is None:
                known = [need.name for need in writer.needs]
                self._document.report(entry.key, f"the writer {name} takes no {need_name}{suggest(need_name, known)}")
            elif step := self._source(entry.value, found.type):
                sources[need_name] = step
        self._spec.outputs.append(Output(file, writer, sources))

    def _file(self, node: yaml.Node, writer: Writer) -> str:
        text = self._document.text(node, "file") or ""
        name = text.removesuffix("/")
        if text and (not _FILE.fullmatch(name) or name in (".", "..")):
            self._document.report(node, f"file {text!r} must be a plain name, without a folder")
        elif text and writer.folder != text.endswith("/"):
            wanted = "a folder: end its name with /" if writer.folder else "one file: its name must not end with /"
            self._document.report(node, f"the writer {writer.name} makes {wanted}")
        elif text in [output.file for output in self._spec.outputs]:
            self._document.report(node, f"file {text!r} is written by an earlier output")
        return text

    def _source(self, node: yaml.Node, wanted: Type) -> str | None:
        text = self._document.text(node, "a reference")
        if text is None:
            return None
        try:
            reference = parse(text)
            found = type_of(reference, self._scope)
        except BadReferenceError as problem:
            self._document.report(node, str(problem).replace("before this step", "among the steps"))
            return None
        if len(reference.parts) > 1 or reference.root in _RESERVED:
            self._document.report(node, f"{text}: a writer takes the whole answer of a step")
        elif found.name != UNKNOWN and not (wanted.name == ANY or found.fits(wanted)):
            self._document.report(node, f"{text} is a {found}; the writer takes a {wanted}")
        return reference.root


def _is(value: object, kind: str) -> bool:
    if kind == "double":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is PARAMETER_TYPES[kind]
