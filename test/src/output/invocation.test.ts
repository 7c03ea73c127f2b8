/** What a hint begins with, for each way in which the program is started. `test/outside/invocation.processes.ts` starts it so. */
import { describe, expect, test } from "bun:test"
import { shellWord } from "../../../src/boundary/index.ts"
import { command, type Started, wordsBefore } from "../../../src/output/invocation.ts"

const agent = (manager: string) => ({ npm_config_user_agent: `${manager}/1.2.3 npm/? node/v26.3.0 linux x64` })
const bin = "/project/node_modules/.bin/tfjs-lora-pro"
const started = (given: Partial<Started>): Started => ({
  runtime: "node",
  cloned: false,
  main: bin,
  directory: "/project",
  environment: {},
  ...given
})
const scripts = { train: "tfjs-lora-pro train plan.json", predict: "tfjs-lora-pro predict" }

test.each<[string, Partial<Started>, string]>([
  ["a clone in Bun", { cloned: true, runtime: "bun", main: "/clone/src/bin/tfjs-lora-pro.ts" }, "bun run"],
  [
    "a clone in Deno",
    { cloned: true, runtime: "deno", main: "/project/src/bin/tfjs-lora-pro.ts" },
    "deno run -A src/bin/tfjs-lora-pro.ts"
  ],
  [
    "a clone elsewhere in Node",
    { cloned: true, main: "/my clone/src/bin/tfjs-lora-pro.ts" },
    "node '/my clone/src/bin/tfjs-lora-pro.ts'"
  ],
  ["bunx --bun", { runtime: "bun", environment: agent("bun") }, "bunx --bun tfjs-lora-pro"],
  ["bunx, which runs it in Node", { environment: agent("bun") }, "bunx tfjs-lora-pro"],
  ["npx", { environment: agent("npm") }, "npx tfjs-lora-pro"],
  ["npm run", { environment: { ...agent("npm"), npm_command: "run-script" } }, "npx tfjs-lora-pro"],
  ["pnpm exec", { environment: agent("pnpm") }, "pnpm exec tfjs-lora-pro"],
  [
    "pnpm dlx",
    { environment: agent("pnpm"), main: "/cache/pnpm/dlx/ab12/node_modules/.bin/tfjs-lora-pro" },
    "pnpm dlx tfjs-lora-pro"
  ],
  ["yarn", { environment: agent("yarn") }, "yarn tfjs-lora-pro"],
  [
    "yarn dlx",
    { environment: agent("yarn"), main: "/tmp/xfs-1/dlx-77/node_modules/tfjs-lora-pro/src/bin/tfjs-lora-pro.js" },
    "yarn dlx tfjs-lora-pro"
  ],
  ["deno run", { runtime: "deno", environment: agent("deno") }, "deno run -A npm:tfjs-lora-pro"],
  ["a global installation", { main: "/usr/local/bin/tfjs-lora-pro" }, "tfjs-lora-pro"],
  ["a global installation of Bun's", { runtime: "bun", main: "/home/me/.bun/bin/tfjs-lora-pro" }, "tfjs-lora-pro"],
  ["the file in node_modules", {}, "npx tfjs-lora-pro"],
  ["a program of one's own in Bun", { runtime: "bun", main: "/project/mine.ts" }, "bunx --bun tfjs-lora-pro"],
  ["a program of one's own in Node", { main: "/project/mine.js" }, "npx tfjs-lora-pro"],
  ["nothing that says anything", { main: "", directory: "" }, "npx tfjs-lora-pro"]
])("%s", (_, given, words) => {
  expect(wordsBefore("train", started(given), {})).toBe(words)
})

describe("in a project whose scripts are verbs", () => {
  const script = { runtime: "bun", environment: { ...agent("bun"), npm_command: "run-script" } } as const

  test("a script that is the verb alone is used, one with a plan is not: a resumed run has its own", () => {
    expect(wordsBefore("predict", started(script), scripts)).toBe("bun run")
    expect(wordsBefore("train", started(script), scripts)).toBe("bunx --bun tfjs-lora-pro")
    expect(wordsBefore("merge", started(script), scripts)).toBe("bunx --bun tfjs-lora-pro")
  })

  test("npm keeps options for itself, so its scripts are not used", () => {
    const npm = started({ environment: { ...agent("npm"), npm_command: "run-script" } })
    expect(wordsBefore("predict", npm, scripts)).toBe("npx tfjs-lora-pro")
  })
})

test("a command is the words with what comes before them", () => {
  expect(command(`train --resume ${shellWord("my runs/it's")}`)).toBe("bun run train --resume 'my runs/it'\\''s'")
})
