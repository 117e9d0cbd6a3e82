// Tells what the frameworks made of each request. A line with a content type
// and a body in base64 comes in, and is posted to a server of each framework;
// a line with a tree or an error for each goes out. "qs" is fastify with qs as
// its parser, as the documentation of its form plugin shows: qs with its own
// limits, which express widens.
import readline from "node:readline";

import formbody from "@fastify/formbody";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import qs from "qs";

async function serveExpress(module) {
  const app = module();
  app.use(module.urlencoded({ extended: true }), module.json());
  app.post("/hook", (req, res) => res.json({ tree: req.body }));
  app.use((err, req, res, next) => res.status(err.status ?? 500).json({ error: `${err.status} ${err.message}` }));
  const server = app.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  return `http://127.0.0.1:${server.address().port}/hook`;
}

async function serveFastify(options, pairs) {
  const app = fastify();
  app.register(formbody, options);
  app.post("/hook", (req) => (pairs && req.headers["content-type"].startsWith("application/x-www") ? { pairs: flat(req.body) } : { tree: req.body }));
  app.setErrorHandler((err, req, reply) => reply.status(err.statusCode ?? 500).send({ error: err.message }));
  return `${await app.listen({ port: 0, host: "127.0.0.1" })}/hook`;
}

// flat gives the pairs of fastify's own parser, which knows no brackets.
const flat = (body) => Object.entries(body).flatMap(([k, v]) => (Array.isArray(v) ? v.map((x) => [k, x]) : [[k, v]]));

const readers = {
  express5: await serveExpress(express),
  express4: await serveExpress(express4),
  fastify: await serveFastify({}, true),
  qs: await serveFastify({ parser: (text) => qs.parse(text) }, false),
};

console.log(JSON.stringify({ version: process.version }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const body = Buffer.from(question.body, "base64");
  const answers = await Promise.all(
    Object.entries(readers).map(async ([name, url]) => {
      const response = await fetch(url, { method: "POST", headers: { "content-type": question.type }, body });
      return [name, await response.json()];
    }),
  );
  console.log(JSON.stringify(Object.fromEntries(answers)));
}
