"""Requests that are let in, and answers."""

import functools
import json

import jwt

import directory
from aws import logger
from signature import sign

HEADERS = {"content-type": "application/json; charset=utf-8", "x-content-type-options": "nosniff"}


class Refusal(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


def authenticate(event):
    """The client whose secret signed the token."""
    scheme, _, token = event["headers"].get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal(401, "token_missing", "a bearer token is required")
    for client in directory.clients():
        for secret in directory.live(client["secret"]):
            try:
                options = {"require": ["exp"], "verify_aud": False}
                jwt.decode(token, secret, algorithms=["HS256"], leeway=60, options=options)
                return client
            except jwt.InvalidTokenError:
                continue  # another secret may have signed it
    raise Refusal(401, "token_signature", "the token does not verify")


def shared_ids(client, organization_id, location_id):
    """The order's location and its SharedIds, or those of its organization."""
    own = organization_id in client["organizations"] and directory.organization(organization_id)
    if not own:
        raise Refusal(404, "unknown_organization", "the organization is not mapped")
    store = directory.location(organization_id, location_id)
    if not store:
        raise Refusal(404, "unknown_location", "the location is not mapped")
    return store, directory.live(store.get("shared_ids") or own["shared_ids"])


def answer(shared_id, order, result):
    body = {
        "status": result["status"],
        "request_uid": order["request_uid"],
        "organization_id": order["organization_id"],
        "location_id": order["location_id"],
        "request_datetime": order["request_datetime"],
        "order_details": {**(order.get("order_details") or {}), "pos_order_id": result.get("pos_order_id")},
    }
    if result.get("errors"):
        body["errors"] = result["errors"]
    headers = {**HEADERS, "cache-control": "no-store", "x-pch-digest": sign(shared_id, body)}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body, separators=(",", ":"))}


def _refused(status, code, message):
    headers = {**HEADERS, "retry-after": "1"} if status == 503 else HEADERS
    return {"statusCode": status, "headers": headers, "body": json.dumps({"errors": [{"code": code, "message": message}]})}


def answered(handle):
    """A handler whose refusals are answers, and whose failures tell the caller to come again."""

    @functools.wraps(handle)
    def handler(event, context):
        try:
            return handle(event, context)
        except Refusal as refusal:
            logger.warning("refused", extra={"code": refusal.code})
            return _refused(refusal.status, refusal.code, str(refusal))
        except Exception:
            logger.exception("not answered")
            return _refused(503, "temporarily_unavailable", "send the same request again after Retry-After")

    return handler
