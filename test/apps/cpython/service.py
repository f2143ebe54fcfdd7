"""A payments endpoint with a known hot path: validate_card takes most of each request.

Prints its port, answers GET on the loopback, ends by itself after the seconds
given. Some of its functions carry values that look personal, as code that is
generated from data does.
"""

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def validate_card(digits):
    """About 80 % of a request."""
    total = 0
    for _ in range(4000):
        for index, digit in enumerate(digits):
            total += digit * (2 if index % 2 else 1)
    return total


def serialize_response(total):
    """About 15 % of a request."""
    body = str(total)
    for _ in range(2000):
        body = hashlib.sha256(body.encode()).hexdigest()
    return body


def personal(name, call):
    """A function of that name, as a code generator would make one."""
    code = f"def {name}(digits):\n    return call(digits)\n"
    scope = {"call": call}
    exec(compile(code, "/home/priya.sharma/payments/generated.py", "exec"), scope)
    return scope[name]


# Made up; the card is the test number of every card network, the rest has valid check digits.
HANDLERS = [
    personal("handle_cust_ABCDEFGHIJKLMN", validate_card),
    personal("handle_card_4111111111111111", validate_card),
    personal("handle_pan_ABCPK1234L", validate_card),
    personal("handle_mobile_9876543210", validate_card),
]


class Payments(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each answer waits 40 ms for an acknowledgement, and the service idles.
    disable_nagle_algorithm = True

    def do_GET(self):
        handler = HANDLERS[len(self.path) % len(HANDLERS)]
        body = serialize_response(handler([4, 1] * 8)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Payments)
    print(server.server_address[1], flush=True)
    threading.Timer(float(sys.argv[1]), server.shutdown).start()
    server.serve_forever()


main()
