// The POS behind HTTP (docs/pos-connector.openapi.yaml).
export const place = async (store, tenant, order) => {
  const key = `${tenant}.${order.request_uid}`;
  const response = await fetch(`${store.connector.base}/orders/${key}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ key, location_id: store.internal_id, order }),
    redirect: 'error',
    signal: AbortSignal.timeout(3_500),
  });
  const { status, pos_order_id = null, errors = [] } = await response.json();
  const placed = response.ok && status === 'placed' && pos_order_id;
  const refused = (response.ok || response.status === 422) && status === 'rejected';
  if (!placed && !refused) throw new Error(`the POS answered ${response.status}`);
  return { status, pos_order_id, errors };
};
