// GET /posnext/orders/{request_uid}.
import { warmUp } from './directory.mjs';
import { Refusal, answer, answered, authenticate, sharedIds } from './http.mjs';
import * as orders from './orders.mjs';

const get = async (event) => {
  const client = await authenticate(event);
  const row = await orders.read(orders.key(client.tenant, event.rawPath.split('/').pop()));
  if (!row || !client.organizations.includes(row.order.organization_id)) {
    throw new Refusal(404, 'unknown_order', 'no order of this caller has this id');
  }
  const { values: [sharedId] } = await sharedIds(client, row.order.organization_id, row.order.location_id);
  return answer(sharedId, row.order, row);
};

await warmUp();
export const handler = answered(get);
