"""Verifies requests as the vendors' and the specifications' texts say.

Each line of the input is a request with the name of a check and a key, each
line of the output says {"ok": true} or why not. Nothing here is a port of
outhook's own code.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import time
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils


class Refused(Exception):
    pass


def must(good, why="refused"):
    if not good:
        raise Refused(why)


def fresh(seconds, tolerance=300):
    must(abs(time.time() - int(seconds)) <= tolerance, "timestamp out of tolerance")


def equal(a, b):
    must(hmac.compare_digest(a.encode(), b.encode()))


def mac(q, name, text):
    return hmac.new(q["key"].encode(), text, getattr(hashlib, name))


def standard(q):
    """standard-webhooks, spec/standard-webhooks.md: v1 and v1a."""
    h = q["headers"]
    fresh(h["webhook-timestamp"])
    signed = ("%s.%s." % (h["webhook-id"], h["webhook-timestamp"])).encode() + q["body"]
    key = q["key"]
    for token in h["webhook-signature"].split(" "):
        version, signature = token.split(",")
        raw = base64.b64decode(signature, validate=True)
        if version == "v1" and key.startswith("whsec_"):
            secret = base64.b64decode(key[len("whsec_"):], validate=True)
            if hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).digest(), raw):
                return
        if version == "v1a" and key.startswith("whpk_"):
            public = base64.b64decode(key[len("whpk_"):], validate=True)
            try:
                ed25519.Ed25519PublicKey.from_public_bytes(public).verify(raw, signed)
                return
            except InvalidSignature:
                pass
    raise Refused("no signature matches")


def github(q):
    """GitHub, validating webhook deliveries, the Python sample."""
    equal("sha256=" + mac(q, "sha256", q["body"]).hexdigest(), q["headers"]["x-hub-signature-256"])


def websub(q):
    """W3C WebSub, section 8."""
    name, signature = q["headers"]["x-hub-signature"].split("=", 1)
    must(name in ("sha1", "sha256", "sha384", "sha512"), "unknown method")
    equal(mac(q, name, q["body"]).hexdigest(), signature)


def bitbucket(q):
    """Bitbucket, manage webhooks: X-Hub-Signature, sha256 alone."""
    equal("sha256=" + mac(q, "sha256", q["body"]).hexdigest(), q["headers"]["x-hub-signature"])


def gitea(q):
    """Gitea, docs/usage/webhooks.md: hex of HMAC-SHA256 of the payload."""
    equal(mac(q, "sha256", q["body"]).hexdigest(), q["headers"]["x-gitea-signature"])


def slack(q):
    """Slack, verifying requests: the Python sample."""
    stamp = q["headers"]["x-slack-request-timestamp"]
    fresh(stamp)
    equal("v0=" + mac(q, "sha256", b"v0:" + stamp.encode() + b":" + q["body"]).hexdigest(),
          q["headers"]["x-slack-signature"])


def gitlab(q):
    """GitLab: the token as it is."""
    equal(q["key"], q["headers"]["x-gitlab-token"])


def basic(q):
    """RFC 7617."""
    kind, value = q["headers"]["authorization"].split(" ")
    must(kind == "Basic")
    equal(base64.b64decode(value, validate=True).decode(), q["option"] + ":" + q["key"])


def bearer(q):
    """RFC 6750."""
    kind, value = q["headers"]["authorization"].split(" ")
    must(kind == "Bearer")
    equal(value, q["key"])


def apikey(q):
    equal(q["headers"]["x-api-key"], q["key"])


def component(q, name):
    """RFC 9421, section 2."""
    url = urlsplit(q["url"])
    if name == "@method":
        return q["method"]
    if name == "@authority":
        host = url.netloc.lower()
        return host[:-3] if url.scheme == "http" and host.endswith(":80") else host
    if name == "@path":
        return url.path or "/"
    if name == "@query":
        return "?" + url.query
    must(not name.startswith("@"), "component %s not known here" % name)
    return q["headers"][name].strip()


def verify_message(algorithm, key, signature, base):
    """RFC 9421, section 3.3."""
    if algorithm == "hmac-sha256":
        must(hmac.compare_digest(hmac.new(key.encode(), base, hashlib.sha256).digest(), signature))
        return
    public = serialization.load_pem_public_key(key.encode())
    if algorithm == "ed25519":
        public.verify(signature, base)
    elif algorithm == "rsa-v1_5-sha256":
        public.verify(signature, base, padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "rsa-pss-sha512":
        public.verify(signature, base, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
    else:
        size, digest = {"ecdsa-p256-sha256": (32, hashes.SHA256()), "ecdsa-p384-sha384": (48, hashes.SHA384())}[algorithm]
        must(len(signature) == 2 * size, "signature is not r and s")
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        public.verify(utils.encode_dss_signature(r, s), base, ec.ECDSA(digest))


def rfc9421(q):
    """RFC 9421, section 3.2, and RFC 9530."""
    digest = re.fullmatch(r"sha-256=:([A-Za-z0-9+/=]+):", q["headers"]["content-digest"])
    must(digest, "content-digest not understood")
    equal(base64.b64encode(hashlib.sha256(q["body"]).digest()).decode(), digest.group(1))
    given = re.fullmatch(r'sig1=(\(((?:"[^"]+" ?)+)\)((?:;[a-z]+=(?:\d+|"[^"]*"))*))', q["headers"]["signature-input"])
    signature = re.fullmatch(r"sig1=:([A-Za-z0-9+/=]+):", q["headers"]["signature"])
    must(given and signature, "headers not understood")
    names = re.findall(r'"([^"]+)"', given.group(2))
    must("content-digest" in names, "the body is not covered")
    params = dict(re.findall(r';([a-z]+)=("[^"]*"|\d+)', given.group(3)))
    fresh(params["created"])
    must(params["keyid"] == '"k1"', "unknown keyid")
    lines = ['"%s": %s' % (n, component(q, n)) for n in names]
    lines.append('"@signature-params": ' + given.group(1))
    raw = base64.b64decode(signature.group(1), validate=True)
    verify_message(q["option"], q["key"], raw, "\n".join(lines).encode())


CHECKS = {f.__name__: f for f in (
    standard, github, websub, bitbucket, gitea, slack, gitlab, basic, bearer, apikey, rfc9421)}


def answer(q):
    q["body"] = base64.b64decode(q["body"])
    try:
        must(q["check"] in CHECKS, "there is no check called " + q["check"])
        CHECKS[q["check"]](q)
        return {"ok": True}
    except Exception as e:  # what a library raises is its way to refuse
        return {"error": "%s: %s" % (type(e).__name__, e)}


print(json.dumps({"checks": list(CHECKS)}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
