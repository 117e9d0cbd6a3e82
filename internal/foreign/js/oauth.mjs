// An authorization server, oidc-provider, for the client credentials grant. Its
// first line tells where it is; after that each line of the input is answered by
// how many tokens it has given.
import http from "node:http";
import readline from "node:readline";

import Provider from "oidc-provider";

const [id, secret, auth] = process.argv.slice(2);

// Where it listens is known only after it listens, and its name holds that.
const server = http.createServer();
server.listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const client = { client_id: id, client_secret: secret, redirect_uris: [], response_types: [] };
const itsOwn = (ctx, asking, token) => asking.clientId === token.clientId;
const provider = new Provider(issuer, {
  clients: [{ ...client, grant_types: ["client_credentials"], token_endpoint_auth_method: auth }],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: itsOwn },
    revocation: { enabled: true, allowedPolicy: itsOwn },
    devInteractions: { enabled: false },
  },
  scopes: ["hooks"],
  ttl: { ClientCredentials: 600 },
});
let issued = 0;
provider.on("client_credentials.saved", () => issued++);
server.on("request", provider.callback());

console.log(JSON.stringify({ issuer }));
for await (const _ of readline.createInterface({ input: process.stdin })) console.log(JSON.stringify({ issued }));
process.exit(0);
