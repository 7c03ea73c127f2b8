/**
 * `chat`, and `generate`, as somebody uses them: on a terminal, with empty lines, pastes, Ctrl-C and Ctrl-D; and from a pipe. Small positions (40) make a
 * conversation outgrow them.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { decoder } from "./causal-workspace.ts"
import { cli, onWasm, TIMEOUT, workspace } from "./fixtures.ts"
import { startOnTerminal } from "./terminals.ts"

const w = workspace()
beforeAll(() => {
  // 40 positions
  decoder(w, "gpt2")
  decoder(w, "llama")
})

const command = (name: "chat" | "generate", model: string, ...flags: ReadonlyArray<string>) => [
  process.execPath,
  cli,
  name,
  model,
  ...onWasm,
  ...flags
]

/** A command on a terminal of its own. */
const onTerminal = (name: "chat" | "generate", model: string, ...flags: ReadonlyArray<string>) =>
  startOnTerminal(command(name, model, ...flags), w.directory)

describe("on a terminal", () => {
  test(
    "an empty line asks again, a paste of lines is one message, and Ctrl-D ends it",
    async () => {
      const chat = onTerminal("chat", "llama", "--max-tokens", "3")
      await chat.until("> ")
      chat.type("\r")
      await chat.until("> ")
      chat.type("what is it ?\r")
      await chat.until("(the reply ends here, at 3 tokens; allow more with --max-tokens N)")
      await chat.until("> ")
      // the last line has no end: whoever pasted it ends it
      chat.type("what colour\ris the\rsky")
      await Bun.sleep(300)
      expect(chat.behind()).not.toContain("the reply ends")
      chat.type(" ?\r")
      await chat.until("(the reply ends here, at 3 tokens")
      await chat.until("> ")
      await Bun.sleep(300)
      expect(chat.behind()).not.toContain("the reply ends")
      chat.type("\x04")
      expect(await chat.ended).toBe(0)
    },
    TIMEOUT
  )

  test(
    "a line that is longer than a terminal's own is whole; a message that is too long is told, and the next one answered",
    async () => {
      const chat = onTerminal("chat", "llama", "--max-tokens", "3")
      await chat.until("> ")
      // 1500 words of 4 bytes: a terminal's line has 4096
      chat.type(`${"sky ".repeat(1500)}\r`)
      // <s>, <user>, the words, </s>, <assistant>
      await chat.until("the prompt has 1504 tokens, but")
      await chat.until("shorten it")
      await chat.until("> ")
      chat.type("what is it ?\r")
      await chat.until("(the reply ends here, at 3 tokens")
      chat.type("\x04")
      expect(await chat.ended).toBe(0)
    },
    TIMEOUT
  )

  test(
    "Ctrl-C stops a reply and the conversation goes on; at the prompt it ends the program",
    async () => {
      // 250 tokens, on the slowest device: a reply that has ended before it is stopped is none to stop
      const slowly = ["--device", "cpu", "--max-tokens", "250", "--temperature", "3"]
      const chat = startOnTerminal([process.execPath, cli, "chat", "llama", ...slowly], w.directory)
      await chat.until("> ")
      chat.type("what is it ?\r")
      await chat.until("it ?\n")
      while (chat.behind().length < 3) await Bun.sleep(1)
      chat.type("\x03")
      await chat.until("(stopped; press Ctrl-C again or Ctrl-D to end the conversation)")
      await chat.until("> ")
      chat.type("\x03")
      expect(await chat.ended).toBe(130)
    },
    TIMEOUT
  )
})

test(
  "generate asks for prompts on a terminal, and goes on with each as it comes",
  async () => {
    const writing = onTerminal("generate", "llama", "--max-tokens", "3", "--stop", "zzz")
    await writing.until("enter one prompt per line; press Ctrl-D to quit\n")
    for (const prompt of ["what is", "the sky"]) {
      writing.type(`${prompt}\r`)
      await writing.until(`${prompt}\n`)
      await writing.until("\n")
    }
    writing.type("\x04")
    expect(await writing.ended).toBe(0)
  },
  TIMEOUT
)

/** From a pipe. */
const piped = async (model: string, stdin: string, ...flags: ReadonlyArray<string>) => {
  const child = Bun.spawn(command("chat", model, ...flags), {
    cwd: w.path("."),
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: TIMEOUT
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { stdout, stderr, code: await child.exited }
}

describe("from a pipe", () => {
  test(
    "a conversation that outgrows the model's positions goes on without its oldest exchanges, and says so",
    async () => {
      // the fourth prompt has <s>, four questions and three replies of 6 tokens and <assistant>: 44, and 20 without two exchanges
      const { code, stdout, stderr } = await piped("gpt2", "what is it ?\n\n".repeat(6), "--max-tokens", "4")
      expect(stderr).toContain(
        "the conversation no longer fits in the model's 40 tokens: dropped its oldest 4 messages"
      )
      expect(code).toBe(0)
      expect(stdout.trimEnd().split("\n").length).toBeGreaterThan(3)
    },
    TIMEOUT
  )

  test(
    "a message that no reply fits behind ends it, and says why",
    async () => {
      const { code, stderr } = await piped("gpt2", `${"sky ".repeat(50)}\n`, "--max-tokens", "4")
      expect(stderr).toContain("the prompt has 54 tokens, but")
      expect(stderr).not.toContain("    at ")
      expect(code).toBe(1)
    },
    TIMEOUT
  )
})
