#!/usr/bin/env python3
"""An agent for a SmartLine line, asked by turns. Needs nothing but Python 3:

    python3 examples/agent/agent.py                  listens on http://127.0.0.1:8090/turns

It knows opening hours, has the owner rung on request, and says goodbye. Replace `answer` by a language model of your choice.
docs/agents.md tells what comes in and what may go out.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8090
SECRET = os.environ.get("AGENT_SECRET", "")  # the line's `agent_secret`, if it has one
LONGEST = 64 * 1024


def answer(question):
    """What is said to what the caller said, and what happens then."""
    said = question["text"].lower()
    if any(word in said for word in ("human", "person", "owner", "somebody")):
        return {"say": "One moment, I will connect you.", "do": "ring", "target": "owner"}
    if "hour" in said or "open" in said:
        return {"say": "We are open Monday to Friday, nine to five. Anything else?"}
    if "address" in said and question["event"] == "turn":
        return {"say": "1 Harbor Street, beside the ferry.", "do": "text"}
    if any(word in said for word in ("bye", "thank", "nothing")):
        return {"say": "Thank you for calling. Goodbye!", "do": "end"}
    return {"say": "I can tell you our hours or our address, or connect you to the owner."}


def is_signed(header, body):
    """Whether the line's secret signed this body within the last five minutes."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    at = parts.get("t", "")
    if not at.isdigit() or abs(time.time() - int(at)) > 300:
        return False
    code = hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(code, parts.get("v1", ""))


class Turns(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/turns" or not 0 < length <= LONGEST:
            return self.send_error(404)
        body = self.rfile.read(length)
        if SECRET and not is_signed(self.headers.get("X-SmartLine-Signature", ""), body):
            return self.send_error(401)
        reply = json.dumps(answer(json.loads(body))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        """What callers say stays out of the log."""


if __name__ == "__main__":
    print(f"listening on http://127.0.0.1:{PORT}/turns", file=sys.stderr)
    ThreadingHTTPServer(("127.0.0.1", PORT), Turns).serve_forever()
