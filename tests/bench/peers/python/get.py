"""GET /posnext/orders/{request_uid}."""

import directory
import orders
from aws import logger
from http_api import Refusal, answer, answered, authenticate, shared_ids


@logger.inject_lambda_context
@answered
def handler(event, context):
    client = authenticate(event)
    row = orders.read(orders.key(client["tenant"], event["rawPath"].rsplit("/", 1)[-1]))
    if not row or row["order"]["organization_id"] not in client["organizations"]:
        raise Refusal(404, "unknown_order", "no order of this caller has this id")
    _, values = shared_ids(client, row["order"]["organization_id"], row["order"]["location_id"])
    return answer(values[0], row["order"], row)


directory.warm_up()
