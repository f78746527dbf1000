// Who may call, and how each location's POS is reached: the directory table and the secrets, cached.
import { getSecret } from '@aws-lambda-powertools/parameters/secrets';
import { GetCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { documents } from './aws.mjs';

const TableName = process.env.POSNEXT_DIRECTORY_TABLE;
const TTL_MS = 30_000;

const cached = (read) => {
  const entries = new Map();
  return async (...ids) => {
    const key = ids.join('|');
    const entry = entries.get(key);
    if (entry && Date.now() - entry.at < TTL_MS) return entry.value;
    const value = await read(...ids);
    entries.set(key, { at: Date.now(), value });
    return value;
  };
};

const get = async (pk, sk) => (await documents.send(new GetCommand({ TableName, Key: { pk, sk } }))).Item;

export const clients = cached(async () => {
  const query = { TableName, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': 'client' } };
  return (await documents.send(new QueryCommand(query))).Items;
});
export const organization = cached((id) => get('organization', id));
export const location = cached((organizationId, id) => get(`location#${organizationId}`, id));

// The values of a secret that are live at once, the one to sign with first.
export const live = async (name) => {
  const { live } = await getSecret(name, { transform: 'json', maxAge: 300 });
  return live.map(({ value }) => value);
};

// Called at start: the first request finds all of it, and open connections.
export const warmUp = async () => {
  for (const client of await clients()) {
    await live(client.secret);
    for (const id of client.organizations) {
      const found = await organization(id);
      if (found) await live(found.shared_ids);
    }
  }
};
