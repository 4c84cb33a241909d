"""Creates a session, waits until its page is captured, saves a picture of it and ends it.

    python3 session.py http://127.0.0.1:3001/stream https://example.org/ picture.png

Needs Python 3.9 or later and nothing else. Clients in any language can be generated from docs/openapi.json, which
a router with the option `openApi` serves as well.
"""

import json
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 60


def call(method, url, body=None):
    """Sends one request; returns the bytes of the answer. An error answer raises with its code and message."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    try:
        with urlopen(Request(url, data, headers, method=method), timeout=TIMEOUT_SECONDS) as answer:
            return answer.read()
    except HTTPError as refused:
        error = json.load(refused)["error"]
        raise SystemExit(f"{method} {url}: {error['code']}: {error['message']}") from None


def wait_until_captured(session):
    """`connecting` is a page that is captured and has no viewer yet, `streaming` one with a viewer."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        state = json.loads(call("GET", session))
        if state["status"] in ("connecting", "streaming"):
            return
        if state["status"] in ("error", "terminated"):
            raise SystemExit(f"The session ended: {state.get('error', state['status'])}")
        time.sleep(0.2)
    raise SystemExit(f"The page was not captured within {TIMEOUT_SECONDS} s")


def main(router, target_url, file):
    body = {"targetUrl": target_url, "renderOptions": {"resolution": "1280x720", "audio": False}}
    stream_id = json.loads(call("POST", f"{router}/", body))["streamId"]
    session = f"{router}/{stream_id}"
    print(f"Created {session}")
    try:
        wait_until_captured(session)
        picture = call("GET", f"{session}/snapshot?format=png")
        with open(file, "wb") as out:
            out.write(picture)
        print(f"Saved {len(picture)} bytes to {file}")
    finally:
        call("DELETE", session)
        print("Ended")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3])
