// Gives each body back as JSON.stringify writes what JSON.parse read.
import readline from "node:readline";

console.log(JSON.stringify({ version: process.version }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(JSON.parse(line).body, "base64"));
  console.log(JSON.stringify({ body: Buffer.from(JSON.stringify(JSON.parse(text))).toString("base64") }));
}
