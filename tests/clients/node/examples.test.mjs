// The example programs, run as they stand against `pointsman demo`.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CLEAN, ROOT, listening } from "./harness.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const SAYS = {
  "quickstart.mjs": /391/, "streaming.mjs": /tokens\)/, "tools.mjs": /Paris/, "cheap-first.mjs": /escalated/,
  "quote.mjs": /by route/,
};

let demo;
before(async () => {
  demo = await listening(["demo", "--listen", "127.0.0.1:0"], {});
});
after(() => demo.child.removeAllListeners("exit") && demo.child.kill("SIGKILL"));

test("every example has its test", () => {
  assert.deepEqual(readdirSync(join(ROOT, "examples/node")).sort(), Object.keys(SAYS).sort());
});

for (const [name, says] of Object.entries(SAYS)) {
  test(name, async () => {
    // Beside the tests, so that it finds the packages that are installed here.
    const copy = join(HERE, `.example-${name}`);
    writeFileSync(copy, readFileSync(join(ROOT, "examples/node", name)));
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [copy], {
        timeout: 60_000, env: { ...CLEAN, POINTSMAN_URL: demo.url },
      });
      assert.match(stdout, says);
    } finally {
      unlinkSync(copy);
    }
  });
}
