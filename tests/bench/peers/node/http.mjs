// Requests that are let in, and answers.
import jwt from 'jsonwebtoken';
import { logger } from './aws.mjs';
import { clients, live, location, organization } from './directory.mjs';
import { sign } from './signature.mjs';

export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const OPTIONS = { algorithms: ['HS256'], clockTolerance: 60 };

// The client whose secret signed the token.
export const authenticate = async ({ headers }) => {
  const [scheme, token] = (headers.authorization ?? '').split(' ');
  if (scheme.toLowerCase() !== 'bearer' || !token) throw new Refusal(401, 'token_missing', 'a bearer token is required');
  for (const client of await clients()) {
    for (const secret of await live(client.secret)) {
      try {
        if (jwt.verify(token, secret, OPTIONS).exp) return client;
      } catch {
        // Another secret may have signed it.
      }
    }
  }
  throw new Refusal(401, 'token_signature', 'the token does not verify');
};

// The SharedIds of an order's location, or of its organization.
export const sharedIds = async (client, organizationId, locationId) => {
  const own = client.organizations.includes(organizationId) && (await organization(organizationId));
  if (!own) throw new Refusal(404, 'unknown_organization', 'the organization is not mapped');
  const store = await location(organizationId, locationId);
  if (!store) throw new Refusal(404, 'unknown_location', 'the location is not mapped');
  return { store, values: await live(store.shared_ids ?? own.shared_ids) };
};

const HEADERS = { 'content-type': 'application/json; charset=utf-8', 'x-content-type-options': 'nosniff' };

export const answer = (sharedId, order, { status, pos_order_id, errors }) => {
  const { request_uid, organization_id, location_id, request_datetime, order_details } = order;
  const body = {
    status, request_uid, organization_id, location_id, request_datetime,
    order_details: { ...order_details, pos_order_id },
    ...(errors?.length > 0 && { errors }),
  };
  const headers = { ...HEADERS, 'cache-control': 'no-store', 'x-pch-digest': sign(sharedId, body) };
  return { statusCode: 200, headers, body: JSON.stringify(body) };
};

const refused = ({ status, code, message }) => ({
  statusCode: status,
  headers: status === 503 ? { ...HEADERS, 'retry-after': '1' } : HEADERS,
  body: JSON.stringify({ errors: [{ code, message }] }),
});

// A handler whose refusals are answers, and whose failures tell the caller to come again.
export const answered = (handle) => async (event, context) => {
  logger.addContext(context);
  try {
    return await handle(event, context);
  } catch (error) {
    if (error instanceof Refusal) {
      logger.warn('refused', { code: error.code });
      return refused(error);
    }
    logger.error('not answered', error);
    return refused({ status: 503, code: 'temporarily_unavailable', message: 'send the same request again after Retry-After' });
  }
};
