// The orders table. The order is kept as text, the result of placing it as text beside it.
import { GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { documents } from './aws.mjs';

const TableName = process.env.PEER_ORDERS_TABLE;
const RETENTION_S = 30 * 24 * 3600;

const now = () => Math.floor(Date.now() / 1000);

export const key = (tenant, requestUid) => `${tenant}#${requestUid}`;

export const put = (pk, order, result) => {
  const texts = { status: result.status, result: JSON.stringify(result), order: JSON.stringify(order) };
  const Item = { pk, ...texts, updated_at: now(), expires_at: now() + RETENTION_S };
  return documents.send(new PutCommand({ TableName, Item }));
};

export const read = async (pk) => {
  const { Item } = await documents.send(new GetCommand({ TableName, Key: { pk }, ConsistentRead: true }));
  if (!Item) return undefined;
  const result = Item.result ? JSON.parse(Item.result) : { status: Item.status };
  return { ...result, order: JSON.parse(Item.order) };
};

// The final write of an order that was pending. A final one stays as it is.
export const finish = async (pk, result) => {
  const update = {
    TableName,
    Key: { pk },
    UpdateExpression: 'SET #status = :status, #result = :result, updated_at = :now, expires_at = :expires',
    ConditionExpression: '#status = :pending',
    ExpressionAttributeNames: { '#status': 'status', '#result': 'result' },
    ExpressionAttributeValues: {
      ':status': result.status,
      ':result': JSON.stringify(result),
      ':pending': 'pending',
      ':now': now(),
      ':expires': now() + RETENTION_S,
    },
  };
  try {
    await documents.send(new UpdateCommand(update));
  } catch (error) {
    if (error.name !== 'ConditionalCheckFailedException') throw error;
  }
};
