/**
 * Does `bun run test` notice what matters? Each mutation below breaks the sources in one place, and a test of the fast part has to fail:
 *
 *   bun scripts/mutations.ts                 runs all of them, some ten minutes
 *   bun scripts/mutations.ts kernels data    those of these rooms
 *
 * The sources are copied first and changed in the copy. `test/mutations.test.ts` holds that each text is still there to be replaced, and that
 * test/README.md lists what is here.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Mutation {
  /** a folder of sources */
  readonly room: string
  /** text that occurs exactly once in the room: a file may be renamed, split or joined */
  readonly text: string
  readonly replacement: string
  /** the defect that the mutation introduces */
  readonly breaks: string
  /** test file that must fail */
  readonly caughtBy: string
}

export const mutations: ReadonlyArray<Mutation> = [
  {
    room: "schemas",
    text: "last[j - 1]! + (same ? 0 : 1)",
    replacement: "last[j - 1]! + 1",
    breaks: "equal letters count as edits, so that no typo is near its word",
    caughtBy: "test/schemas/closest.test.ts"
  },
  {
    room: "schemas",
    text: "schedule.warmup !== undefined && schedule.warmupSteps !== undefined",
    replacement: "schedule.warmup !== undefined && schedule.warmupSteps === null",
    breaks: "a plan with two warm-ups is taken",
    caughtBy: "test/schemas/rules.test.ts"
  },
  {
    room: "adapters",
    text: "alpha / Math.sqrt(rank)",
    replacement: "alpha / rank",
    breaks: "rank-stabilized adapters are scaled like others",
    caughtBy: "test/adapters/scaling.test.ts"
  },
  {
    room: "adapters",
    text: "2 * scale)",
    replacement: "scale)",
    breaks: "half of the mixed term is missing from DoRA's row lengths",
    caughtBy: "test/adapters/dora.test.ts"
  },
  {
    room: "adapters",
    text: "Math.sqrt(sigma / scale)",
    replacement: "Math.sqrt(sigma)",
    breaks: "PiSSA starts at s times the best approximation",
    caughtBy: "test/adapters/pissa.test.ts"
  },
  {
    room: "src/kinds/rows",
    text: "batches({ seed, batchSize, bucketPool, maxLength, padMultiple, start })",
    replacement: "batches({ seed, batchSize, bucketPool, maxLength, padMultiple })",
    breaks: "a resumed run reads its data from the first batch again",
    caughtBy: "test/e2e/diagnostics.test.ts"
  },
  {
    room: "src/kinds",
    text: "({ ...batch, counted: countedTokens(batch) })",
    replacement: "batch",
    breaks: "micro-batches of a language model weigh by rows, not by tokens",
    caughtBy: "test/e2e/causal.test.ts"
  },
  {
    room: "src/kinds",
    text: "readNumbers(rows, plan.data, shape)",
    replacement: "readNumbers(rows, { ...plan.data, scale: 1 }, shape)",
    breaks: "rows of numbers are predicted without the scale they were trained with",
    caughtBy: "test/e2e/arrays.test.ts"
  },
  {
    room: "src/ranks",
    text: "as.read(all[i]!)",
    replacement: "as.read(all[some.length - 1 - i]!)",
    breaks: "what ranks have computed is used in another order",
    caughtBy: "test/src/ranks/rounds.test.ts"
  },
  {
    room: "src/output",
    text: "if (ranks.size === 1) return",
    replacement: "if (ranks.size >= 1) return",
    breaks: "a rank looks for a checkpoint in its own files",
    caughtBy: "test/src/run/several-ranks.test.ts"
  },
  {
    room: "src/run",
    text: "const together = stop.agreed && Cause.hasInterruptsOnly(cause)",
    replacement: "const together = true",
    breaks: "a run that fails waits for what other ranks hold of its state",
    caughtBy: "test/src/run/several-ranks.test.ts"
  },
  {
    room: "src/run",
    text: "step % every !== 0",
    replacement: "step % every !== 1",
    breaks: "evaluations come at other steps than those asked for",
    caughtBy: "test/e2e/run-folder.test.ts"
  },
  {
    room: "src/plan",
    text: 'const watched = validation !== undefined ? "validation"',
    replacement: 'const watched = test !== undefined ? "test"',
    breaks: "what is looked at while training is the test split",
    caughtBy: "test/e2e/run-folder.test.ts"
  },
  {
    room: "src/trained",
    text: "    yield* kind.restore(adapted, plan, folder.adapter)\n",
    replacement: "",
    breaks: "a loaded run has a fresh adapter",
    caughtBy: "test/e2e/compatibility.test.ts"
  },
  {
    room: "src/trained",
    text: "    yield* checkModel(directory, record, kind.baseOf(plan, model))\n",
    replacement: "",
    breaks: "a run is used over weights that it was not trained on",
    caughtBy: "test/e2e/wrong-run.test.ts"
  },
  {
    room: "src/kernels",
    text: "1 / Math.sqrt(q.shape[1] / heads)",
    replacement: "1 / Math.sqrt(q.shape[1])",
    breaks: "attention is scaled by the width of all heads",
    caughtBy: "test/src/models/goldens.test.ts"
  },
  {
    room: "src/kernels",
    text: "tf.mul<Tensor2D>(N, 0.5)",
    replacement: "N",
    breaks: "the symmetric X is twice what it is",
    caughtBy: "test/src/optimizers/lora-pro.test.ts"
  },
  {
    room: "src/kernels",
    text: "tf.div(1, tf.maximum(tf.sum(counts), 1))",
    replacement: "tf.div(1, tf.sum(counts))",
    breaks: "the loss of a batch in which no row counts is NaN",
    caughtBy: "test/src/kernels/cross-entropy.test.ts"
  },
  {
    room: "src/kernels",
    text: "e: eps / k",
    replacement: "e: eps",
    breaks: "Adam divides by an epsilon that bias correction has not reached",
    caughtBy: "test/src/optimizers/adam.test.ts"
  },
  {
    room: "src/optimizers",
    text: "(steps - warm + 1)",
    replacement: "(steps - warm)",
    breaks: "the last step of a falling schedule does not move",
    caughtBy: "test/src/optimizers/schedule.test.ts"
  },
  {
    room: "src/optimizers",
    text: "Math.sqrt(1 - shrink) - 1",
    replacement: "-shrink",
    breaks: "the product of a pair decays twice as fast",
    caughtBy: "test/src/optimizers/chain.test.ts"
  },
  {
    room: "src/optimizers",
    text: "left ** 3",
    replacement: "left ** 2",
    breaks: "AdaLoRA gives ranks up on another curve",
    caughtBy: "test/src/optimizers/rank-allocation.test.ts"
  },
  {
    room: "src/optimizers",
    text: "tf.add(norm, TORCH_EPSILON)), 1)",
    replacement: "tf.add(norm, TORCH_EPSILON)), 2)",
    breaks: "gradients below the bound are doubled",
    caughtBy: "test/src/training/goldens.test.ts"
  },
  {
    room: "src/training",
    text: "if (reports instanceof NotFinite) rollback(session, start)",
    replacement: "if (reports instanceof NotFinite) release(start, start)",
    breaks: "a step that is not finite is kept",
    caughtBy: "test/src/training/step.test.ts"
  },
  {
    room: "src/training",
    text: "loss: loss / rows",
    replacement: "loss",
    breaks: "the loss of an evaluation is a sum",
    caughtBy: "test/src/training/evaluate.test.ts"
  },
  {
    room: "src/training",
    text: "session.step % probe.every !== 0",
    replacement: "session.step % probe.every !== 1",
    breaks: "probes come a step late",
    caughtBy: "test/src/training/diagnostics.test.ts"
  },
  {
    room: "src/data",
    text: "random() * (i + 1)",
    replacement: "random() * i",
    breaks: "no row can stay in its place: orders are not uniform",
    caughtBy: "test/src/data/order.test.ts"
  },
  {
    room: "src/data",
    text: "trainRows: order.slice(size).sort()",
    replacement: "trainRows: order.slice(0).sort()",
    breaks: "rows that are held out are trained on",
    caughtBy: "test/src/data/order.test.ts"
  },
  {
    room: "src/data",
    text: "row * length + ids.length)",
    replacement: "row * length + length)",
    breaks: "padding is attended to",
    caughtBy: "test/src/data/padding.test.ts"
  },
  {
    room: "src/models",
    text: 'projection("key")',
    replacement: 'projection("query")',
    breaks: "keys are read from the queries' weights",
    caughtBy: "test/src/models/goldens.test.ts"
  },
  {
    room: "src/models",
    text: "base ** ((-2 * j) / dimensions)",
    replacement: "base ** (-j / dimensions)",
    breaks: "rotary frequencies are the roots of what they are",
    caughtBy: "test/src/models/causal/goldens.test.ts"
  },
  {
    room: "src/output",
    text: "row.step > step)",
    replacement: "row.step > step + 1)",
    breaks: "metrics of a resumed run have a step twice",
    caughtBy: "test/src/output/resume.test.ts"
  },
  {
    room: "src/files",
    text: "    if (owner.host !== host) return false\n",
    replacement: "",
    breaks: "a lock of another host is taken over",
    caughtBy: "test/src/output/run-lock.test.ts"
  },
  {
    room: "src/boundary",
    text: "entries.slice(0, most), andMore(entries.length - most)",
    replacement: "entries.slice(0, most)",
    breaks: "a list in a message ends without saying that there is more",
    caughtBy: "test/src/boundary/text.test.ts"
  },
  {
    room: "src/patterns",
    text: "            if (remembers) {",
    replacement: "            if (!remembers) {",
    breaks: "a pattern's failures are not remembered, and (a+)+$ takes for ever",
    caughtBy: "test/src/patterns/linear-reg-exp.test.ts"
  },
  {
    room: "src/files",
    text: "if (identityOf(yield* fs.stat(root)) !== identity) {",
    replacement: "if (identity === undefined) {",
    breaks: "a folder that has taken a run folder's place is written into",
    caughtBy: "test/src/files/guarded-folder.test.ts"
  },
  {
    room: "src/output",
    text: " ?? stateProblem(layout, record.optimizer, optimizer, record.step)",
    replacement: "",
    breaks: "an optimizer's tensors are taken in whatever shape they have",
    caughtBy: "test/outside/run-folder.test.ts"
  },
  {
    room: "src/output",
    text: "    yield* verify(folder)\n",
    replacement: "",
    breaks: "a damaged checkpoint is resumed from",
    caughtBy: "test/src/output/checkpoint.test.ts"
  },
  {
    room: "src/output",
    text: "MERGE_BOUND = 1e-4",
    replacement: "MERGE_BOUND = 1",
    breaks: "a merge that computes something else passes",
    caughtBy: "test/src/output/merge.test.ts"
  },
  {
    room: "src/plan",
    text: "index > list.length",
    replacement: "index > list.length + 1",
    breaks: "--set leaves holes in lists",
    caughtBy: "test/src/plan/set.test.ts"
  },
  {
    room: "src/plan",
    text: "{ test: resolvePath(test) }",
    replacement: "{ test }",
    breaks: "the test file is looked for in the working directory",
    caughtBy: "test/src/plan/read.test.ts"
  },
  {
    room: "src/kernels",
    text: "divisor: mean ? Math.max(1, reduced) : 1",
    replacement: "divisor: mean ? Math.max(1, outer) : 1",
    breaks: "means are divided by the wrong count",
    caughtBy: "test/src/device/wasm-differential.test.ts"
  },
  {
    room: "src/compare",
    text: 'data: stage === "sweep" ? unseen : data',
    replacement: "data",
    breaks: "a sweep sees the test split",
    caughtBy: "test/src/compare/trial-plan.test.ts"
  },
  {
    room: "src/compare",
    text: "(twoSidedQuantile(level, n - 1) * deviation) / Math.sqrt(n)",
    replacement: "(twoSidedQuantile(level, n) * deviation) / Math.sqrt(n)",
    breaks: "intervals have a degree of freedom too many",
    caughtBy: "test/src/compare/verdict-statistics.test.ts"
  },
  {
    room: "src/suggest",
    text: "scale * value",
    replacement: "value",
    breaks: "alpha is suggested without its scale",
    caughtBy: "test/src/suggest/suggest.test.ts"
  },
  {
    room: "src/suggest",
    text: "Math.ceil(tokens / ROUND) * ROUND",
    replacement: "Math.floor(tokens / ROUND) * ROUND",
    breaks: "suggested lengths cut the texts that they are to hold",
    caughtBy: "test/src/suggest/suggest.test.ts"
  },
  {
    room: "src/layers-model",
    text: "weight * product.B",
    replacement: "product.B",
    breaks: "adapters are summed without their weights",
    caughtBy: "test/src/layers-model/arithmetic.test.ts"
  },
  {
    room: "src/layers-model",
    text: "if (row[j]! > row[best]!) best = j",
    replacement: "if (row[j]! < row[best]!) best = j",
    breaks: "class weights go to other classes",
    caughtBy: "test/src/layers-model/fit-plan.test.ts"
  },
  {
    room: "src/bin",
    text: "answer.score < 1",
    replacement: "answer.score <= 1",
    breaks: "right answers are shown as wrong",
    caughtBy: "test/e2e/evaluate-generated.test.ts"
  },
  {
    room: "src/tensors",
    text: "before === undefined ? dx : tf.keep(tf.add(before, dx))",
    replacement: "before === undefined ? dx : tf.keep(tf.clone(dx))",
    breaks: "a tensor that is used twice has half of its gradient",
    caughtBy: "test/src/tensors/gradients.test.ts"
  },
  {
    room: "src/linalg",
    text: "const negative = R[j * n + j]! < 0",
    replacement: "const negative = false",
    breaks: "R has negative numbers on its diagonal",
    caughtBy: "test/src/linalg/qr.test.ts"
  },
  {
    room: "src/linalg",
    text: "S.map((sigma) => sigma / scale)",
    replacement: "S.map((sigma) => sigma * scale)",
    breaks: "singular values of large matrices are scaled the wrong way",
    caughtBy: "test/src/linalg/truncated-svd.test.ts"
  },
  {
    room: "src/generation",
    text: "z < 0 ? z * penalty : z / penalty",
    replacement: "z / penalty",
    breaks: "a repetition penalty makes unlikely tokens likelier",
    caughtBy: "test/src/generation/sampling.test.ts"
  },
  {
    room: "src/generation",
    text: "length > 0; length--",
    replacement: "length > 1; length--",
    breaks: "a stop string that begins at the end of a piece is written out",
    caughtBy: "test/src/generation/text.test.ts"
  },
  {
    room: "src/numbers",
    text: "Math.fround(largest / 127)",
    replacement: "Math.fround(largest / 64)",
    breaks: "int8 weights use half of their bits",
    caughtBy: "test/src/tensors/packed-matrix.test.ts"
  },
  {
    room: "src/numbers",
    text: "high * 67_108_864",
    replacement: "high * 33_554_432",
    breaks: "uniform numbers stay below a half",
    caughtBy: "test/src/numbers/random.test.ts"
  },
  {
    room: "src/images",
    text: "lost > 2 * (image.width - size.width)",
    replacement: "false",
    breaks: "tall images are resized along their rows first, where Pillow begins with columns",
    caughtBy: "test/src/images/resize.test.ts"
  },
  {
    room: "src/images",
    text: 'randomStream(seed, "image", epoch, row)',
    replacement: 'randomStream(seed, "image", row)',
    breaks: "an image is changed at random in the same way in every epoch",
    caughtBy: "test/src/images/process.test.ts"
  },
  {
    room: "src/plan",
    text: "3 * parameters + 2 * moments",
    replacement: "3 * parameters + moments",
    breaks: "the estimate holds the optimizer's moments once, where a step has them twice",
    caughtBy: "test/src/kinds/encoder/classification/resolve.test.ts"
  },
  {
    room: "src/bin",
    text: "(Option.isSome(planFlag) || Option.isSome(out))",
    replacement: "false",
    breaks: "a plan given with --resume is silently ignored",
    caughtBy: "test/e2e/resume-refused.test.ts"
  },
  {
    room: "src/device",
    text: "if (--use.users === 0)",
    replacement: "if (--use.users <= 1)",
    breaks: "a device is closed while others use it",
    caughtBy: "test/src/device/one-per-process.test.ts"
  },
  {
    room: "src/models",
    text: "Math.round((value - min) / scale)",
    replacement: "Math.floor((value - min) / scale)",
    breaks: "a number that is stored as a byte is a whole step away",
    caughtBy: "test/src/models/smaller-weights.test.ts"
  },
  {
    room: "src/exports",
    text: "(scale * shape.rank) / alpha",
    replacement: "scale / scale",
    breaks: "an adapter's file for llama.cpp has one scale for pairs that have different ones",
    caughtBy: "test/e2e/export-gguf.test.ts"
  },
  {
    room: "src/models",
    text: "moveRows(data, heads, columns, true)",
    replacement: "moveRows(data, heads, columns)",
    breaks: "a GGUF file has the rows of queries and keys in transformers' order",
    caughtBy: "test/src/exports/gguf/golden.test.ts"
  },
  {
    room: "src/exports",
    text: "if (!mistakes || !Array.isArray(rows)) return []",
    replacement: "if (!Array.isArray(rows)) return []",
    breaks: "texts of rows leave with a run's record",
    caughtBy: "test/src/exports/push/publishable.test.ts"
  },
  {
    room: "src/kinds",
    text: "(value - mean[i]!) / deviation[i]!",
    replacement: "value / deviation[i]!",
    breaks: "targets of a regression are learned without being centred, and predicted as if they were",
    caughtBy: "test/e2e/kinds-goldens.test.ts"
  },
  {
    room: "src/kinds",
    text: "counts[i]! >= rows / 2",
    replacement: "counts[i]! >= rows",
    breaks: "the baseline of several labels gives those alone that every row has",
    caughtBy: "test/e2e/kinds-goldens.test.ts"
  },
  {
    room: "src/plan",
    text: "const BEFORE = 1_000",
    replacement: "const BEFORE = 256",
    breaks: "a gain is measured on a quarter of the rows that the schema promises",
    caughtBy: "test/src/plan/evaluations.test.ts"
  },
  {
    room: "src/data",
    text: "b.count - a.count || a.classNumber - b.classNumber",
    replacement: "a.count - b.count || b.classNumber - a.classNumber",
    breaks: "of equal shares small classes lose a row for validation",
    caughtBy: "test/src/data/order.test.ts"
  },
  {
    room: "src/serve",
    text: "batch.length === size ||",
    replacement: "batch.length === size + 1 ||",
    breaks: "a batch of serve is larger than it may be",
    caughtBy: "test/src/serve/scheduler.test.ts"
  },
  {
    room: "src/exports",
    text: "gated(graph, x!.name, 1.702)",
    replacement: "gated(graph, x!.name, 1.7)",
    breaks: "ONNX files have another quick GELU than the model",
    caughtBy: "test/src/exports/onnx.test.ts"
  }
]

/** Returns the table in test/README.md. */
export const asMarkdown = (): string =>
  [
    "| room | what is broken | caught by |",
    "|---|---|---|",
    ...mutations.map(({ room, breaks, caughtBy }) => `| \`${room}/\` | ${breaks} | \`${caughtBy}\` |`)
  ].join("\n")

const repository = join(import.meta.dir, "..")

/** Returns the files of a room that contain the text, once per occurrence. */
export const filesWith = ({ room, text }: Mutation, root: string = repository): ReadonlyArray<string> =>
  [...new Bun.Glob(`${room}/**/*.ts`).scanSync(root)].flatMap((file) =>
    readFileSync(join(root, file), "utf8")
      .split(text)
      .slice(1)
      .map(() => file)
  )

/** Copies tracked files, and the packages that they import, to a separate folder. */
export const copyOf = (folder: string): void => {
  const { stdout } = Bun.spawnSync(["git", "ls-files", "-z"], { cwd: repository })
  for (const file of stdout.toString().split("\0").filter(Boolean))
    cpSync(join(repository, file), join(folder, file), { recursive: true })
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"))
}

type Verdict = "caught" | "survived" | "no such text" | "red already"

const passes = async (folder: string, test: string): Promise<boolean> => {
  const child = Bun.spawn([process.execPath, "test", "--timeout", "180000", `./${test}`], {
    cwd: folder,
    stdout: "ignore",
    stderr: "ignore"
  })
  return (await child.exited) === 0
}

/** `asItIs`: whether a test passes on the sources as they are. */
const run = async (
  folder: string,
  mutation: Mutation,
  asItIs: (test: string) => Promise<boolean>
): Promise<Verdict> => {
  const { text, replacement, caughtBy } = mutation
  const [file, ...more] = filesWith(mutation, folder)
  if (file === undefined || more.length > 0) return "no such text"
  const whole = readFileSync(join(folder, file), "utf8")
  if (!(await asItIs(caughtBy))) return "red already"
  writeFileSync(
    join(folder, file),
    whole.replace(text, () => replacement)
  )
  const survived = await passes(folder, caughtBy)
  writeFileSync(join(folder, file), whole)
  return survived ? "survived" : "caught"
}

if (import.meta.main) {
  const rooms = process.argv.slice(2)
  const chosen = mutations.filter((one) => rooms.length === 0 || rooms.some((room) => one.room.endsWith(room)))
  const folder = mkdtempSync(join(tmpdir(), "mutations-"))
  let caught = 0
  try {
    copyOf(folder)
    const known = new Map<string, Promise<boolean>>()
    const asItIs = (test: string) => {
      const before = known.get(test) ?? passes(folder, test)
      known.set(test, before)
      return before
    }
    for (const mutation of chosen) {
      const verdict = await run(folder, mutation, asItIs)
      if (verdict === "caught") caught++
      console.log(`${verdict.padEnd(12)} ${mutation.room}: ${mutation.breaks} (${mutation.caughtBy})`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`${caught} of ${chosen.length} caught`)
  process.exit(caught === chosen.length ? 0 : 1)
}
