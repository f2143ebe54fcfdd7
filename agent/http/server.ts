// The HTTP side: fastify over two of Node's servers, neither of which listens.
//
// Connections come from the door, already accepted and with their first bytes
// read. Plain ones (loopback, unix socket) and encrypted ones share the routes;
// who may do what is told apart by the connection (`authorize.ts`).
//
// The trap: a server that does not listen does not look after slow clients, for
// Node starts that with its `listening` event. So it is told that it listens.

import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import { ProfilerError } from '../errors.ts'
import { type Doorkeeper, isTls } from './authorize.ts'
import type { House } from './house-parts.ts'
import { answerError } from './problems.ts'
import { refusalLog } from './refusals.ts'
import { type Route, routes } from './routes.ts'
import { endWithCertificate, type WatchedTls } from './tls.ts'
import { wrongness } from './wire.ts'

export interface Server {
  /** A connection of the door's, and what it has read of it. */
  take(socket: Socket, head: Buffer, isEncrypted: boolean): void
  /** Connections that are open. */
  readonly connections: number
  /** Lets those end that are idle, and waits for the rest. */
  close(): Promise<void>
}

// An ask has some hundred bytes.
const maxBodyBytes = 64 * 1024
const maxHeaderBytes = 16 * 1024
// Whoever takes longer does it on purpose, or is gone.
const headersMs = 5_000
const requestMs = 10_000
const handshakeMs = 5_000
const keepAliveMs = 5_000
// Whoever takes nothing of an answer for so long; events are sent more often.
const stalledMs = 60_000
// Of a connection whose certificate has ended: who asks is told so.
const lastWordMs = 5_000
// Requests of one connection that wait for their answers: who sends them on and on without reading
// would have them all made, and be gone.
const maxPipelined = 16
// As the door has it: the network cannot take the places of the shell in the pod.
const maxConnections = { inside: 256, outside: 512 }

const strictHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

export async function startServer(house: House, tls: WatchedTls | undefined): Promise<Server> {
  const options: http.ServerOptions = {
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
  }
  let plain!: http.Server
  let secure: https.Server | undefined
  const app = fastify({
    // Its own log would say what was asked; ours says who asked for what.
    logger: false,
    bodyLimit: maxBodyBytes,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: false },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    exposeHeadRoutes: true,
    clientErrorHandler: answerMalformed,
    // What comes before any route: a path that is no path.
    frameworkErrors: (error, request, reply) => {
      answerError(error, request, reply.headers(strictHeaders))
    },
    serverFactory(handler) {
      plain = http.createServer(options, handler)
      if (tls !== undefined) {
        const mutual = {
          requestCert: true,
          rejectUnauthorized: true,
          handshakeTimeout: handshakeMs,
        }
        secure = https.createServer({ ...options, ...tls.current?.options, ...mutual }, handler)
      }
      return plain
    },
  })
  addRoutes(app, house)
  await app.ready()
  const open = { inside: new Set<Socket>(), outside: new Set<Socket>() }
  for (const server of [plain, secure]) {
    server?.setTimeout(stalledMs)
    server?.emit('listening')
  }
  secure?.on('clientError', answerMalformed)
  secure?.on('tlsClientError', (_error, socket) => {
    house.metrics.count('requests_refused_total', { code: 'TLS' })
    socket.destroy()
  })
  secure?.on('secureConnection', socket => endWithCertificate(socket, lastWordMs))
  if (tls !== undefined) {
    tls.onChange = ({ options, caDigest }, before) => {
      secure!.setSecureContext(options)
      // A CA that is taken away is taken from those who are in, too; they come again and are asked again.
      if (caDigest !== before?.caDigest) for (const socket of open.outside) socket.destroy()
    }
  }
  return {
    get connections() {
      return open.inside.size + open.outside.size
    },
    take(socket, head, isEncrypted) {
      const server = isEncrypted ? secure : plain
      const side = isEncrypted ? 'outside' : 'inside'
      if (server === undefined || open[side].size >= maxConnections[side]) {
        socket.destroy()
        return
      }
      open[side].add(socket)
      socket.once('close', () => open[side].delete(socket))
      socket.on('error', () => {})
      // TLS reads what was put back; the HTTP parser reads the descriptor itself, and has to be given it.
      if (isEncrypted) {
        socket.unshift(head)
        server.emit('connection', socket)
      } else {
        server.emit('connection', socket)
        socket.emit('data', head)
        socket.resume()
      }
    },
    async close() {
      secure?.closeIdleConnections()
      plain.closeIdleConnections()
      await app.close()
      for (const side of Object.values(open)) for (const socket of side) socket.destroy()
    },
  }
}

function addRoutes(app: FastifyInstance, house: House): void {
  const notFound = (request: FastifyRequest, reply: FastifyReply): ProfilerError => {
    const allowed = methodsOf(request.url)
    if (allowed.length === 0) return new ProfilerError('SP_ROUTE_UNKNOWN', 'there is no such path')
    reply.header('allow', allowed.join(', '))
    return new ProfilerError('SP_METHOD_UNKNOWN', `this path has no ${request.method}`)
  }
  app.setErrorHandler((error: FastifyError, request, reply) => {
    // Of QUERY, which has a body, fastify asks for its type before it asks whether there is a route.
    const isUnrouted = error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE'
    answerError(isUnrouted ? notFound(request, reply) : error, request, reply)
  })
  app.setNotFoundHandler((request, reply) => {
    throw notFound(request, reply)
  })
  const unanswered = new WeakMap<object, number>()
  app.addHook('onRequest', async ({ raw: { socket } }, reply) => {
    reply.headers(strictHeaders)
    const waiting = unanswered.get(socket) ?? 0
    unanswered.set(socket, waiting + 1)
    if (waiting < maxPipelined) return
    const message = `${maxPipelined} requests of this connection wait for their answers already`
    throw new ProfilerError('SP_REQUEST_INVALID', message)
  })
  app.addHook('onResponse', async ({ raw: { socket } }, reply) => {
    unanswered.set(socket, unanswered.get(socket)! - 1)
    house.metrics.count('requests_total', { status: String(reply.statusCode) })
  })
  // A body of anything else is a form of another site's page, or a mistake.
  app.removeContentTypeParser('text/plain')
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    // Of the page's form only: any other would be a form of another site's page.
    async (request: FastifyRequest, text: string) => {
      if (request.routeOptions.url === '/login')
        return Object.fromEntries(new URLSearchParams(text))
      throw new ProfilerError('SP_MEDIA_TYPE', 'the body is not JSON')
    },
  )
  const refused = refusalLog(house)
  for (const route of routes) addRoute(app, route, house, refused)
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  house: House,
  refused: ReturnType<typeof refusalLog>,
): void {
  const { method, path, role, answer } = route
  app.route({
    method,
    url: path,
    // Of events there is no end, and so nothing to say without them.
    exposeHeadRoute: !isStream(route),
    // Before a body is read: nobody who may not come in makes us read one.
    async onRequest(request) {
      if (role !== undefined) Object.assign(request, { identity: admit(request) })
    },
    async handler(request, reply) {
      const { identity = { name: 'nobody', role: 'viewer' } as const } = request as Identified
      reply.code(answer.status).type(answer.type)
      return route.handle({
        house,
        identity,
        params: check('', route.params, request.params) as Record<string, string>,
        query: check('', route.query, request.query) as Record<string, unknown>,
        body: check('body ', route.body, request.body),
        request,
        reply,
      })
    },
  })
  function admit(request: Parameters<Doorkeeper['admit']>[0]) {
    try {
      return house.doorkeeper.admit(request, role!)
    } catch (error) {
      const from = isTls(request.raw.socket) ? 'tls' : 'local'
      refused(error, { from, route: `${method} ${path}` })
      throw error
    }
  }
}

type Identified = { readonly identity?: ReturnType<Doorkeeper['admit']> }

/** @throws {ProfilerError} `SP_REQUEST_INVALID`, with everything that is wrong */
function check(what: string, schema: Route['body'], value: unknown): unknown {
  if (schema === undefined) return value
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new ProfilerError('SP_REQUEST_INVALID', `${what}${wrongness(parsed.error)}`)
}

function isStream({ answer }: Route): boolean {
  return answer.type === 'text/event-stream'
}

const patterns = routes.map(route => ({
  route,
  pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`),
}))

/** Of a path that is known: what it may be asked. */
function methodsOf(url: string): string[] {
  const path = url.replace(/[?#].*/s, '')
  const known = patterns.filter(({ pattern }) => pattern.test(path)).map(({ route }) => route)
  return known.flatMap(route => {
    return route.method === 'GET' && !isStream(route) ? ['GET', 'HEAD'] : [route.method]
  })
}

/** What is no HTTP gets an answer that is, if it still listens; then the connection is closed, and not left to it. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  // In the middle of an answer another one would be taken for its continuation.
  const { _httpMessage: answering } = socket as { _httpMessage?: { headersSent: boolean } | null }
  const isTold = error.code === 'ECONNRESET' || answering?.headersSent === true
  if (isTold || !socket.writable || (isTls(socket) && !socket.authorized)) {
    socket.destroy()
    return
  }
  const status = {
    HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
    ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  }[error.code ?? '']
  const answer = `HTTP/1.1 ${status ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`
  socket.end(answer, () => socket.destroy())
}
