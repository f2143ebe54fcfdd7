// /proc/self/fd: paths that lead to what we have open, whatever has become of its name.

// Not in fs.constants. Names a file without opening it: no read permission, no
// driver woken by a device node, no wait for the other end of a FIFO.
export const O_PATH = 0o10000000

/** A path that leads to whatever this process has open as `fd`. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`
}
