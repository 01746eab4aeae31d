"""The API's description as OpenAPI 3.1."""

import re
from typing import Any, cast

from apiflask import APIFlask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from webapp.api import orphan_schemas, schemas_in, schemas_out
from webapp.api.idempotency import HEADER, MAX_LENGTH, REPLAYED
from webapp.http.paths import API_PREFIX
from webapp.http.problems import MEDIA_TYPE, code_of, problem_body
from webapp.models.naming import MAX_TENANT_ID

Spec = dict[str, Any]

REF = "#/components/schemas/{model}"
INCOMING = (
    *(schemas_in.NewTenants, schemas_in.TenantChange, schemas_in.PauseOrder),
    *(orphan_schemas.OrphanPlace, orphan_schemas.OrphanAdoption),
    *(orphan_schemas.OrphanAcknowledgement, orphan_schemas.OrphanDrop),
)
OUTGOING: tuple[type[BaseModel], ...] = (
    *schemas_out.Outgoing.__subclasses__(),
    schemas_out.Problem,
)

ABOUT = """\
Tenants of the platform and their Milvus partitions.

Programs send `Authorization: Bearer TOKEN`; reading takes any role, changes and the audit take
`operator`.
A browser that is logged in to the panel may use its session, with the header `X-CSRFToken` on
changes. Every POST takes an `Idempotency-Key`, so that it can be repeated after a time-out without
doing it twice. Errors are problems after RFC 9457, with a stable `code`.
"""

TAGS = [
    {"name": "Tenants", "description": "Customers, each with a partition of its own."},
    {"name": "Partitions", "description": "All partitions at once."},
    {"name": "Health", "description": "What is not as it should be."},
    {"name": "Audit", "description": "Who did what, when, and from where. Takes `operator`."},
]

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "paratia_session",
        "description": "The session of the panel. Each installation has a name of its own that "
        "begins so; over TLS, `__Host-` stands before it.",
    },
}

# Answers of each kind of call, besides those that it declares.
ALWAYS = {
    401: "No credentials, or wrong ones.",
    403: "The role does not allow it.",
    500: "An error of ours; nothing is known to have been done.",
    503: "The database does not answer; nothing was acknowledged.",
}
COLLECTION = "collection"
WITH_NUMBER = {404: "There is no such tenant."}
WITH_QUERY = {422: "A parameter is unusable; `errors` names it."}
# gunicorn refuses it before the application, so it is no problem+json.
TOO_LONG = {"description": "The address has more than 4,094 bytes."}
WITH_BODY = {
    400: "The body is no JSON.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A field is unusable or unknown; `errors` names it.",
}
KEY_IN_USE = "idempotency_in_progress: the first request with this key is still under way."
KEY_UNUSABLE = (
    "The Idempotency-Key is unusable, or (`idempotency_mismatch`) came before with another request."
)
KEY_PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": (
        "Chosen by the client, a new one for each action. For 24 hours a repeat with the same key "
        "and body does nothing and gets the first answer again, with `Idempotent-Replayed: true`."
    ),
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_LENGTH,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}
REPLAYED_HEADER = {
    "description": "`true` where an earlier answer is given again.",
    "schema": {"type": "string", "const": "true"},
}


def init_app(app: APIFlask) -> None:
    """Configure APIFlask's description."""
    app.config.update(
        AUTO_SERVERS=False,  # else the first caller's Host header would be kept
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
    )


def describe(app: APIFlask) -> Spec:
    """The description of all endpoints below the API; call it after all were registered."""
    for blueprint in app.blueprints.values():
        # APIFlask reads this of every blueprint, also of those that lack it.
        if not hasattr(blueprint, "enable_openapi"):
            blueprint.enable_openapi = False  # type: ignore[attr-defined]
    return complete(cast(Spec, app.spec))


def complete(spec: Spec) -> Spec:
    """The description with what APIFlask lacks: problems, clean names, security."""
    paths = {path: item for path, item in spec["paths"].items() if path.startswith(API_PREFIX)}
    for item in paths.values():
        for method, operation in item.items():
            _complete_operation(operation)
            if method == "post":
                _complete_post(operation)
    description = {
        "openapi": spec["openapi"],
        "info": {**spec["info"], "description": ABOUT},
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "tags": TAGS,
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": SECURITY_SCHEMES},
    }
    return cast(Spec, _tidy(description))


def _complete_operation(operation: Spec) -> None:
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            _complete_path(parameter)
        if parameter["in"] == "query":
            # An empty value counts as left out.
            parameter["allowEmptyValue"] = True
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    declared = operation["responses"]
    problems = _usual_problems(operation) | {
        int(status): answer["description"] for status, answer in declared.items() if status >= "4"
    }
    declared.update({str(code): _problem(code, problems[code]) for code in sorted(problems)})
    if any(parameter["in"] == "query" for parameter in operation["parameters"]):
        declared["414"] = TOO_LONG
    if "201" in declared:
        declared["201"]["headers"] = {
            "Location": {
                "description": "The address of the tenant.",
                "required": True,
                "schema": {"type": "string"},
            }
        }


def _complete_post(operation: Spec) -> None:
    operation["parameters"].append(KEY_PARAMETER)
    answers = operation["responses"]
    for status, says in ((409, KEY_IN_USE), (422, KEY_UNUSABLE)):
        known = answers.get(str(status), {}).get("description")
        answers[str(status)] = _problem(status, f"{known} Or {says}" if known else says)
    for status, declared in answers.items():
        if status < "4":
            declared.setdefault("headers", {})[REPLAYED] = REPLAYED_HEADER
    operation["responses"] = dict(sorted(answers.items()))


def _complete_path(parameter: Spec) -> None:
    if parameter["name"] == COLLECTION:
        parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": 255}
        parameter["description"] = "The collection's name."
    else:
        _complete_number(parameter)


def _complete_number(parameter: Spec) -> None:
    parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": MAX_TENANT_ID}
    parameter["description"] = "The tenant's number."
    parameter["required"] = True


def _usual_problems(operation: Spec) -> dict[int, str]:
    places = {parameter["in"] for parameter in operation["parameters"]}
    paths = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
    return {
        **ALWAYS,
        **(WITH_NUMBER if paths - {COLLECTION} else {}),
        **(WITH_QUERY if "query" in places else {}),
        **(WITH_BODY if "requestBody" in operation else {}),
    }


def _problem(status: int, description: str) -> Spec:
    # A conflict's description begins with its code.
    code = description.partition(":")[0] if status == 409 else code_of(status)
    errors = {"name": ["must not be empty"]} if status == 422 else None
    content = {
        "schema": {"$ref": REF.format(model="Problem")},
        "example": problem_body(status, code, description, errors),
    }
    return {"description": description, "content": {MEDIA_TYPE: content}}


def _schemas() -> Spec:
    """All schemas under their own names; APIFlask would repeat nested ones."""
    _, schemas_in = models_json_schema([(m, "validation") for m in INCOMING], ref_template=REF)
    _, schemas_out = models_json_schema([(m, "serialization") for m in OUTGOING], ref_template=REF)
    merged: Spec = {**schemas_in["$defs"], **schemas_out["$defs"]}
    return dict(sorted(merged.items()))


def _tidy(node: Any) -> Any:
    """The description without APIFlask's names of nested schemas, and defaults of null."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = {**node, "$ref": re.sub(r"schemas/\w+\.", "schemas/", node["$ref"])}
    return {key: _tidy(value) for key, value in node.items() if (key, value) != ("default", None)}
