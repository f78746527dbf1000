// The consumer of the work queue, with the batch processor of Powertools.
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { logger } from './aws.mjs';
import { location } from './directory.mjs';
import * as orders from './orders.mjs';
import { place } from './pos.mjs';

const processor = new BatchProcessor(EventType.SQS);

const carry = async (record) => {
  const { tenant, request_uid } = JSON.parse(record.body).key;
  const key = orders.key(tenant, request_uid);
  const row = await orders.read(key);
  if (!row) throw new Error(`no order ${key}`);
  if (row.status !== 'pending') return;
  const store = await location(row.order.organization_id, row.order.location_id);
  const result = await place(store, tenant, row.order);
  await orders.finish(key, result);
  logger.info('order decided', { order: key, status: result.status });
};

export const handler = async (event, context) => {
  logger.addContext(context);
  return processPartialResponse(event, carry, processor, { context });
};
