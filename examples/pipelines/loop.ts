/**
 * The loop in one page: a plan, and what `bun run train` does with it, in the order in which it happens.
 *
 *   bun examples/pipelines/loop.ts [steps]
 *
 * Each adapted layer is y = (W + s·BA)x + b. W is frozen, and LoRA-Pro moves A and B so that W + s·BA moves as full fine-tuning would move W.
 */
import { Console, Effect, Stream } from "effect"
import { isDecided } from "../../schemas/index.ts"
import { Dataset, Device, inject, lora, Models, Output, platform, readPlan, Training } from "../../src/index.ts"
import { fromConfig } from "../../src/optimizers/index.ts"

const file = new URL("../plans/movies-lora-pro-full.json", import.meta.url).pathname
const program = Effect.gen(function* () {
  // plan: every field decoded, with its default
  const { model: base, data, adapter, optimizer: section, training, seed } = (yield* readPlan(file)).plan
  if (data.format !== "classification" || adapter.method !== "lora" || !isDecided(section))
    throw new Error("another plan")
  const steps = Number(process.argv[2] ?? training.steps)
  const labels = ["negative", "positive"]
  const model = yield* Models.load({ source: base.source, task: "classification", labels, seed })

  // data: rows, their tokens, batches of texts of about one length
  const batches = (path: string, size: number) =>
    Dataset.classification(path).pipe(
      Dataset.tokenize(model.tokenizer, { maxLength: data.maxLength, labels }),
      Dataset.batch({ size, seed })
    )

  // adapter: A and B next to each weight that `targets` names; and LoRA-Pro with what it keeps between steps
  const adapted = yield* inject(model, lora, { ...adapter, seed })
  const optimizer = yield* fromConfig(section, steps)
  const session = yield* Training.openSession(adapted, { optimizer, loss: Training.crossEntropy })

  const step = Effect.fnUntraced(function* (batch: Dataset.Batch) {
    // what LoRA-Pro needs from A and B: the eigenvalues of AAᵀ and BᵀB
    yield* Training.refresh(session)
    // loss, and gradients gA = s·Bᵀg and gB = s·gAᵀ; g, that of W, is never formed
    const { loss, gradients } = Training.backward(session, [batch])
    // LoRA-Pro: g as far as gA and gB determine it, Adam's direction for it, and the closest dA and dB
    const moved = Training.updatesOf(session, gradients)
    // update: A ← A + dA, B ← B + dB
    Training.applyUpdates(session, moved)
    const [value] = yield* Effect.promise(() => loss.data())
    yield* Console.log(`step ${session.step}: loss ${value!.toFixed(3)}`)
    loss.dispose()
  })
  yield* batches(data.train, training.batchSize).pipe(Stream.take(steps), Stream.runForEach(step))

  // evaluation, on rows that nothing was trained on
  const { accuracy, rows } = yield* batches(String(data.validation), 48).pipe(Training.evaluate(adapted))
  yield* Console.log(`validation accuracy ${(100 * accuracy).toFixed(1)} % on ${rows} rows`)

  // save: adapter_config.json and adapter_model.safetensors, which PEFT reads, and the head
  yield* Output.savePeft(adapted, "runs/pipeline-loop", { base: base.source })
})

await program.pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)
