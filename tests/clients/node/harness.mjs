// The gateway under test as a process, with the built-in provider and a configuration of its own.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
export const BINARY = process.env.POINTSMAN_BIN ?? join(TARGET, "debug", "pointsman");

// Whatever keys the developer has in the environment: no test may reach a real provider.
export const CLEAN = { PATH: process.env.PATH, HOME: process.env.HOME };

export const EASY = "What is 17*23?";
export const HARD = "Prove step by step that the square root of 2 is irrational.";
export const user = (content) => [{ role: "user", content }];
export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

const LADDER = `
pool small = [sim/small] pick first
pool large = [sim/large] pick first
ladder cheap-first {
  hold full
  step draft -> small escalate when failed or refused or invalid_json
  step final -> large
}
default -> cheap-first
`;
const POLICIES = {
  main: LADDER,
  plain: "pool small = [sim/small] pick first\ndefault -> small",
  guarded: 'pool large = [sim/large] pick first\ndeny no-pictures when request.images > 0 because "Pictures need another plan" status 403\ndefault -> large',
};

/** Starts a program and waits until it says where it listens. */
export async function listening(args, options) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing; \`cargo build\` makes it`);
  const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"], env: CLEAN, ...options });
  let said = "";
  const url = await new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`the gateway does not listen:\n${said}`)), 20_000);
    const read = (data) => {
      said += data;
      const address = said.match(/listening on (http:\/\/[0-9.:]+)/);
      if (address) {
        clearTimeout(timer);
        found(address[1]);
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("exit", (code) => failed(new Error(`the gateway ended with ${code}:\n${said}`)));
  });
  return { url, child };
}

/** A gateway with the policies above; `stop` ends it. */
export async function gateway(config = {}) {
  const folder = mkdtempSync(join(tmpdir(), "pointsman-"));
  mkdirSync(join(folder, "policies"));
  for (const [name, text] of Object.entries(POLICIES)) writeFileSync(join(folder, "policies", `${name}.policy`), text);
  const all = { listen: "127.0.0.1:0", policies: "policies", default: "main", providers: { sim: {} }, ...config };
  writeFileSync(join(folder, "pointsman.yaml"), JSON.stringify(all));
  const { url, child } = await listening(["serve", "--config", join(folder, "pointsman.yaml")], { cwd: folder });
  const stop = () =>
    new Promise((done) => {
      child.removeAllListeners("exit");
      child.on("exit", () => {
        rmSync(folder, { recursive: true, force: true });
        done();
      });
      child.kill("SIGKILL");
    });
  return { url, base: `${url}/v1`, child, stop };
}
