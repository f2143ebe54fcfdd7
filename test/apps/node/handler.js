// As service.js, with a handler of its own for the signal that Node takes for its inspector.
//
//     node handler.js 30

process.on('SIGUSR1', () => process.stdout.write('handled\n'))
await import('./service.js')
