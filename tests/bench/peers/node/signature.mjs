// x-pch-digest: HMAC-SHA256 over six values of an order (docs/signing-vectors.json).
import { createHmac, timingSafeEqual } from 'node:crypto';

const KEY_CHARACTERS = 10;

const cents = (amount) => Math.round((amount ?? 0) * 100);

const message = ({ request_uid, location_id, request_datetime, order_details }) => {
  const seconds = Math.floor(Date.parse(request_datetime) / 1000) || 0;
  const { online_order_id, grand_total, subtotal } = order_details ?? {};
  return [request_uid ?? 0, location_id ?? 0, online_order_id ?? 0, cents(grand_total), cents(subtotal), seconds].join('|');
};

const hmac = (sharedId, order) => createHmac('sha256', sharedId.slice(0, KEY_CHARACTERS)).update(message(order));

export const sign = (sharedId, order) => hmac(sharedId, order).digest('hex');

export const verify = (sharedId, order, digest) => {
  const given = Buffer.from(digest, 'hex');
  const right = hmac(sharedId, order).digest();
  return given.length === right.length && timingSafeEqual(given, right);
};
