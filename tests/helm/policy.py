# SPDX-License-Identifier: Apache-2.0
"""A MutatingAdmissionPolicy, done to a pod outside of an API server. The expressions are evaluated by a CEL of its own kind, which
is laxer about types than Kubernetes': that the API server takes them is for the cluster's tests to show."""

import copy
import json
import re

import celpy


def join(items, separator):
    return celpy.celtypes.StringType(separator.join(items))


def escape_key(_, key):
    return celpy.celtypes.StringType(key.replace("~", "~0").replace("/", "~1"))


def string(value):
    """The library's own gives Python's True and False."""
    if isinstance(value, celpy.celtypes.BoolType):
        return celpy.celtypes.StringType("true" if value else "false")
    return celpy.celtypes.StringType(value)


FUNCTIONS = {"join": join, "escapeKey": escape_key, "string": string}


def evaluate(expression, context):
    environment = celpy.Environment()
    program = environment.program(environment.compile(expression), functions=FUNCTIONS)
    return program.evaluate(context)


class Encoder(celpy.adapter.CELJSONEncoder):
    def default(self, o):
        if isinstance(o, celpy.CELEvalError):  # the library keeps errors inside of maps
            raise o
        return super().default(o)


def as_json(value):
    return json.loads(json.dumps(value, cls=Encoder))


def add(document, pointer, value):
    """The operation `add` of a JSON Patch."""
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in steps:
        document = document[step]
    if isinstance(document, list):
        document.insert(len(document) if last == "-" else int(last), value)
    else:
        document[last] = value


def apply(policy, pod, namespace_labels):
    """The pod as the API server would keep it, but for the defaults that it fills in."""
    spec = policy["spec"]
    (mutation,) = spec["mutations"]
    context = celpy.json_to_cel({"object": pod, "namespaceObject": {"metadata": {"labels": namespace_labels}}, "jsonpatch": {}})
    context["variables"] = celpy.celtypes.MapType({})
    for one in spec["variables"]:
        try:
            value = evaluate(one["expression"], context)
        except celpy.CELEvalError as error:  # a variable that is not asked for does no harm
            value = error
        context["variables"][celpy.celtypes.StringType(one["name"])] = value
    # Messages of this type are Kubernetes' own; maps do here.
    expression = re.sub(r"JSONPatch\{op: (.*?), path: (.*?), value: ", r'{"op": \1, "path": \2, "value": ', mutation["jsonPatch"]["expression"])
    changed = copy.deepcopy(pod)
    for one in as_json(evaluate(expression, context)):
        assert one["op"] == "add"
        add(changed, one["path"], one["value"])
    return changed
