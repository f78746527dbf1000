#!/usr/bin/env python3
"""Sign an order, submit it, poll it to its end and verify every answer. Python 3.9 or later, standard library only.

posnext.py ORDER.json              submits it; exit status: 0 placed, 1 rejected or errored, 2 not known yet, 3 refused or not believed
posnext.py --vectors VECTORS.json  checks digest() against the published signing vectors
"""
import base64, hashlib, hmac, http.client, json, os, random, re, sys, time, urllib.request, uuid
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

BASE_URL = os.environ.get("POSNEXT_URL", "http://127.0.0.1:3000").rstrip("/")
CLIENT_SECRET = os.environ.get("POSNEXT_CLIENT_SECRET", "local-client-secret-0123456789abcdef")
SHARED_ID = os.environ.get("POSNEXT_SHARED_ID", "a1b2c3d4e5f6a7b8c9d0")
GIVE_UP_S = float(os.environ.get("POSNEXT_GIVE_UP_S", "90"))
UNTIL = time.monotonic() + GIVE_UP_S
ANSWER_S, LONGEST_PAUSE_S = 30, 20  # one answer is waited for so long; a pause that no Retry-After asks for is never longer

class Stop(Exception):
    """Ends the run with an exit status and a line that says why."""

def token():
    """A JWT (HS256) signed with the Client Secret, good for five minutes."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time())
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps({"iat": now, "exp": now + 300}).encode())
    return (signed + b"." + part(hmac.digest(CLIENT_SECRET.encode(), signed, "sha256"))).decode()

def parse(text):
    """A JSON object, its numbers as exact decimals: as a binary float, 19.99 x 100 is 1998.99..., which truncates to 1998."""
    value = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return value if isinstance(value, dict) else {}

def cents(amount):
    return int((amount * 100).to_integral_value(ROUND_HALF_UP)) if isinstance(amount, Decimal) else 0  # half away from zero

def seconds(text):
    """Unix seconds, the fraction dropped; 0 for what is no date-time with an offset."""
    match = re.fullmatch(r"([0-9-]{10}T[0-9:]{8})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", text if isinstance(text, str) else "")
    try:
        return int(datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")).timestamp()) if match else 0
    except ValueError:
        return 0

def digest(body, shared_id=SHARED_ID):
    """The x-pch-digest of a request's or an answer's body, over the six values it says; one that it does not say is 0."""
    order = parse(body)
    details = order.get("order_details") if isinstance(order.get("order_details"), dict) else {}
    ids = [order.get("request_uid"), order.get("location_id"), details.get("online_order_id")]
    numbers = [cents(details.get("grand_total")), cents(details.get("subtotal")), seconds(order.get("request_datetime"))]
    message = "|".join([value if isinstance(value, str) else "0" for value in ids] + [str(number) for number in numbers])
    return hmac.new(shared_id[:10].encode(), message.encode(), hashlib.sha256).hexdigest()

def verify(body, given):
    """Whether an answer's x-pch-digest is that of its own values, compared in constant time."""
    try:
        return hmac.compare_digest(digest(body).encode(), (given or "").encode())
    except (ValueError, ArithmeticError, RecursionError):  # no JSON, or a number that is no amount
        return False

class EveryStatus(urllib.request.HTTPErrorProcessor):
    """Every status is an answer, and no redirect is followed: the token is for this server alone."""
    def http_response(self, request, response):
        return response
    https_response = http_response

HTTP = urllib.request.build_opener(EveryStatus)

def pause(retry_after, tries):
    """As long as the answer says; else exponential back-off with full jitter."""
    says = (retry_after or "").isdecimal()
    wait = int(retry_after) if says else random.uniform(0, min(LONGEST_PAUSE_S, 2 ** (tries + 1)))
    if time.monotonic() + wait >= UNTIL:
        raise Stop(2, f"not known after {GIVE_UP_S:g} s: read the order later, or submit it again under the same request_uid")
    time.sleep(wait)

def ask(step, request_uid, path, headers, body=None, last=None):
    """Asks until there is an answer, and verifies it before it is believed; returns its text and its headers."""
    tries = 0
    while True:
        headers["Authorization"] = "Bearer " + token()
        request = urllib.request.Request(BASE_URL + path, data=body and body.encode(), headers=headers)
        try:
            with HTTP.open(request, timeout=max(1, min(ANSWER_S, UNTIL - time.monotonic()))) as answer:
                code, says, text = answer.status, answer.headers, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            code, says, text = 0, {}, ""
        if code and code != 429 and code < 500:
            break
        # Not done, or nobody knows. The same request_uid with the same content is safe to send again: it is not done twice.
        print(step, code or "no answer", flush=True)
        pause(says.get("Retry-After"), tries)
        tries += 1
    if code == 304:
        text = last  # nothing has changed, and what was read last is what the signature is over
    signed = text is not None and verify(text, says.get("x-pch-digest"))
    if code not in (200, 202, 304):
        reason = re.search(r'"code"\s*:\s*"(\w+)"', text)
        raise Stop(3, f"refused {code} {reason[1] if reason else ''}" + ("" if signed else " (not signed with our SharedId)"))
    # An error's digest is over no order and fits any body without one: it must be this order that the answer is about.
    if not signed or parse(text).get("request_uid") != request_uid:
        raise Stop(3, f"{step} {code} wrong signature: nothing of this answer is believed")
    print(step, code, parse(text).get("status"), flush=True)
    return text, says

def submit(request_uid, order):
    headers = {"Content-Type": "application/json", "x-pch-digest": digest(order)}
    return ask("submit", request_uid, "/posnext/order/submit", headers, body=order)

def poll(request_uid, last, etag):
    return ask("poll", request_uid, f"/posnext/orders/{request_uid}", {"If-None-Match": etag} if etag else {}, last=last)

def fill_in(text):
    """Puts in the ids and the time that an order lacks; in its text, for an order written anew could say other amounts."""
    order, uid = parse(text), str(uuid.uuid4())
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for name, value in {"request_uid": uid, "request_datetime": now}.items():
        if name not in order:
            text = text.replace("{", f'{{"{name}":"{value}",', 1)
    if "online_order_id" not in (order.get("order_details") or {}):
        text = re.sub(r'("order_details"\s*:\s*\{)(?=\s*")', rf'\1"online_order_id":"ORD-{uid}",', text, count=1)
    return order.get("request_uid", uid), text

def run(path):
    with open(path, encoding="utf-8") as file:
        request_uid, order = fill_in(file.read())
    print("order", request_uid, flush=True)
    text, says = submit(request_uid, order)
    tries = 0
    while parse(text).get("status") not in ("placed", "rejected", "errored"):  # 202 is no success yet
        pause(says.get("Retry-After"), tries)
        tries += 1
        text, says = poll(request_uid, text, says.get("ETag"))
    order = parse(text)
    if order["status"] == "placed":
        raise Stop(0, f"placed {(order.get('order_details') or {}).get('pos_order_id')}")
    raise Stop(1, f"{order['status']} " + " ".join(error["code"] for error in order.get("errors", [])))

def vectors(path):
    with open(path, encoding="utf-8") as file:
        published = json.load(file)
    wrong = [vector["name"] for vector in published["vectors"]
             if (digest(vector["body"], published["shared_id"]) == vector["digest"]) != (vector["expect"] == "sign")]
    count = len(published["vectors"])
    raise Stop(1 if wrong or not count else 0, " ".join([f"{count - len(wrong)} of {count} vectors right", *wrong]))

if __name__ == "__main__":
    try:
        if len(SHARED_ID.strip()) < 10 or len(sys.argv) < 2:
            raise Stop(3, __doc__ + "\nA SharedId has at least 10 characters.")
        vectors(sys.argv[2]) if sys.argv[1] == "--vectors" else run(sys.argv[1])
    except Stop as stop:
        print(stop.args[1])
        sys.exit(stop.args[0])
    except (OSError, ValueError) as error:  # no such file, or no JSON: nothing was sent
        print(error)
        sys.exit(3)
