"""x-pch-digest: HMAC-SHA256 over six values of an order (docs/signing-vectors.json)."""

import hmac
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

KEY_CHARACTERS = 10


def _or_zero(value):
    return "0" if value is None else value


def _cents(amount):
    return int((Decimal(str(amount or 0)) * 100).to_integral_value(ROUND_HALF_UP))


def _seconds(text):
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (TypeError, ValueError):
        return 0


def _message(order):
    details = order.get("order_details") or {}
    return (
        f"{_or_zero(order.get('request_uid'))}|{_or_zero(order.get('location_id'))}|{_or_zero(details.get('online_order_id'))}"
        f"|{_cents(details.get('grand_total'))}|{_cents(details.get('subtotal'))}|{_seconds(order.get('request_datetime'))}"
    )


def sign(shared_id, order):
    return hmac.digest(shared_id[:KEY_CHARACTERS].encode(), _message(order).encode(), "sha256").hex()


def verify(shared_id, order, digest):
    return hmac.compare_digest(sign(shared_id, order).encode(), digest.lower().encode())
