"""Who may call, and how each location's POS is reached: the directory table and the secrets, cached."""

import functools
import os
import time

from aws_lambda_powertools.utilities import parameters

from aws import dynamodb, plain

TABLE = os.environ["POSNEXT_DIRECTORY_TABLE"]
TTL_S = 30


def cached(read):
    entries = {}

    @functools.wraps(read)
    def through_cache(*ids):
        known = entries.get(ids)
        if known and time.monotonic() - known[0] < TTL_S:
            return known[1]
        value = read(*ids)
        entries[ids] = (time.monotonic(), value)
        return value

    return through_cache


def _get(pk, sk):
    item = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": pk}, "sk": {"S": sk}}).get("Item")
    return item and plain(item)


@cached
def clients():
    values = {":pk": {"S": "client"}}
    found = dynamodb.query(TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=values)
    return [plain(item) for item in found["Items"]]


@cached
def organization(organization_id):
    return _get("organization", organization_id)


@cached
def location(organization_id, location_id):
    return _get(f"location#{organization_id}", location_id)


def live(name):
    """The values of a secret that are live at once, the one to sign with first."""
    return [one["value"] for one in parameters.get_secret(name, transform="json", max_age=300)["live"]]


def warm_up():
    """Called at start: the first request finds all of it, and open connections."""
    for client in clients():
        live(client["secret"])
        for organization_id in client["organizations"]:
            if found := organization(organization_id):
                live(found["shared_ids"])
