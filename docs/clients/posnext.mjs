#!/usr/bin/env node
// Sign an order, submit it, poll it to its end and verify every answer. Node 18 or later, no packages.
//
// node posnext.mjs ORDER.json              submits it; exit status: 0 placed, 1 rejected or errored, 2 not known yet, 3 refused or not believed
// node posnext.mjs --vectors VECTORS.json  checks digest() against the published signing vectors

import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const env = process.env;
const BASE_URL = (env.POSNEXT_URL ?? 'http://127.0.0.1:3000').replace(/\/+$/, '');
const CLIENT_SECRET = env.POSNEXT_CLIENT_SECRET ?? 'local-client-secret-0123456789abcdef';
const SHARED_ID = env.POSNEXT_SHARED_ID ?? 'a1b2c3d4e5f6a7b8c9d0';
const GIVE_UP_S = Number(env.POSNEXT_GIVE_UP_S ?? 90);
const UNTIL = performance.now() + GIVE_UP_S * 1000;
const ANSWER_S = 30, LONGEST_PAUSE_S = 20; // one answer is waited for so long; a pause that no Retry-After asks for is never longer

/** Ends the run with an exit status and a line that says why. */
class Stop extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

/** A JWT (HS256) signed with the Client Secret, good for five minutes. */
function token() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iat: now, exp: now + 300 })}`;
  return `${signed}.${createHmac('sha256', CLIENT_SECRET).update(signed).digest('base64url')}`;
}

/**
 * A JSON object whose numbers stay the text they came as, each as {number: text}. JavaScript has only binary doubles:
 * 19.99 * 100 is 1998.9999999999998, and 1.005 is less than it says, so an amount must never be one.
 */
function parse(text) {
  const value = JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (part) => (part[0] === '"' ? part : `{"number":"${part}"}`)));
  return value !== null && typeof value === 'object' ? value : {};
}

/** The text of an amount x 100, half a cent away from zero; 0 for what is no number. */
function cents(amount) {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?$/.exec(amount?.number ?? '');
  if (!match) return 0n;
  const [, sign, whole, fraction = '', exponent = '0'] = match;
  const places = fraction.length - Number(exponent) - 2; // how many digits stand after the cents
  const digits = BigInt(whole + fraction);
  const size = places <= 0 ? digits * 10n ** BigInt(-places) : (digits + 5n * 10n ** BigInt(places - 1)) / 10n ** BigInt(places);
  return sign ? -size : size;
}

/** Unix seconds, the fraction dropped; 0 for what is no date-time with an offset. */
function seconds(text) {
  const match = /^([\d-]{10}T[\d:]{8})(?:\.\d+)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/.exec(typeof text === 'string' ? text : '');
  const time = new Date(`${match?.[1]}Z`);
  if (!match || Number.isNaN(time.getTime()) || time.toISOString() !== `${match[1]}.000Z`) return 0; // Date takes February 30th
  const offset = match[2] ? Number(`${match[2]}1`) * (Number(match[3]) * 3600 + Number(match[4]) * 60) : 0;
  return time.getTime() / 1000 - offset;
}

/** The x-pch-digest of a request's or an answer's body, over the six values it says; one that it does not say is 0. */
function digest(body, sharedId = SHARED_ID) {
  const order = parse(body);
  const details = order.order_details ?? {};
  const ids = [order.request_uid, order.location_id, details.online_order_id].map((id) => (typeof id === 'string' ? id : '0'));
  const message = [...ids, cents(details.grand_total), cents(details.subtotal), seconds(order.request_datetime)].join('|');
  const key = [...sharedId].slice(0, 10).join('');
  return createHmac('sha256', key).update(message).digest('hex');
}

/** Whether an answer's x-pch-digest is that of its own values, compared in constant time. */
function verify(body, given) {
  try {
    const [right, said] = [Buffer.from(digest(body)), Buffer.from(given ?? '')];
    return right.length === said.length && timingSafeEqual(right, said);
  } catch {
    return false; // no JSON
  }
}

/** As long as the answer says; else exponential back-off with full jitter. */
async function pause(retryAfter, tries) {
  const wait = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : Math.random() * Math.min(LONGEST_PAUSE_S, 2 ** (tries + 1));
  if (performance.now() + wait * 1000 >= UNTIL) {
    throw new Stop(2, `not known after ${GIVE_UP_S} s: read the order later, or submit it again under the same request_uid`);
  }
  await sleep(wait * 1000);
}

async function call(method, path, headers, body) {
  // No redirect is followed: the token is for this server alone.
  const signal = AbortSignal.timeout(Math.ceil(Math.max(1000, Math.min(ANSWER_S * 1000, UNTIL - performance.now()))));
  const sent = { method, headers: { Authorization: `Bearer ${token()}`, ...headers }, body, redirect: 'manual', signal };
  try {
    const answer = await fetch(BASE_URL + path, sent);
    return { code: answer.status, headers: answer.headers, text: await answer.text() };
  } catch {
    return { code: 0, headers: new Headers(), text: '' };
  }
}

/** Asks until there is an answer, and verifies it before it is believed; returns its order, its text and its headers. */
async function ask(step, requestUid, method, path, headers, body, last) {
  let answer;
  for (let tries = 0; ; tries++) {
    answer = await call(method, path, headers, body);
    if (answer.code !== 0 && answer.code !== 429 && answer.code < 500) break;
    // Not done, or nobody knows. The same request_uid with the same content is safe to send again: it is not done twice.
    console.log(step, answer.code || 'no answer');
    await pause(answer.headers.get('retry-after'), tries);
  }
  const text = answer.code === 304 ? last : answer.text; // 304: what was read last is what the signature is over
  const signed = text !== undefined && verify(text, answer.headers.get('x-pch-digest'));
  if (![200, 202, 304].includes(answer.code)) {
    const reason = /"code"\s*:\s*"(\w+)"/.exec(text)?.[1] ?? '';
    throw new Stop(3, `refused ${answer.code} ${reason}${signed ? '' : ' (not signed with our SharedId)'}`);
  }
  // An error's digest is over no order and fits any body without one: it must be this order that the answer is about.
  if (!signed || parse(text).request_uid !== requestUid) {
    throw new Stop(3, `${step} ${answer.code} wrong signature: nothing of this answer is believed`);
  }
  const order = parse(text);
  console.log(step, answer.code, order.status);
  return { order, text, headers: answer.headers };
}

function submit(requestUid, order) {
  const headers = { 'Content-Type': 'application/json', 'x-pch-digest': digest(order) };
  return ask('submit', requestUid, 'POST', '/posnext/order/submit', headers, order);
}

function poll(requestUid, last) {
  const etag = last.headers.get('etag');
  return ask('poll', requestUid, 'GET', `/posnext/orders/${requestUid}`, etag ? { 'If-None-Match': etag } : {}, undefined, last.text);
}

/** Puts in the ids and the time that an order lacks; in its text, for an order written anew could say other amounts. */
function fillIn(text) {
  const order = parse(text);
  const uid = randomUUID();
  for (const [name, value] of [['request_uid', uid], ['request_datetime', new Date().toISOString()]]) {
    if (!(name in order)) text = text.replace('{', `{"${name}":"${value}",`);
  }
  if (!('online_order_id' in (order.order_details ?? {}))) {
    text = text.replace(/("order_details"\s*:\s*\{)(?=\s*")/, `$1"online_order_id":"ORD-${uid}",`);
  }
  return { requestUid: order.request_uid ?? uid, order: text };
}

async function run(path) {
  const { requestUid, order } = fillIn(readFileSync(path, 'utf8'));
  console.log('order', requestUid);
  let answer = await submit(requestUid, order);
  for (let tries = 0; !['placed', 'rejected', 'errored'].includes(answer.order.status); tries++) { // 202 is no success yet
    await pause(answer.headers.get('retry-after'), tries);
    answer = await poll(requestUid, answer);
  }
  const { status, order_details: details, errors = [] } = answer.order;
  if (status === 'placed') throw new Stop(0, `placed ${details?.pos_order_id}`);
  throw new Stop(1, `${status} ${errors.map((error) => error.code).join(' ')}`);
}

function vectors(path) {
  const published = JSON.parse(readFileSync(path, 'utf8'));
  const right = (vector) => (digest(vector.body, published.shared_id) === vector.digest) === (vector.expect === 'sign');
  const count = published.vectors.length;
  const wrong = published.vectors.filter((vector) => !right(vector)).map((vector) => vector.name);
  throw new Stop(wrong.length || !count ? 1 : 0, [`${count - wrong.length} of ${count} vectors right`, ...wrong].join(' '));
}

const [first, second] = process.argv.slice(2);
try {
  if (SHARED_ID.trim().length < 10 || !first) throw new Stop(3, 'usage: node posnext.mjs ORDER.json; a SharedId has at least 10 characters');
  await (first === '--vectors' ? vectors(second) : run(first));
} catch (error) {
  console.log(error.message);
  process.exitCode = error.status ?? 3; // what is no Stop is a file that is missing or no JSON: nothing was sent
}
