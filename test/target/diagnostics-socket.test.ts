import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findDiagnosticsSocket } from '../../agent/target/diagnostics-socket.ts'
import { readStat } from '../../agent/target/procfs.ts'
import { missing, start } from '../apps/apps.ts'
import { temporaryFolder } from '../temporary.ts'

/** A process that has this TMPDIR and does nothing, and what its socket would be called. */
function startIdle(folder: string) {
  const { pid } = start('sleep', ['60'], { env: { ...process.env, TMPDIR: folder } })
  const { startTicks } = readStat(pid)
  return { pid, name: (start = startTicks) => `dotnet-diagnostic-${pid}-${start}-socket` }
}

/** A server that answers with what it was sent. */
async function listen(file: string): Promise<void> {
  const server = net.createServer(connection => connection.pipe(connection)).listen(file)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
}

describe('the diagnostics socket of a process', () => {
  test('is in its own TMPDIR, and is connected to however long that is', async () => {
    const folder = path.join(temporaryFolder(), 'x'.repeat(90))
    fs.mkdirSync(folder)
    const { pid, name } = startIdle(folder)
    // Itself it is listened on by a short path, as from inside of a container.
    const short = path.join(temporaryFolder(), 's')
    await listen(short)
    fs.renameSync(short, path.join(folder, name()))
    const { socket } = findDiagnosticsSocket(pid)
    const connection = net.connect({ path: socket!.path })
    connection.end('hello')
    const [answer] = await once(connection, 'data')
    expect(String(answer)).toBe('hello')
    socket!.close()
  })

  test('has another start in its name where the target is in a time namespace', async () => {
    const folder = temporaryFolder()
    const { pid, name } = startIdle(folder)
    await listen(path.join(folder, name(7)))
    const found = findDiagnosticsSocket(pid)
    expect(found.reason).toBe(undefined)
    found.socket!.close()
  })

  test('is not chosen among several that may be left over', async () => {
    const folder = temporaryFolder()
    const { pid, name } = startIdle(folder)
    await listen(path.join(folder, name(7)))
    await listen(path.join(folder, name(8)))
    expect(findDiagnosticsSocket(pid)).toEqual({ reason: 'no socket', folder })
  })

  test('is none where no file has its name, and where a file, a folder or a link has', async () => {
    const folder = temporaryFolder()
    const { pid, name } = startIdle(folder)
    const file = path.join(folder, name())
    const none = { reason: 'no socket', folder }
    expect(findDiagnosticsSocket(pid)).toEqual(none)
    fs.writeFileSync(file, '')
    expect(findDiagnosticsSocket(pid)).toEqual(none)
    fs.rmSync(file)
    fs.mkdirSync(file)
    expect(findDiagnosticsSocket(pid)).toEqual(none)
    fs.rmdirSync(file)
    const ours = path.join(temporaryFolder(), 'ours')
    await listen(ours)
    fs.symlinkSync(ours, file)
    expect(findDiagnosticsSocket(pid)).toEqual(none)
  })

  test('is not looked for behind a link', async () => {
    const folder = temporaryFolder()
    const link = path.join(temporaryFolder(), 'link')
    fs.symlinkSync(folder, link)
    const { pid, name } = startIdle(link)
    await listen(path.join(folder, name()))
    expect(findDiagnosticsSocket(pid)).toEqual({ reason: 'folder behind a link', folder: link })
  })

  test('is none where the folder is gone', () => {
    const folder = path.join(temporaryFolder(), 'gone')
    const { pid } = startIdle(folder)
    expect(findDiagnosticsSocket(pid)).toEqual({ reason: 'no socket', folder })
  })

  test.skipIf(missing('root').length > 0)('must be the target’s own', async () => {
    const folder = temporaryFolder()
    const { pid, name } = startIdle(folder)
    await listen(path.join(folder, name()))
    fs.chownSync(path.join(folder, name()), 12_345, 12_345)
    expect(findDiagnosticsSocket(pid)).toEqual({ reason: 'socket of another user', folder })
  })

  test('leaves no descriptor open', async () => {
    const folder = temporaryFolder()
    const { pid, name } = startIdle(folder)
    await listen(path.join(folder, name(7)))
    const open = () => fs.readdirSync('/proc/self/fd').length
    const before = open()
    for (let times = 0; times < 20; times++) findDiagnosticsSocket(pid).socket!.close()
    await listen(path.join(folder, name(8)))
    for (let times = 0; times < 20; times++) findDiagnosticsSocket(pid)
    // One more for the second server.
    expect(open()).toBeLessThanOrEqual(before + 1)
  })

  test('of a process that is gone is an error', () => {
    expect(() => findDiagnosticsSocket(5_000_000)).toThrow(
      expect.objectContaining({ code: 'SP_TARGET_GONE' }),
    )
  })
})
