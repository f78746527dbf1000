// Webhooks as a subscriber gets them: `node check.mjs URL ENV_FILE`, with the operator's command in POSNEXT. What the product sends of
// orders' ends is verified by the reference library of Standard Webhooks, which knows nothing of us.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

const [url, envFile] = process.argv.slice(2)
const lines = readFileSync(envFile, 'utf8').split('\n').filter(Boolean)
const services = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
// And nothing else: POSNEXT_OUTPUTS, where it is set, would lead to a stack that is deployed.
const env = { ...services, POSNEXT_SECRETS_PREFIX: 'posnext' }

const ORDERS = [['PAR-LOC-12345', 'placed', 0], ['PAR-LOC-REJECT', 'rejected', 1], ['PAR-LOC-DOWN', 'errored', 1]]
const SUBSCRIBER = ['IA-YC-01', 'reference']
const LIMIT = 60_000
const HOUR = 3600
const NO_MATCH = 'No matching signature found'

const got = []
const receiver = createServer(async (request, response) => {
  got.push({ headers: request.headers, body: await buffer(request) })
  response.writeHead(204).end()
})

const posnext = (...args) => new Promise((resolve) => {
  execFile(process.env.POSNEXT, args, { env, timeout: LIMIT }, (error, stdout, stderr) => {
    resolve({ code: error ? error.code ?? error.signal : 0, text: stdout + stderr })
  })
})

async function webhook(verb, ...args) {
  const { code, text } = await posnext('admin', 'webhook', verb, ...SUBSCRIBER, ...args)
  assert.equal(code, 0, `admin webhook ${verb} ended with ${code}: ${text}`)
  return text
}

async function until(what, look) {
  for (const end = Date.now() + LIMIT; Date.now() < end;) {
    const found = await look()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const have = got.map(({ body }) => `\n  ${body}`).join('')
  assert.fail(`not within ${LIMIT / 1000} s: ${what}; webhooks until then: ${got.length}${have}`)
}

const keyIn = (text) => text.match(/whsec_\S+/)?.[0] ?? assert.fail(`no key in: ${text}`)
const verified = (key, { headers, body }) => new Webhook(key).verify(body, headers)
const isRefused = (key, one, message) => assert.throws(() => verified(key, one), { name: 'WebhookVerificationError', message })

async function streamOfOrders() {
  const response = await fetch(services.AWS_ENDPOINT_URL_DYNAMODB, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'DynamoDB_20120810.DescribeTable',
      'x-amz-date': '20200101T000000Z',
      authorization: 'AWS4-HMAC-SHA256 Credential=local/20200101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
    },
    body: JSON.stringify({ TableName: services.POSNEXT_ORDERS_TABLE }),
  })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text).Table.LatestStreamArn
}

/** The webhook.test that the command sends; it has been answered when the command ends. */
async function test() {
  const id = (await webhook('test')).match(/^webhook-id: (\S+)$/m)?.[1]
  return got.find(({ headers }) => headers['webhook-id'] === id) ?? assert.fail(`no webhook ${id} has come`)
}

let key, next
const told = {}

const checks = {
  async 'a subscriber is added, and the orders are followed'() {
    await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    key = keyIn(await webhook('add', '--url', `http://127.0.0.1:${receiver.address().port}/hook`))
    await until('the orders table has a stream', streamOfOrders)
  },

  async 'three orders end, placed, rejected and errored, and a webhook of each comes'() {
    await Promise.all(ORDERS.map(async ([location, end, expected]) => {
      const { code, text } = await posnext('order', 'submit', '--url', url, '--location', location, '--request-uid', `reference-${end}`)
      assert.equal(code, expected, `order submit to ${location} ended with ${code}: ${text}`)
    }))
    for (const [, end] of ORDERS) {
      told[end] = await until(`a webhook order.${end}`, () => got.find(({ body }) => JSON.parse(body).type === `order.${end}`))
    }
  },

  async 'the reference library verifies each, and reads what it says'() {
    for (const [location, end] of ORDERS) {
      const { type, timestamp, data } = verified(key, told[end])
      assert.equal(type, `order.${end}`)
      assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 2 * LIMIT, timestamp)
      const { request_uid, status, organization_id, location_id } = data
      assert.deepEqual([request_uid, status, organization_id, location_id], [`reference-${end}`, end, 'IA-YC-01', location])
    }
    assert.equal(new Set(got.map(({ headers }) => headers['webhook-id'])).size, ORDERS.length, 'each end has its own id')
  },

  async 'it refuses a body with one byte changed, whichever it is'() {
    for (const { headers, body } of Object.values(told)) {
      for (let at = 0; at < body.length; at++) {
        const other = Buffer.from(body)
        other[at] ^= 1
        isRefused(key, { headers, body: other }, NO_MATCH)
      }
    }
  },

  async 'it refuses another id, another time, one of an hour ago, and a signature by another key'() {
    for (const { headers, body } of Object.values(told)) {
      const changed = (name, value) => ({ headers: { ...headers, [name]: String(value) }, body })
      const seconds = Number(headers['webhook-timestamp'])
      isRefused(key, changed('webhook-id', `${headers['webhook-id']}0`), NO_MATCH)
      isRefused(key, changed('webhook-timestamp', seconds - 1), NO_MATCH)
      isRefused(key, changed('webhook-timestamp', seconds - HOUR), 'Message timestamp too old')
      isRefused(`whsec_${randomBytes(32).toString('base64')}`, { headers, body }, NO_MATCH)
    }
  },

  async 'while a key is rotated, the old and the new one verify'() {
    next = keyIn(await webhook('rotate-key'))
    assert.notEqual(next, key)
    const both = await test()
    for (const one of [key, next]) assert.equal(verified(one, both).type, 'webhook.test')
  },

  async 'after --finish the new one verifies, and the old one does not'() {
    await webhook('rotate-key', '--finish')
    const one = await test()
    assert.equal(verified(next, one).type, 'webhook.test')
    isRefused(key, one, NO_MATCH)
  },
}

let failed = 0
for (const [name, check] of Object.entries(checks)) {
  try {
    await check()
    console.log(`ok    ${name}`)
  } catch (error) {
    failed++
    console.log(`FAIL  ${name}\n${error.stack}`)
    break // each goes on from what the one before it has left
  }
}
process.exit(failed ? 1 : 0)
