/**
 * What a run was trained with is what it is resumed and used with: another file is an error or a note, a line for each, and never goes
 * unnoticed. And what is no file at all (a pipe, a device, a folder) is refused at once.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { causalData, chats, decoder, tokenizerConfig, wordTokenizer, writeRows } from "../e2e/causal-workspace.ts"
import { jsonLines, onWasm, repository, succeed, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"

const w = workspace()

beforeAll(async () => {
  decoder(w, "llama-tied", "model")
  writeRows(w)
  const output = { checkpointEvery: 1, keepCheckpoints: 2 }
  const training = { steps: 2, batchSize: 4 }
  w.write("chat.json", tinyPlan("model", { data: causalData("chat"), training, output }))
  await succeed(w.cli(["train", "chat.json", "--out", "run", ...onWasm]))
  w.model("bert")
  w.write("bert/tokenizer_config.json", { pad_token: "[PAD]" })
  w.write("texts.json", tinyPlan("bert", { training: { steps: 1, batchSize: 4 } }))
  await succeed(w.cli(["train", "texts.json", "--out", "texts", ...onWasm]))
}, TIMEOUT)

const commands = {
  resume: ["train", "--resume", "run", "--set", "training.steps=3"],
  evaluate: ["evaluate", "run"],
  generate: ["generate", "run", "what colour is the sky ?", "--max-tokens", "2"],
  chat: ["chat", "run", "--max-tokens", "2"],
  merge: ["merge", "run", "--out", "merged"],
  predict: ["predict", "texts", "the film is good"]
} as const
type Command = keyof typeof commands

const ran = (command: Command, ...more: ReadonlyArray<string>) =>
  w.cli([...commands[command], ...more, ...onWasm], command === "chat" ? "what is it ?\n" : undefined)

/** Runs with a file made into something else, which is undone afterwards. */
const during = async <T>(name: string, change: () => void, use: () => Promise<T>): Promise<T> => {
  const [there, kept] = [existsSync(w.path(name)), w.path(`kept-${name.replaceAll("/", "-")}`)]
  if (there) cpSync(w.path(name), kept, { recursive: true })
  change()
  try {
    return await use()
  } finally {
    rmSync(w.path(name), { recursive: true, force: true })
    if (there) renameSync(kept, w.path(name))
  }
}

const refused = async (command: Command, ...more: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await ran(command, ...more)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(stderr).not.toMatch(/^\s+at /m)
  expect(existsSync(w.path("merged"))).toBe(false)
  return stderr
}

const template = (edit: (text: string) => string) => ({
  ...tokenizerConfig,
  chat_template: edit(tokenizerConfig.chat_template)
})
const otherTemplate = () =>
  w.write(
    "model/tokenizer_config.json",
    template((text) => text.replace(" {{ eos_token }}", "  {{ eos_token }}"))
  )
const otherWords = () => {
  const json = wordTokenizer()
  return { ...json, added_tokens: json.added_tokens.map((token) => ({ ...token, lstrip: token.id === 0 })) }
}

const changes: ReadonlyArray<readonly [what: string, file: string, change: () => void]> = [
  ["a chat template in tokenizer_config.json", "tokenizer_config.json", otherTemplate],
  [
    "a special token",
    "tokenizer_config.json",
    () => w.write("model/tokenizer_config.json", { ...tokenizerConfig, pad_token: "<unk>" })
  ],
  [
    "a template in a file of its own",
    "chat_template.jinja",
    () => w.write("model/chat_template.jinja", `${tokenizerConfig.chat_template}\n`)
  ],
  ["a tokenizer.json", "tokenizer.json", () => w.write("model/tokenizer.json", otherWords())],
  ["a config.json", "config.json", () => w.write("model/config.json", { ...w.json("model/config.json"), more: 1 })]
]

describe("another model than the run's is refused:", () => {
  const line = (file: string) =>
    new RegExp(
      `\\n +model/${file}: trained with (SHA-256 [0-9a-f]{12}…|no such file), now (SHA-256 [0-9a-f]{12}…|no such file)\\n`
    )
  for (const [what, file, change] of changes) {
    test(
      `${what}, by --resume and generate`,
      () =>
        during(`model/${file}`, change, async () => {
          const resumed = await refused("resume")
          expect(resumed).toContain("run cannot be resumed: these differ from what its checkpoint was trained with")
          expect(resumed).toMatch(line(file))
          const generated = await refused("generate")
          expect(generated).toContain("model is not the base model of this run; restore it, or pass the right one")
          expect(generated).toMatch(line(file))
        }),
      TIMEOUT
    )
  }

  test(
    "a chat template, by every command",
    () =>
      during("model/tokenizer_config.json", otherTemplate, async () => {
        for (const command of ["evaluate", "chat", "merge"] as const) {
          expect(await refused(command)).toMatch(line("tokenizer_config.json"))
        }
      }),
    TIMEOUT
  )

  test(
    "a tokenizer of an encoder, by predict; in the run's own folder and in the one that --base names",
    async () => {
      cpSync(w.path("bert"), w.path("copy"), { recursive: true })
      await succeed(ran("predict", "--base", "copy"))
      w.write("copy/tokenizer_config.json", { pad_token: "[SEP]" })
      const stderr = await refused("predict", "--base", "copy")
      expect(stderr).toContain(`${w.path("copy")} is not the base model of this run`)
      expect(stderr).toMatch(line("tokenizer_config.json"))
      await during(
        "bert/tokenizer.json",
        () => w.write("bert/tokenizer.json", w.read("bert/tokenizer.json").replace("BertPreTokenizer", "Whitespace")),
        async () => expect(await refused("predict")).toMatch(line("tokenizer.json"))
      )
      await during(
        "bert/tokenizer_config.json",
        () => rmSync(w.path("bert/tokenizer_config.json")),
        async () => expect(await refused("predict")).toMatch(line("tokenizer_config.json"))
      )
    },
    TIMEOUT
  )

  test(
    "but not where a file is another that nothing reads",
    async () => {
      for (const name of ["bert/other.safetensors", "bert/special_tokens_map.json"]) {
        await during(
          name,
          () => w.write(name, "{}"),
          () => succeed(ran("predict"))
        )
      }
    },
    TIMEOUT
  )
})

describe("what bears on less is said, and no error:", () => {
  const rows = () => w.write("chat-test.jsonl", jsonLines(chats(9, 6)))

  test(
    "rows of a split, where they are evaluated",
    () =>
      during("chat-test.jsonl", rows, async () => {
        const { stderr } = await succeed(ran("evaluate"))
        expect(stderr).toMatch(
          /^note: data\.test: trained with SHA-256 .*, now SHA-256 .*: its numbers are not comparable/m
        )
        expect((await succeed(ran("generate"))).stderr).not.toContain("note:")
        expect(await refused("resume")).toMatch(/ data\.test: trained with SHA-256/)
      }),
    TIMEOUT
  )

  test(
    "where texts end, to what writes them",
    () =>
      during(
        "model/generation_config.json",
        () => w.write("model/generation_config.json", { eos_token_id: 2 }),
        async () => {
          const { stderr } = await succeed(ran("generate"))
          expect(stderr).toMatch(/^note: model\/generation_config\.json: trained with no such file, now SHA-256/m)
          await during(
            "run",
            () => {},
            () => succeed(ran("resume"))
          )
        }
      ),
    TIMEOUT
  )

  test(
    "an adapter that is not the one that was trained",
    () => {
      const file = "texts/adapter/adapter_model.safetensors"
      const other = () => {
        const bytes = Uint8Array.from(w.bytes(file))
        bytes[bytes.length - 4]! ^= 1 // the last bit of the last number
        writeFileSync(w.path(file), bytes)
      }
      return during(file, other, async () => {
        expect((await succeed(ran("predict"))).stderr).toMatch(
          /^note: adapter\/adapter_model\.safetensors: trained with SHA-256 .*, now SHA-256 .*: run\.json describes the adapter/m
        )
      })
    },
    TIMEOUT
  )

  test(
    "versions",
    async () => {
      const other = (record: Record<string, unknown>) => ({
        ...record,
        versions: { ...(record["versions"] as object), "tfjs-lora-pro": "0.0.9", kernels: "0123456789ab" }
      })
      const said =
        /^note: run was trained with tfjs-lora-pro 0\.0\.9, now \d+\.\d+\.\d+; kernels 0123456789ab, now [0-9a-f]{12}: numbers may differ/gm
      await during(
        "run",
        () => {
          w.write("run/run.json", other(w.json("run/run.json")))
          const folder = "run/checkpoints/step-00000002"
          w.write(`${folder}/state.json`, other(w.json(`${folder}/state.json`)))
          const hash = (name: string) =>
            createHash("sha256")
              .update(w.bytes(`${folder}/${name}`))
              .digest("hex")
          const sums = ["state.json", "state.safetensors"].map((name) => `${hash(name)}  ${name}\n`)
          w.write(`${folder}/SHA256SUMS`, sums.join(""))
        },
        async () => {
          for (const what of ["generate", "resume"] as const) {
            expect((await succeed(ran(what))).stderr.match(said)).toHaveLength(1)
          }
        }
      )
    },
    TIMEOUT
  )
})

test(
  "a plan.json that was edited after training is refused with the fields that differ; one whose files have moved is not",
  async () => {
    const edited = (edit: (text: string) => string) => () => w.write("run/plan.json", edit(w.read("run/plan.json")))
    await during(
      "run/plan.json",
      edited((text) => text.replace('"alpha": 8', '"alpha": 16')),
      async () => {
        const stderr = await refused("generate")
        expect(stderr).toContain("run: its plan.json has changed since training; restore it")
        expect(stderr).toContain("\n    adapter.alpha: trained with 8, now 16\n")
      }
    )
    cpSync(w.path("model"), w.path("moved"), { recursive: true })
    await during(
      "run/plan.json",
      edited((text) => text.replace('"../model"', '"../moved"').replace('"batchSize": 4', '"batchSize": 2')),
      () => succeed(ran("generate"))
    )
  },
  TIMEOUT
)

test(
  "what a run of before did not record is not compared",
  () =>
    during(
      "run/run.json",
      () => {
        const { inputs: _, outputs: ____, plan: __, versions: ___, ...before } = w.json("run/run.json")
        w.write("run/run.json", before)
      },
      () =>
        during("model/tokenizer_config.json", otherTemplate, async () => {
          expect((await succeed(ran("generate"))).stderr).not.toContain("note:")
        })
    ),
  TIMEOUT
)

describe("refused at once, being no file:", () => {
  const make = {
    pipe: (file: string) => expect(Bun.spawnSync(["mkfifo", file]).exitCode).toBe(0),
    device: (file: string) => symlinkSync("/dev/zero", file),
    folder: (file: string) => mkdirSync(file)
  }
  type Kind = keyof typeof make
  const said = { pipe: /pipe|fifo/, device: /device/, folder: /it is a folder|directory/ } as const
  const instead = (file: string, kind: Kind) => () => {
    rmSync(w.path(file), { force: true })
    make[kind](w.path(file))
  }
  const compatibility = join(repository, "test", "golden", "compatibility")
  beforeAll(() => {
    for (const folder of ["arrays", "pictures"])
      cpSync(join(compatibility, folder), w.path(folder), { recursive: true })
    cpSync(w.path("arrays/adapter"), w.path("alone"), { recursive: true })
  })

  const pictures = ["predict", "alone", "--base", "pictures/model.json", "[1]"]
  const cases: ReadonlyArray<readonly [file: string, kind: Kind, args: ReadonlyArray<string>]> = [
    ["texts/run.json", "pipe", commands.predict],
    ["texts/run.json", "device", commands.predict],
    ["texts/run.json", "folder", commands.predict],
    ["texts/plan.json", "pipe", commands.predict],
    ["texts/adapter/adapter_model.safetensors", "pipe", commands.predict],
    ["texts/adapter/head.safetensors", "device", commands.predict],
    ["bert/model.safetensors", "pipe", commands.predict],
    ["bert/tokenizer_config.json", "pipe", commands.predict],
    ["arrays/run.json", "pipe", ["evaluate", "arrays"]],
    ["arrays/adapter/adapter_model.safetensors", "pipe", ["evaluate", "arrays"]],
    ["arrays/adapter/adapter_model.safetensors", "device", ["evaluate", "arrays"]],
    ["alone/adapter_model.safetensors", "pipe", pictures],
    ["alone/adapter_model.safetensors", "device", pictures],
    ["bert/LICENSE", "pipe", ["merge", "texts", "--out", "merged"]],
    ["run/run.json", "pipe", commands.resume],
    ["run/metrics.jsonl", "device", commands.resume]
  ]
  for (const [file, kind, args] of cases) {
    test(
      `${file} as a ${kind}`,
      () =>
        during(file, instead(file, kind), async () => {
          const { code, stderr } = await w.cli([...args, ...onWasm])
          expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(said[kind]) as never })
          expect(stderr).toContain(file.slice(file.lastIndexOf("/") + 1))
          expect(stderr).not.toMatch(/^\s+at /m)
        }),
      10_000
    )
  }

  test(
    "a checkpoint's tensors: the one before is taken",
    async () => {
      const file = "run/checkpoints/step-00000002/state.safetensors"
      for (const kind of ["pipe", "device"] as const) {
        await during("run", instead(file, kind), async () => {
          const { stderr } = await succeed(ran("resume"))
          expect(stderr).toMatch(/step-00000002 is damaged: .*, not a regular file.*; resuming from the one before it/)
        })
      }
    },
    TIMEOUT
  )

  test("the base's README.md, which a merged model would quote, counts as none", async () => {
    await during("bert/README.md", instead("bert/README.md", "pipe"), () =>
      succeed(w.cli(["merge", "texts", "--out", "described", ...onWasm]))
    )
  }, 10_000)
})
