// A small shop on Express, as people write one: middleware, a router, JSON in and
// out. Says its port, and ends by itself.
//
//     node express.js 30 path/to/node_modules

import { createRequire } from 'node:module'

const [, , seconds, modules] = process.argv
const express = createRequire(`${modules}/`)('express')

const items = Array.from({ length: 400 }, (_, id) => ({ id, name: `item ${id}`, price: id * 7 }))

function priceCart(request, response) {
  const wanted = new Set(request.body.ids)
  const lines = items.filter(({ id }) => wanted.has(id))
  const total = lines.reduce((sum, { price }) => sum + price, 0)
  response.json({ total, lines: lines.map(renderLine) })
}

function renderLine({ name, price }) {
  let text = ''
  for (let at = 0; at < 200; at++) text += `${name}:${(price * at).toFixed(2)};`
  return text.length
}

const app = express()
app.use(express.json())
app.post('/cart', priceCart)
app.get('/items', (_, response) => response.json(items))

const server = app.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`))
setTimeout(() => process.exit(0), seconds * 1000)
