"""The public API of one module as JSON on stdout, a class a line: `python members.py tensorrt_bindings`

    "Builder": "build_serialized_network()->IHostMemory create_network()->INetworkDefinition num_DLA_cores ..."

A name with () after it is a method; others are properties, enum members and nested classes; -> tells the class of
the module that a call or property gives. The module's own functions stand under "".
"""

import importlib
import json
import re
import sys
from types import ModuleType


def api_of(module: ModuleType) -> dict[str, str]:
    """Class -> its public members, sorted, parted by blanks."""
    classes = {name: cls for name, cls in vars(module).items() if isinstance(cls, type) and not name.startswith("_")}
    functions = [name for name, thing in vars(module).items()
                 if not isinstance(thing, type) and callable(thing) and not name.startswith("_")]
    found = {"": " ".join(sorted(f"{name}()" for name in functions))}
    for name, cls in classes.items():
        found.update(_classes(name, cls))
    return dict(sorted(found.items()))


def _classes(name: str, cls: type) -> dict[str, str]:
    """A class and those inside it, such as OnnxParser's flags."""
    members = {member: getattr(cls, member) for member in dir(cls)
               if not member.startswith("_") and not hasattr(object, member)}
    found = {name: " ".join(member + _manner(thing) for member, thing in sorted(members.items()))}
    for member, thing in members.items():
        if isinstance(thing, type):
            found.update(_classes(f"{name}.{member}", thing))
    return found


def _manner(thing: object) -> str:
    """() of a method, and ->CLASS where a signature in its docstring tells of one (the first, where overloaded)."""
    if isinstance(thing, type):
        return ""
    told = (thing.fget if isinstance(thing, property) else thing).__doc__ or ""
    given = re.search(r"^(?:\d+\. )?\w*\(.*\) -> (?!None)(?:\w+(?:\.|::))*([A-Z]\w*)$", told, re.MULTILINE)
    return "()" * callable(thing) + (f"->{given[1]}" if given else "")


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(members)}" for name, members in
             api_of(importlib.import_module(sys.argv[1])).items()]
    print("{\n" + ",\n".join(lines) + "\n}")
