"""What of a change of an OpenAPI document breaks a client that was written for the earlier one.

It knows what this API uses: paths, operations, parameters, bodies of one media type, answers, objects, lists, choices.
"""

from collections.abc import Iterator, Mapping
from typing import Any

#: Bounds, and which of two values is the narrower one.
_BOUNDS = (("maxLength", min), ("maximum", min), ("maxItems", min), ("minLength", max), ("minimum", max))

_METHODS = ("get", "put", "post", "delete", "patch")

Spec = Mapping[str, Any]


def breaking(old: Spec, new: Spec) -> list[str]:
    """Return one line for each change that breaks a client."""
    return list(_paths(old, new))


def _paths(old: Spec, new: Spec) -> Iterator[str]:
    for path, item in old["paths"].items():
        for method in filter(item.__contains__, _METHODS):
            where = f"{method.upper()} {path}"
            there = new["paths"].get(path, {}).get(method)
            if there is None:
                yield f"{where}: is gone"
                continue
            yield from _operation(where, item[method], there, (old, new))


def _operation(where: str, old: Spec, new: Spec, specs: tuple[Spec, Spec]) -> Iterator[str]:
    before, after = _scopes(old), _scopes(new)
    if not before <= after:
        yield f"{where}: the scope {', '.join(sorted(before - after))} is no longer enough"
    yield from _parameters(where, old, new, specs)
    if "requestBody" in new and "requestBody" not in old:
        yield f"{where}: needs a body"
    elif "requestBody" in old:
        yield from _schema(
            f"{where} body", _content(old["requestBody"]), _content(new["requestBody"]), specs, asks=True
        )
    for status, answer in old["responses"].items():
        if status.startswith("2"):
            if status not in new["responses"]:
                yield f"{where}: no longer answers {status}"
            else:
                found = _content(new["responses"][status])
                yield from _schema(f"{where} {status}", _content(answer), found, specs, asks=False)


def _scopes(operation: Spec) -> set[str]:
    return {scope for each in operation.get("security", []) for names in each.values() for scope in names}


def _parameters(where: str, old: Spec, new: Spec, specs: tuple[Spec, Spec]) -> Iterator[str]:
    before = {(each["in"], each["name"]): each for each in old.get("parameters", [])}
    after = {(each["in"], each["name"]): each for each in new.get("parameters", [])}
    for key, each in before.items():
        if key not in after:
            yield f"{where}: the parameter {key[1]} is gone"
        else:
            yield from _schema(f"{where} {key[1]}", each["schema"], after[key]["schema"], specs, asks=True)
    for key, each in after.items():
        if each.get("required") and not before.get(key, {}).get("required"):
            yield f"{where}: needs the parameter {key[1]}"


def _content(holder: Spec) -> Spec:
    found: Spec = next(iter(holder.get("content", {}).values()), {}).get("schema", {})
    return found


def _schema(where: str, old: Spec, new: Spec, specs: tuple[Spec, Spec], *, asks: bool, depth: int = 0) -> Iterator[str]:
    """Compare two schemas. `asks`: of what a client sends; otherwise of what it gets."""
    old, new = _resolved(old, specs[0]), _resolved(new, specs[1])
    if depth > 8:  # a shape that holds itself
        return
    yield from _kinds(where, old, new, asks)
    before, after = old.get("properties", {}), new.get("properties", {})
    required = set(new.get("required", [])), set(old.get("required", []))
    for name, each in before.items():
        if name not in after:
            yield f"{where}: the field {name} is gone"
        else:
            yield from _schema(f"{where} {name}", each, after[name], specs, asks=asks, depth=depth + 1)
    if asks:
        yield from (f"{where}: needs the field {name}" for name in sorted(required[0] - required[1]))
    else:
        yield from (f"{where}: the field {name} may be missing" for name in sorted(required[1] - required[0]))
    if "items" in old:
        yield from _schema(f"{where}[]", old["items"], new.get("items", {}), specs, asks=asks, depth=depth + 1)


def _kinds(where: str, old: Spec, new: Spec, asks: bool) -> Iterator[str]:
    before, after = _choices(old), _choices(new)
    if asks and not before <= after:
        yield f"{where}: no longer takes {', '.join(sorted(before - after))}"
    for name, narrower in (
        ("maxLength", min),
        ("maximum", min),
        ("maxItems", min),
        ("minLength", max),
        ("minimum", max),
    ):
        if asks and name in new and (name not in old or narrower(new[name], old[name]) != old[name]):
            yield f"{where}: {name} is narrower"
    if asks and "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{where}: the pattern changed"
    if not asks and old.get("type") != new.get("type"):
        yield f"{where}: is of another type"
    if not asks and "enum" in old and not set(old["enum"]) <= set(new.get("enum", [])):
        yield f"{where}: a value of the list is gone"


def _choices(schema: Spec) -> set[str]:
    """Return the types or values that a schema takes, by their names."""
    if "enum" in schema:
        return {f"={value}" for value in schema["enum"]}
    branches = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return {str(each.get("$ref") or each.get("type") or "anything") for each in branches}


def _resolved(schema: Spec, spec: Spec) -> Spec:
    while "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
