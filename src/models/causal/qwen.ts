/**
 * What Qwen 2 and 3 share: the layers from `max_window_layers` on have a window, where `use_sliding_window` says so. (The layers behind
 * that number, not those before it: so transformers reads it.)
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { maybe, type Normalized } from "./config-reader.ts"
import { ActivationName, activationOf, type GatedConfig, gatedFields, plainGated, windowed } from "./gated-config.ts"
import { oneRope, RopeFile } from "./rope-config.ts"

export const QwenConfig = Schema.Struct({
  ...gatedFields,
  rope_parameters: maybe(RopeFile),
  use_sliding_window: maybe(Schema.Boolean),
  max_window_layers: maybe(Schema.Int),
  hidden_act: ActivationName.pipe(Schema.withDecodingDefaultKey(Effect.succeed("silu" as const)))
})

/** transformers' own defaults */
const [WINDOW, MAX_WINDOW_LAYERS] = [4_096, 28]

/** What is read of both; biases, q/k norms and the head dimension differ. */
export const qwenConfig = (file: typeof QwenConfig.Type, headDim: number | null): Normalized<GatedConfig> => {
  const { config, problems } = plainGated(file, oneRope(file), { headDim, tied: false })
  const { sliding, problems: ofLayers } = windowed(file, (i) => i >= (file.max_window_layers ?? MAX_WINDOW_LAYERS))
  const own = file.sliding_window === undefined ? WINDOW : file.sliding_window
  const window = file.use_sliding_window === true ? own : null
  return {
    problems: [...problems, ...ofLayers],
    config: {
      ...config,
      layers: sliding.map((windowed) => ({ window: windowed ? window : null, rope: 0 })),
      activation: activationOf(file.hidden_act)
    }
  }
}
