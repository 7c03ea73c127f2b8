/** Golden decoders that write: without a tokenizer, or with one whose tokens are bytes. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Adapted, unadapted } from "../../../adapters/index.ts"
import { Device, type DeviceShape } from "../../../src/device/device.ts"
import { type GenerateOptions, type GenerationEnd, generate, type Prompt } from "../../../src/generation/index.ts"
import { type CausalModel, logitsOf } from "../../../src/models/causal/index.ts"
import type { CausalTokenizer } from "../../../src/tensors/rows.ts"
import { tidy } from "../../../src/tensors/scopes.ts"
import { oneText } from "../models/causal/causal-golden.ts"

/** The backend that a test has opened already, as a device. `padMultiple`: as on a GPU, where it is more than 1. */
export const openDevice = (padMultiple = 1): DeviceShape => ({
  backend: "cpu",
  threads: 1,
  padMultiple,
  rowsAlone: false,
  stepsPerRead: 1,
  describe: () => ({ backend: "cpu", threads: 1, simd: false, versions: {} }),
  sync: Effect.void,
  label: () => undefined,
  peakBytes: () => 0,
  peakGpuBytes: () => 0
})

/** The model as it is. */
export const untrained = (model: CausalModel) => unadapted(model)

/** What became of each prompt. */
export const ends = (
  adapted: Adapted<CausalModel>,
  prompts: ReadonlyArray<Prompt>,
  options: GenerateOptions = {},
  padMultiple = 1
) =>
  generate(adapted, prompts, options).pipe(
    Stream.filter((event): event is GenerationEnd => event.kind === "end"),
    Stream.runCollect,
    Effect.map((all) => all.toSorted((a, b) => a.prompt - b.prompt)),
    Effect.provideService(Device, openDevice(padMultiple))
  )

/** Greedy tokens without a cache: the whole text again for each. Also the margins, largest logit over the next. */
export const uncached = async (adapted: Adapted<CausalModel>, prompt: ReadonlyArray<number>, count: number) => {
  const ids = [...prompt]
  const margins: Array<number> = []
  for (let i = 0; i < count; i++) {
    const logits = tidy(() => {
      const out = adapted.forward(adapted.model.toDevice(oneText(ids)).input, adapted.trainable)
      return logitsOf(out.hidden.slice([ids.length - 1, 0], [1, -1]), out)
    })
    const values = [...(await logits.data())]
    logits.dispose()
    const best = values.indexOf(Math.max(...values))
    margins.push(values[best]! - Math.max(...values.filter((_, id) => id !== best)))
    ids.push(best)
  }
  return { ids: ids.slice(prompt.length), margins }
}

/** Token i is byte i; ids beyond write nothing, 0 is BOS, 2 ends a text. */
export const bytesTokenizer: CausalTokenizer = {
  encode: (text, { special = false } = {}) => [...(special ? [0] : []), ...new TextEncoder().encode(text)],
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids.filter((id) => id > 2 && id < 256))),
  bosId: 0,
  eosId: 2,
  padId: 0,
  vocabularySize: 256,
  specialIds: new Set([0, 2]),
  bytesOf: (id) => (id > 2 && id < 256 ? Uint8Array.of(id) : null),
  chatTemplate: null,
  specialTokens: {}
}
