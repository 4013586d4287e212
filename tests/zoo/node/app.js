// Ends at once when it is told to, whatever it works on. LATE_SECONDS: so long it answers 503.
const http = require('http')

const ready = Date.now() + 1000 * Number(process.env.LATE_SECONDS || 0)

http.createServer((request, response) => {
  if (Date.now() < ready) response.statusCode = 503
  const slow = request.url.startsWith('/slow') ? 1000 : 0
  request.resume()
  request.on('end', () => setTimeout(() => response.end('ok'), slow))
}).listen(3000)
process.on('SIGTERM', () => process.exit(0))
