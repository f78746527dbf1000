"""What schemathesis needs to be a caller of posnext: a token, a digest of each order, and ids that are mapped."""
import copy
import datetime
import json
import pathlib
import re
import sys

import jsonschema_rs
import schemathesis

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "docs/clients"))
import posnext  # noqa: E402, the Python sample of the book

LOCATIONS = ["PAR-LOC-12345", "PAR-LOC-ASYNC", "PAR-LOC-REJECT", "PAR-LOC-OFF", "PAR-LOC-MENU"]
ORDERS = ("/posnext/order/submit", "/posnext/order/validate")


@schemathesis.auth()
class Token:
    def get(self, case, context):
        return posnext.token()

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_body(context, body):
    """Most ids that a machine makes up are nobody's; then nothing else of the order would ever be looked at."""
    if isinstance(body, dict) and isinstance(body.get("location_id"), str):
        sum_of_it = sum(json.dumps(body).encode())
        if sum_of_it % 8:
            body = {**body, "location_id": LOCATIONS[sum_of_it % len(LOCATIONS)]}
            if isinstance(body.get("organization_id"), str):
                body["organization_id"] = "IA-YC-01"
    if isinstance(body, dict) and isinstance(body.get("request_datetime"), str):
        body = {**body, "request_datetime": recent(body["request_datetime"])}
    if isinstance(body, dict) and isinstance(body.get("order_details"), dict):
        body = {**body, "order_details": {name: amount(name, value) for name, value in body["order_details"].items()}}
    return body


def recent(text):
    """That an order is not years old, and not of tomorrow, is more than a schema can say. What is no date stays so."""
    try:
        datetime.date.fromisoformat(text[:10])
    except ValueError:
        return text
    return str(datetime.date.today() - datetime.timedelta(days=2)) + text[10:]


def amount(name, value):
    """That an amount has at most 28 digits is more than a schema of numbers can say."""
    return round(value, 2) if name in ("subtotal", "grand_total") and isinstance(value, float) else value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """`order-placed` is an example of submit, and was sent before. What is no id on purpose stays so."""
    uid = (path_parameters or {}).get("request_uid")
    possible = isinstance(uid, str) and re.fullmatch("[A-Za-z0-9._~-]{1,128}", uid)
    return {**path_parameters, "request_uid": "order-placed"} if possible and len(uid) % 2 else path_parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    """Signs an order as it is. Where the header is left out on purpose, or is no digest on purpose, it stays so."""
    given = (case.headers or {}).get("x-pch-digest")
    if case.path in ORDERS and isinstance(given, str) and len(given) == 64 and isinstance(case.body, dict):
        case.headers["x-pch-digest"] = posnext.digest(json.dumps(case.body))


def strict_order():
    """What must be right of an order: all but what of its details is read tolerantly."""
    schemas = copy.deepcopy(json.loads((ROOT / "docs/openapi.json").read_text())["components"]["schemas"])
    details = schemas["OrderDetails"]["properties"]
    schemas["OrderDetails"]["properties"] = {name: details[name] for name in ("online_order_id", "subtotal", "grand_total")}
    schema = {"$ref": "#/components/schemas/Order", "components": {"schemas": schemas}}
    return jsonschema_rs.Draft202012Validator(schema)


STRICT = strict_order()


@schemathesis.check
def strict_members(context, response, case):
    """No order is taken that lacks a member or has a wrong one."""
    if case.path in ORDERS and 200 <= response.status_code < 300:
        body = json.loads(case.body) if isinstance(case.body, bytes) else case.body
        assert STRICT.is_valid(body), f"taken: {[error.message for error in STRICT.iter_errors(body)]}"


@schemathesis.check
def signed(context, response, case):
    """What is signed is what the answer says."""
    given = response.headers.get("x-pch-digest")
    if given and response.status_code != 304:
        assert posnext.verify(response.text, given[0]), "the digest is not that of the answer"
    if case.path in ORDERS and 200 <= response.status_code < 300:
        assert given, "an answer about an order leaves unsigned"
