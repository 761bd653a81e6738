// The same intake as a Node service would do it: Fastify, the providers' official libraries, one insert per request
// through `pg`, two workers. It stores what the plain Rust server stores. Each library is used as its own documentation
// shows it first.

import cluster from 'node:cluster'
import Fastify from 'fastify'
import pg from 'pg'
import plivo from 'plivo'
import Stripe from 'stripe'
import twilio from 'twilio'

const WORKERS = 2
const POOL = 16 // for each worker: together as many as the plain Rust server has

const { DATABASE_URL, PORT, PUBLIC_URL, STRIPE_WEBHOOK_SECRET, TWILIO_AUTH_TOKEN, PLIVO_AUTH_TOKEN } = process.env

const TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response><Say>Hello</Say></Response>'

const INSERT = `INSERT INTO webhook_events (provider, external_id, path, body) VALUES ($1, $2, $3, $4)
                ON CONFLICT (provider, external_id) DO NOTHING`

/** What names a Twilio or Plivo event, by path. */
const externalId = {
  '/webhooks/twilio/voice': (form) => `${form.CallSid}:voice`,
  '/webhooks/twilio/status': (form) => `${form.CallSid}:${form.CallStatus}:${form.SequenceNumber ?? ''}`,
  '/webhooks/twilio/sms': (form) => form.MessageSid,
  '/webhooks/plivo/answer': (form) => `${form.CallUUID}:answer`,
  '/webhooks/plivo/hangup': (form) => `${form.CallUUID}:hangup`,
}

function start() {
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL })
  const stripe = new Stripe('sk_test_bench')
  const app = Fastify({ logger: false })

  // Signatures cover the bytes, so no body is parsed before its handler.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body))

  const keep = (provider, id, request) =>
    pool.query(INSERT, [provider, id, request.url, request.body])

  app.post('/webhooks/stripe', async (request, reply) => {
    let event
    try {
      event = stripe.webhooks.constructEvent(
        request.body,
        request.headers['stripe-signature'],
        STRIPE_WEBHOOK_SECRET,
      )
    } catch {
      return reply.code(401).send()
    }
    await keep('stripe', event.id, request)
    return { received: true }
  })

  const form = (request) => Object.fromEntries(new URLSearchParams(request.body.toString()))

  for (const path of ['/webhooks/twilio/voice', '/webhooks/twilio/status', '/webhooks/twilio/sms']) {
    app.post(path, async (request, reply) => {
      const params = form(request)
      const signature = request.headers['x-twilio-signature'] ?? ''
      if (!twilio.validateRequest(TWILIO_AUTH_TOKEN, signature, PUBLIC_URL + request.url, params)) {
        return reply.code(401).send()
      }
      await keep('twilio', externalId[path](params), request)
      return reply.type('text/xml').send(TWIML)
    })
  }

  for (const path of ['/webhooks/plivo/answer', '/webhooks/plivo/hangup']) {
    app.post(path, async (request, reply) => {
      const params = form(request)
      const signature = request.headers['x-plivo-signature-v3'] ?? ''
      const nonce = request.headers['x-plivo-signature-v3-nonce'] ?? ''
      const url = PUBLIC_URL + request.url
      if (!plivo.validateV3Signature('POST', url, nonce, PLIVO_AUTH_TOKEN, signature, params)) {
        return reply.code(401).send()
      }
      await keep('plivo', externalId[path](params), request)
      return reply.type('text/xml').send(TWIML)
    })
  }

  app.listen({ port: Number(PORT), host: '127.0.0.1' })
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < WORKERS; worker += 1) cluster.fork()
  process.once('SIGTERM', () => process.exit(0)) // workers end with it
} else {
  start()
}
