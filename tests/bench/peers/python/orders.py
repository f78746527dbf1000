"""The orders table. The order is kept as text, the result of placing it as text beside it."""

import json
import os
import time

from aws import dynamodb, plain

TABLE = os.environ["PEER_ORDERS_TABLE"]
RETENTION_S = 30 * 24 * 3600


def key(tenant, request_uid):
    return f"{tenant}#{request_uid}"


def put(pk, order, result):
    now = int(time.time())
    item = {
        "pk": {"S": pk},
        "status": {"S": result["status"]},
        "result": {"S": json.dumps(result)},
        "order": {"S": json.dumps(order, separators=(",", ":"))},
        "updated_at": {"N": str(now)},
        "expires_at": {"N": str(now + RETENTION_S)},
    }
    dynamodb.put_item(TableName=TABLE, Item=item)


def read(pk):
    item = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": pk}}, ConsistentRead=True).get("Item")
    if not item:
        return None
    row = plain(item)
    result = json.loads(row["result"]) if "result" in row else {"status": row["status"]}
    return {**result, "order": json.loads(row["order"])}


def finish(pk, result):
    """The final write of an order that was pending. A final one stays as it is."""
    now = int(time.time())
    try:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": pk}},
            UpdateExpression="SET #status = :status, #result = :result, updated_at = :now, expires_at = :expires",
            ConditionExpression="#status = :pending",
            ExpressionAttributeNames={"#status": "status", "#result": "result"},
            ExpressionAttributeValues={
                ":status": {"S": result["status"]},
                ":result": {"S": json.dumps(result)},
                ":pending": {"S": "pending"},
                ":now": {"N": str(now)},
                ":expires": {"N": str(now + RETENTION_S)},
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        pass
