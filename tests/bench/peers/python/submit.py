"""POST /posnext/order/submit, with the idempotency of Powertools."""

import base64
import json
import os
import re
from datetime import datetime

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyValidationError,
)

import directory
import orders
from aws import dynamodb, logger
from http_api import Refusal, answer, answered, authenticate, shared_ids
from pos import place
from signature import verify

SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.~-]{1,128}")

config = IdempotencyConfig(
    event_key_jmespath="[tenant, order.request_uid]",
    payload_validation_jmespath="[order.organization_id, order.location_id, order.order_details]",
    raise_on_no_idempotency_key=True,
    expires_after_seconds=30 * 24 * 3600,
)
persistence = DynamoDBPersistenceLayer(
    table_name=os.environ["PEER_IDEMPOTENCY_TABLE"], key_attr="pk", boto3_client=dynamodb
)


@idempotent_function(data_keyword_argument="submission", config=config, persistence_store=persistence)
def place_once(submission, store):
    tenant, order = submission["tenant"], submission["order"]
    if store["enabled"]:
        result = place(store, tenant, order)
    else:
        errors = [{"code": "location_closed", "message": "the location takes no orders"}]
        result = {"status": "rejected", "pos_order_id": None, "errors": errors}
    orders.put(orders.key(tenant, order["request_uid"]), order, result)
    return result


def _text(value):
    return isinstance(value, str) and len(value) <= 128 and "|" not in value


def _amount(value):
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def parse(event):
    body = event["body"]
    try:
        order = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    except (TypeError, ValueError):
        raise Refusal(400, "invalid_json", "the body is no JSON") from None
    try:
        details = order.get("order_details") or {}
        right = (
            SEGMENT.fullmatch(order["request_uid"])
            and _text(order["organization_id"])
            and _text(order["location_id"])
            and _text(details.get("online_order_id") or "")
            and datetime.fromisoformat(order["request_datetime"])
            and _amount(details.get("grand_total"))
            and _amount(details.get("subtotal"))
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise Refusal(400, "invalid_field", "a field is missing or wrong")
    return order


@logger.inject_lambda_context
@answered
def handler(event, context):
    client = authenticate(event)
    order = parse(event)
    store, values = shared_ids(client, order["organization_id"], order["location_id"])
    digest = event["headers"].get("x-pch-digest", "")
    shared_id = next((value for value in values if verify(value, order, digest)), None)
    if shared_id is None:
        raise Refusal(412, "digest_mismatch", "x-pch-digest does not match this order")
    config.register_lambda_context(context)
    try:
        result = place_once(submission={"tenant": client["tenant"], "order": order}, store=store)
    except IdempotencyValidationError:
        raise Refusal(409, "idempotency_conflict", "this request_uid was submitted before with other content") from None
    except IdempotencyAlreadyInProgressError:
        raise Refusal(503, "in_progress", "this order is being placed; send the same request again after Retry-After") from None
    key = orders.key(client["tenant"], order["request_uid"])
    logger.info("submit answered", extra={"order": key, "status": result["status"]})
    return answer(shared_id, order, result)


directory.warm_up()
