// The order board in a real browser: `node check.mjs URL SCREENSHOTS READ_ONLY_URL`. What it shows, at a desk and on a telephone, in light and in
// dark, by mouse and by keyboard; and that axe-core finds nothing that keeps anybody out.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const [url, screenshots, readOnly] = process.argv.slice(2)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })

const DESK = { viewport: { width: 1200, height: 900 }, colorScheme: 'light' }
const TELEPHONE = { viewport: { width: 360, height: 740 }, colorScheme: 'dark', hasTouch: true }

async function open(options) {
  const page = await (await browser.newContext(options)).newPage()
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()) })
  await page.goto(`${url}/board`)
  await page.locator('#samples button').first().waitFor()
  return page
}

const complaints = []
const cards = (page, location) => page.locator('#orders > li', { has: page.locator('h3', { hasText: new RegExp(`^${location}$`) }) })
const says = (page, location, text) => cards(page, location).first().locator('.status', { hasText: text }).waitFor({ timeout: 30_000 })

async function keepsNobodyOut(page) {
  await page.addScriptTag({ content: axe })
  const found = await page.evaluate(async () => (await globalThis.axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`))
  assert.deepEqual(found, [])
}

const checks = {
  async 'a sample order of each location moves to its end'() {
    const page = await open(DESK)
    const buttons = page.locator('#samples button')
    const locations = (await buttons.allInnerTexts()).map((text) => text.split('\n')[0])
    assert.equal(locations.length, 10)
    for (let index = 0; index < locations.length; index++) await buttons.nth(index).click({ noWaitAfter: true })
    await says(page, 'PAR-LOC-DOWN', 'retrying')
    await says(page, 'PAR-LOC-SLOW', 'placing')
    for (const [location, end] of [['PAR-LOC-12345', 'placed'], ['PAR-LOC-REJECT', 'rejected'], ['PAR-LOC-FLAKY', 'placed'], ['PAR-LOC-OFF', 'rejected']]) {
      await says(page, location, end)
    }
    for (const location of locations) assert.equal(await cards(page, location).count(), 1, location)
    await page.locator('#said', { hasText: /placed, 2 rejected/ }).waitFor()
    await keepsNobodyOut(page)
    await page.screenshot({ path: `${screenshots}/desk-light.png`, fullPage: true })
    await says(page, 'PAR-LOC-SLOW', 'placed')
  },

  async 'what was done with an order stays open while the page goes on'() {
    const page = await open(DESK)
    const details = cards(page, 'PAR-LOC-FLAKY').first().locator('details')
    await details.locator('summary').focus()
    await page.keyboard.press('Enter')
    const lines = details.locator('li')
    assert.match(await lines.first().innerText(), /^\d\d:\d\d:\d\d\.\d{3} submit: accepted \(an attempt begins\)$/)
    assert.match(await lines.last().innerText(), /worker: placed$/)
    await page.waitForResponse((response) => response.url().endsWith('/_local/board'))
    await page.waitForResponse((response) => response.url().endsWith('/_local/board'))
    assert.equal(await details.getAttribute('open'), '')
    const before = await page.locator('#orders > li').count()
    await page.evaluate(() => fetch('/_local/samples/PAR-LOC-12345', { method: 'POST' }))
    await page.waitForFunction((before) => document.querySelectorAll('#orders > li').length > before, before)
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'SUMMARY', 'the focus stays where it was')
  },

  async 'it is read and used on a telephone, in the dark, by its keys'() {
    const page = await open(TELEPHONE)
    const width = await page.evaluate(() => document.scrollingElement.scrollWidth)
    assert.ok(width <= 360, `it is ${width} wide`)
    const height = await page.locator('#samples button').evaluateAll((buttons) => Math.min(...buttons.map((button) => button.offsetHeight)))
    assert.ok(height >= 44, `a button is ${height} high`)
    const before = await page.locator('#orders > li').count()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.waitForFunction((before) => document.querySelectorAll('#orders > li').length > before, before)
    await keepsNobodyOut(page)
    await page.screenshot({ path: `${screenshots}/telephone-dark.png`, fullPage: true })
  },

  async 'the board of a deployed stack shows what is open until its end, and sends nothing'() {
    const sender = await open(DESK)
    const page = await sender.context().newPage()
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(`${readOnly}/board`)
    await page.locator('#of', { hasText: `Of ${url}` }).waitFor()
    assert.equal(await page.locator('#send').isVisible(), false)
    await sender.locator('#samples button', { hasText: 'PAR-LOC-SLOW' }).click({ noWaitAfter: true })
    await says(page, 'PAR-LOC-SLOW', /received|placing/)
    await says(page, 'PAR-LOC-SLOW', 'placed')
    await keepsNobodyOut(page)
    await page.screenshot({ path: `${screenshots}/read-only.png`, fullPage: true })
  },

  async 'it says so when nobody answers, and goes on when somebody does'() {
    const page = await open(DESK)
    page.removeAllListeners('console') // the browser's own, of the requests that are cut off here
    await page.route('**/_local/board', (route) => route.abort())
    await page.locator('#said', { hasText: 'Nobody answers' }).waitFor()
    await page.unroute('**/_local/board')
    await page.locator('#said', { hasText: 'placed' }).waitFor()
  },
}

let failed = 0
for (const [name, check] of Object.entries(checks)) {
  try {
    await check()
    assert.deepEqual(complaints, [])
    console.log(`ok    ${name}`)
  } catch (error) {
    failed++
    console.log(`FAIL  ${name}\n${error.stack}`)
  }
}
await browser.close()
process.exit(failed ? 1 : 0)
