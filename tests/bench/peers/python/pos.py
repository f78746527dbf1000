"""The POS behind HTTP (docs/pos-connector.openapi.yaml)."""

import urllib3

_pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, total=3.5), retries=False)


def place(store, tenant, order):
    key = f"{tenant}.{order['request_uid']}"
    body = {"key": key, "location_id": store["internal_id"], "order": order}
    response = _pool.request("PUT", f"{store['connector']['base']}/orders/{key}", json=body, headers={"idempotency-key": key})
    result = response.json()
    done, status = response.status in (200, 201), result.get("status")
    placed = done and status == "placed" and result.get("pos_order_id")
    refused = (done or response.status == 422) and status == "rejected"
    if not placed and not refused:
        raise RuntimeError(f"the POS answered {response.status}")
    return {"status": status, "pos_order_id": result.get("pos_order_id"), "errors": result.get("errors", [])}
