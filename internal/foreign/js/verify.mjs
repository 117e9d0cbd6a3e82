// Verifies requests with the vendors' own libraries. Each line of the input is
// a request with the name of a check and a key, each line of the output says
// {"ok": true} or why not.
import crypto from "node:crypto";
import { createRequire } from "node:module";
import readline from "node:readline";

import { Signature as HubSpot } from "@hubspot/api-client/lib/src/utils/signature.js";
import * as line from "@line/bot-sdk";
import { verify as octokit } from "@octokit/webhooks-methods";
import { Paddle } from "@paddle/paddle-node-sdk";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import { verifyKey } from "discord-interactions";
import { createVerifier, httpbis } from "http-message-signatures";
import * as jose from "jose";
import { WebhooksHelper } from "square";
import { Webhook as StandardWebhook } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as SvixWebhook } from "svix";

const twilio = createRequire(import.meta.url)("twilio");
const stripe = new Stripe("sk_test_none");
const paddle = new Paddle("none");

const must = (good, why) => {
  if (!good) throw new Error(why);
};
const refused = (good) => must(good, "refused");

function fresh(seconds, tolerance = 300) {
  must(Math.abs(Date.now() / 1000 - Number(seconds)) <= tolerance, "timestamp out of tolerance");
}

function equal(a, b) {
  const x = Buffer.from(a ?? "");
  const y = Buffer.from(b ?? "");
  must(x.length === y.length && crypto.timingSafeEqual(x, y), "refused");
}

const hmac = (key, text) => crypto.createHmac("sha256", key).update(text);

function digest(q) {
  const [, name, value] = /^(sha-256|sha-512)=:(.*):$/.exec(q.headers["content-digest"] ?? "") ?? [];
  must(name, "no content-digest");
  equal(crypto.createHash(name.replace("-", "")).update(q.bytes).digest("base64"), value);
}

async function messageSignature(q) {
  digest(q);
  const alg = q.option;
  const ok = await httpbis.verifyMessage(
    {
      all: true,
      maxAge: 300,
      requiredFields: ["@method", "@authority", "@path", "@query", "content-digest", "content-type"],
      requiredParams: ["created", "keyid"],
      async keyLookup(params) {
        must(params.keyid === "k1", "unknown keyid");
        const key = alg === "hmac-sha256" ? q.key : crypto.createPublicKey(q.key);
        return { id: "k1", algs: [alg], verify: createVerifier(key, alg) };
      },
    },
    { method: q.method, url: q.url, headers: q.headers },
  );
  refused(ok === true);
}

const joseKey = (q) => (q.key.startsWith("-----") ? crypto.createPublicKey(q.key) : Buffer.from(q.key));

async function jwt(q) {
  const token = q.headers.authorization.replace(/^Bearer /, "");
  const { payload } = await jose.jwtVerify(token, joseKey(q), {
    algorithms: [q.option],
    audience: q.url,
    issuer: "outhook.example",
    requiredClaims: ["iat", "exp", "jti"],
  });
  equal(payload.request_body_sha256, crypto.createHash("sha256").update(q.bytes).digest("hex"));
}

async function jws(q) {
  const [head, , signature] = q.headers["x-jws-signature"].split(".");
  const raw = q.option === "raw";
  const { protectedHeader } = await jose.flattenedVerify(
    { protected: head, payload: raw ? q.bytes : jose.base64url.encode(q.bytes), signature },
    joseKey(q),
    { algorithms: ["ES256"] },
  );
  fresh(protectedHeader.iat);
}

const shopifyFor = (key) =>
  shopifyApi({
    apiKey: "none",
    apiSecretKey: key,
    apiVersion: Object.values(ApiVersion).at(-1),
    hostName: "app.example",
    isEmbeddedApp: false,
    logger: { log: () => {} },
  });

// fetchRequest is what shopify's node adapter reads headers from.
const fetchRequest = (q) => ({
  rawRequest: { method: q.method, url: new URL(q.url).pathname, headers: q.headers },
  rawResponse: {},
});

// Zoom's and the Ed25519 check of Standard Webhooks are written from the
// vendors' texts; everything else is a library's.
const checks = {
  standardwebhooks: (q) => new StandardWebhook(q.key).verify(q.text, q.headers),
  svix: (q) => new SvixWebhook(q.key).verify(q.text, q.headers),
  v1a(q) {
    fresh(q.headers["webhook-timestamp"]);
    const raw = Buffer.from(q.key.replace(/^whpk_/, ""), "base64");
    const key = crypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
    const signed = Buffer.concat([Buffer.from(`${q.headers["webhook-id"]}.${q.headers["webhook-timestamp"]}.`), q.bytes]);
    refused(
      q.headers["webhook-signature"]
        .split(" ")
        .filter((s) => s.startsWith("v1a,"))
        .some((s) => crypto.verify(null, signed, key, Buffer.from(s.slice(4), "base64"))),
    );
  },
  stripe: (q) => stripe.webhooks.constructEvent(q.text, q.headers["stripe-signature"], q.key),
  octokit: async (q) => refused(await octokit(q.key, q.text, q.headers["x-hub-signature-256"])),
  async shopify(q) {
    const result = await shopifyFor(q.key).webhooks.validate({ rawBody: q.text, ...fetchRequest(q) });
    must(result.valid, result.reason);
  },
  twilioForm: (q) =>
    refused(twilio.validateRequest(q.key, q.headers["x-twilio-signature"], q.url, Object.fromEntries(new URLSearchParams(q.text)))),
  twilioJSON: (q) => refused(twilio.validateRequestWithBody(q.key, q.headers["x-twilio-signature"], q.url, q.text)),
  square: async (q) =>
    refused(
      await WebhooksHelper.verifySignature({
        requestBody: q.text,
        signatureHeader: q.headers["x-square-hmacsha256-signature"],
        signatureKey: q.key,
        notificationUrl: q.url,
      }),
    ),
  paddle: async (q) => refused(await paddle.webhooks.isSignatureValid(q.text, q.key, q.headers["paddle-signature"])),
  hubspot: (q) =>
    refused(
      HubSpot.isValid({
        signatureVersion: "v3",
        signature: q.headers["x-hubspot-signature-v3"],
        clientSecret: q.key,
        requestBody: q.text,
        method: q.method,
        url: q.url,
        timestamp: Number(q.headers["x-hubspot-request-timestamp"]),
      }),
    ),
  discord: async (q) =>
    refused(await verifyKey(q.bytes, q.headers["x-signature-ed25519"], q.headers["x-signature-timestamp"], q.key)),
  line: (q) => refused(line.validateSignature(q.text, q.key, q.headers["x-line-signature"])),
  zoom(q) {
    const message = `v0:${q.headers["x-zm-request-timestamp"]}:${JSON.stringify(JSON.parse(q.text))}`;
    equal(`v0=${hmac(q.key, message).digest("hex")}`, q.headers["x-zm-signature"]);
  },
  rfc9421: messageSignature,
  jwt,
  jws,
};

console.log(JSON.stringify({ checks: Object.keys(checks) }));
for await (const text of readline.createInterface({ input: process.stdin })) {
  const q = JSON.parse(text);
  q.bytes = Buffer.from(q.body, "base64");
  q.text = q.bytes.toString("utf8");
  let answer = { ok: true };
  try {
    must(checks[q.check], `there is no check called ${q.check}`);
    await checks[q.check](q);
  } catch (e) {
    answer = { error: `${e.name}: ${e.message}` };
  }
  console.log(JSON.stringify(answer));
}
