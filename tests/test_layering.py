"""The import directions of the package, and where `cfg` may appear (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "slowfast"
# They import each other at most.
LEAVES = {"log", "dist", "paths", "process_cost", "version", "randomness"}
MAY_IMPORT = {  # layer -> layers it may import; a layer may always import itself and the leaves
    "config": set(),
    "ops": set(),
    "models": {"ops"},
    "data": {"ops"},
    "eval": {"ops"},
    "tasks": {"eval", "data"},
    "engine": {"config", "ops", "models", "data", "eval", "tasks"},
    "viz": {"engine", "models", "data", "eval"},
    "export": {"engine", "models"},
    "battery": {"config", "data", "eval", "engine"},
    "cli": {"config", "models", "data", "eval", "engine", "viz", "export", "battery"},
}
CFG_LAYERS = {"config", "engine", "battery", "cli"}
FORBIDDEN_NAMES = {"utils", "util", "misc", "helper", "helpers", "common"}
FILES = sorted(ROOT.rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]


def layer_of(path: Path) -> str:
    """The folder below the package, or the stem of a file that lies directly in it."""
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else path.stem


def module_of(path: Path) -> str:
    parts = ["slowfast", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> list[tuple[int, str]]:
    """(line, absolute name) of everything the file imports, in whatever form it is written."""
    found: list[tuple[int, str]] = []
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                start = package[: len(package) - node.level + 1]
                base = ".".join([*start, base] if base else start)
            # `from a.b import c` may name the module a.b.c.
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                found.append((node.lineno, str(node.args[0].value)))
    return found


def resolve(name: str) -> Path | None:
    """The file of ours that an absolute dotted name lives in, or None."""
    parts = name.split(".")
    if parts[0] != "slowfast":
        return None
    for end in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[1:end])
        if end > 1 and base.with_suffix(".py").is_file():
            return base.with_suffix(".py")
        if (base / "__init__.py").is_file():
            return base / "__init__.py"
    return None


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_imports_point_down(path: Path) -> None:
    layer = layer_of(path)
    if layer == "__init__":  # the public face of the package may show what lies below
        return
    allowed = MAY_IMPORT.get(layer, set()) | LEAVES | {layer}
    for line, name in imported(path):
        target = resolve(name)
        if target is None:
            continue
        assert layer_of(target) in allowed, (
            f"{path.name}:{line}: {layer} may not import {name} (allowed: {sorted(allowed)})"
        )


def test_every_layer_is_known() -> None:
    found = {layer_of(path) for path in FILES} - {"__init__", "__main__"}
    assert found <= set(MAY_IMPORT) | LEAVES


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_cfg_stays_at_the_edge(path: Path) -> None:
    """Elsewhere than in CFG_LAYERS, `cfg` is an argument of *_from_cfg or a build.py only."""
    if layer_of(path) in CFG_LAYERS or path.name == "build.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            named += [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
            name = getattr(node, "name", "<lambda>")
            if "cfg" in {arg.arg for arg in named}:
                assert name.endswith("_from_cfg"), (
                    f"{path.name}:{node.lineno}: {name} takes cfg; only *_from_cfg may"
                )


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_no_object_keeps_cfg_and_nobody_writes_to_it(path: Path) -> None:
    """No `self.cfg = ...`; no `cfg.KEY = ...` outside the config package, which builds it."""
    for node in ast.walk(ast.parse(path.read_text())):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if not isinstance(target, ast.Attribute):
                continue
            assert target.attr != "cfg", f"{path.name}:{node.lineno}: an object keeps cfg"
            root = target.value
            while isinstance(root, ast.Attribute):
                root = root.value
            written = isinstance(root, ast.Name) and root.id == "cfg"
            assert not written or layer_of(path) == "config", (
                f"{path.name}:{node.lineno}: writes to cfg, which is frozen once loaded"
            )


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_file_names_say_something(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES


def test_no_import_cycle_between_files() -> None:
    """Imports at module level form no cycle; a package's __init__ counts as a file."""
    graph: dict[Path, set[Path]] = {}
    for path in FILES:
        targets = {resolve(name) for _, name in imported(path)}
        graph[path] = {target for target in targets if target and target != path}
    done: set[Path] = set()

    def visit(path: Path, trail: list[Path]) -> None:
        if path in trail:
            cycle = [*trail[trail.index(path) :], path]
            names = " -> ".join(str(p.relative_to(ROOT)) for p in cycle)
            pytest.fail(f"import cycle: {names}")
        if path in done:
            return
        for target in sorted(graph[path]):
            visit(target, [*trail, path])
        done.add(path)

    for path in FILES:
        visit(path, [])
