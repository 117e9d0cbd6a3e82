// Validates OpenAPI documents against the schema of their version.
import readline from "node:readline";

import { Validator } from "@seriousme/openapi-schema-validator";

console.log(JSON.stringify({ version: process.version }));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(JSON.parse(line).document));
  console.log(JSON.stringify({ valid, errors, version: validator.version }));
}
