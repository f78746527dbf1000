// POST /posnext/order/submit, with the idempotency of Powertools.
import {
  IdempotencyAlreadyInProgressError, IdempotencyConfig, IdempotencyValidationError, makeIdempotent,
} from '@aws-lambda-powertools/idempotency';
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb';
import { dynamodb, logger } from './aws.mjs';
import { warmUp } from './directory.mjs';
import { Refusal, answer, answered, authenticate, sharedIds } from './http.mjs';
import * as orders from './orders.mjs';
import { place } from './pos.mjs';
import { verify } from './signature.mjs';

const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9_.~-]{1,128}$/;

const CLOSED = {
  status: 'rejected',
  pos_order_id: null,
  errors: [{ code: 'location_closed', message: 'the location takes no orders' }],
};

const config = new IdempotencyConfig({
  eventKeyJmesPath: '[tenant, order.request_uid]',
  payloadValidationJmesPath: '[order.organization_id, order.location_id, order.order_details]',
  throwOnNoIdempotencyKey: true,
  expiresAfterSeconds: 30 * 24 * 3600,
});
const persistenceStore = new DynamoDBPersistenceLayer({
  tableName: process.env.PEER_IDEMPOTENCY_TABLE,
  keyAttr: 'pk',
  awsSdkV3Client: dynamodb,
});

const placeOnce = makeIdempotent(
  async ({ tenant, order }, store) => {
    const result = store.enabled ? await place(store, tenant, order) : CLOSED;
    await orders.put(orders.key(tenant, order.request_uid), order, result);
    return result;
  },
  { persistenceStore, config },
);

const parse = (event) => {
  let order;
  try {
    order = JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body);
  } catch {
    throw new Refusal(400, 'invalid_json', 'the body is no JSON');
  }
  const { request_uid, organization_id, location_id, request_datetime, order_details } = order ?? {};
  const texts = [organization_id, location_id, order_details?.online_order_id ?? ''];
  const right =
    SEGMENT.test(request_uid) &&
    texts.every((text) => typeof text === 'string' && text.length <= 128 && !text.includes('|')) &&
    !Number.isNaN(Date.parse(request_datetime)) &&
    [order_details?.grand_total, order_details?.subtotal].every((amount) => amount == null || Number.isFinite(amount));
  if (!right) throw new Refusal(400, 'invalid_field', 'a field is missing or wrong');
  return order;
};

const submit = async (event, context) => {
  const client = await authenticate(event);
  const order = parse(event);
  const { store, values } = await sharedIds(client, order.organization_id, order.location_id);
  const sharedId = values.find((value) => verify(value, order, event.headers['x-pch-digest'] ?? ''));
  if (!sharedId) throw new Refusal(412, 'digest_mismatch', 'x-pch-digest does not match this order');
  config.registerLambdaContext(context);
  try {
    const result = await placeOnce({ tenant: client.tenant, order }, store);
    logger.info('submit answered', { order: orders.key(client.tenant, order.request_uid), status: result.status });
    return answer(sharedId, order, result);
  } catch (error) {
    if (error instanceof IdempotencyValidationError) {
      throw new Refusal(409, 'idempotency_conflict', 'this request_uid was submitted before with other content');
    }
    if (error instanceof IdempotencyAlreadyInProgressError) {
      throw new Refusal(503, 'in_progress', 'this order is being placed; send the same request again after Retry-After');
    }
    throw error;
  }
};

await warmUp();
export const handler = answered(submit);
