/** `--device` and `--threads`, the same for every command that computes. */

import { Flag } from "effect/cli"
import * as Option from "effect/Option"

export const deviceFlag = Flag.Literals("device", ["auto", "webgpu", "wasm", "cpu"]).pipe(
  Flag.withDescription("auto: WebGPU where there is a hardware adapter, else wasm"),
  Flag.withDefault("auto")
)

export const threadsFlag = Flag.Int("threads").pipe(
  Flag.filter(
    (threads) => threads >= 1,
    () => "an integer of at least 1"
  ),
  Flag.withDescription("threads of the wasm backend (default: the plan's, which is one per core)"),
  Flag.optional
)

export const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("print JSON on stdout, and nothing else there"),
  Flag.withDefault(false)
)

export const setFlag = Flag.String("set").pipe(
  Flag.withMetavar("path=value"),
  Flag.withDescription("replace one value of the plan, e.g. --set adapter.rank=4; may be repeated"),
  Flag.atLeast(0)
)

/** The flag where given, else what the plan says. */
export const threadsOr = (flag: Option.Option<number>, plan: "auto" | number): "auto" | number =>
  Option.getOrElse(flag, () => plan)
