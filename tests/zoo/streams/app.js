// /events: an event every 0.2 s. /socket: a web socket that says back what it hears. SECONDS: how long an event stream lasts.
const http = require('http')
const { WebSocketServer } = require('ws')

const server = http.createServer((request, response) => {
  request.resume()
  const seconds = Number(new URL(request.url, 'http://x').searchParams.get('seconds') || 0)
  if (!request.url.startsWith('/events')) {
    setTimeout(() => response.end('ok'), 1000 * seconds)
    return
  }
  response.setHeader('Content-Type', 'text/event-stream')
  response.flushHeaders()
  let sent = 0
  const timer = setInterval(() => {
    response.write(`data: ${++sent}\n\n`)
    if (seconds && sent >= 5 * seconds) response.end()
  }, 200)
  response.on('close', () => clearInterval(timer))
})
const sockets = new WebSocketServer({ server, path: '/socket' })
sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))
server.listen(3000)
process.on('SIGTERM', () => process.exit(0))
