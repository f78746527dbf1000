"""The consumer of the work queue, with the batch processor of Powertools."""

import json

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

import directory
import orders
from aws import logger
from pos import place

processor = BatchProcessor(event_type=EventType.SQS)


def carry(record):
    message = json.loads(record.body)["key"]
    key = orders.key(message["tenant"], message["request_uid"])
    row = orders.read(key)
    if not row:
        raise RuntimeError(f"no order {key}")
    if row["status"] != "pending":
        return
    order = row["order"]
    store = directory.location(order["organization_id"], order["location_id"])
    result = place(store, message["tenant"], order)
    orders.finish(key, result)
    logger.info("order decided", extra={"order": key, "status": result["status"]})


@logger.inject_lambda_context
def handler(event, context):
    return process_partial_response(event=event, record_handler=carry, processor=processor, context=context)
