// SPDX-License-Identifier: Apache-2.0
// @clickhouse/client, unmodified: node clickhouse_client.mjs PORT FOLDER-WITH-NODE_MODULES
// A line a check; exit 1 when one fails.
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'

const [port, modules] = process.argv.slice(2)
const { createClient } = createRequire(modules + '/')('@clickhouse/client')
let failed = 0

async function check(name, run, want) {
  let got
  try { got = await run() } catch (e) { got = { code: e.code, message: String(e.message).slice(0, 200) } }
  const same = JSON.stringify(got) === JSON.stringify(want)
  if (!same) failed++
  console.log((same ? 'ok   ' : 'FAIL ') + name + (same ? '' : ' ' + JSON.stringify(got) + ' != ' + JSON.stringify(want)))
}

async function codeOf(run) {
  try { await run() } catch (e) { return [e.code, e.type] }
  return 'no error'
}

async function all(c, t) {
  const rows = async (query, more) => (await c.query({ query, format: 'JSONEachRow', ...more })).json()
  await check('ping', async () => (await c.ping()).success, true)
  await check('create', async () => {
    await c.command({ query: `CREATE OR REPLACE TABLE ${t} (id UInt64, s String, d DateTime64(3)) ENGINE = MergeTree ORDER BY id` })
    return 'done'
  }, 'done')
  await check('insert JSONEachRow', async () => (await c.insert({ table: t, values: [{ id: 1, s: 'a\n\nb' }, { id: 2, s: 'ü' }], format: 'JSONEachRow' })).summary.written_rows, '2')
  await check('insert a stream', async () => (await c.insert({ table: t, values: Readable.from([{ id: 3 }, { id: 4 }], { objectMode: true }), format: 'JSONEachRow' })).executed, true)
  await check('insert CSV', async () => (await c.insert({ table: t, values: Readable.from(['5,"x","2026-01-01 00:00:00"\n'], { objectMode: false }), format: 'CSV' })).executed, true)
  await check('query JSON', async () => {
    const r = await (await c.query({ query: `SELECT id, s FROM ${t} ORDER BY id` })).json()
    return [r.rows, r.data[0].s, r.data[1].s, typeof r.statistics.rows_read]
  }, [5, 'a\n\nb', 'ü', 'number'])
  await check('parameters', () => rows('SELECT {x:UInt32} x, {a:Array(String)} a, {n:Nullable(String)} n', { query_params: { x: 7, a: ["q'", 'w'], n: null } }), [{ x: 7, a: ["q'", 'w'], n: null }])
  await check('settings', () => rows("SELECT getSetting('max_threads') m", { clickhouse_settings: { max_threads: 1 } }), [{ m: 1 }])
  await check('200,000 rows', async () => {
    let n = 0
    const r = await c.query({ query: 'SELECT number FROM numbers(200000)', format: 'JSONCompactEachRow' })
    for await (const part of r.stream()) n += part.length
    return n
  }, 200000)
  await check('an error', () => codeOf(() => rows('SELECT * FROM nope')), ['60', 'UNKNOWN_TABLE'])
  await check('an error in mid-stream', () => codeOf(async () => {
    const r = await c.query({ query: 'SELECT throwIf(number = 400000) FROM numbers(500000)', format: 'JSONEachRow' })
    for await (const part of r.stream()) part.length
  }), ['395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'])
  await check('exec', async () => {
    let text = ''
    for await (const part of (await c.exec({ query: 'SELECT 42 FORMAT TSV' })).stream) text += part
    return text
  }, '42\n')
  await check('query_id', async () => {
    const r = await c.query({ query: 'SELECT 1', query_id: 'mine-' + t })
    await r.text()
    return r.query_id
  }, 'mine-' + t)
  await check('a session', async () => {
    const session = { session_id: 'js-' + t }
    await c.command({ query: 'CREATE TEMPORARY TABLE tt (a UInt8)', ...session })
    await c.insert({ table: 'tt', values: [{ a: 1 }], format: 'JSONEachRow', ...session })
    return rows('SELECT * FROM tt', session)
  }, [{ a: 1 }])
}

const quiet = { log: { level: 127 } }
for (const [t, compression] of [['js_plain', {}], ['js_gzip', { request: true, response: true }]]) {
  const c = createClient({ url: `http://127.0.0.1:${port}`, compression, request_timeout: 20000, ...quiet })
  await all(c, t)
  await c.close()
}
process.exit(failed ? 1 : 0)
