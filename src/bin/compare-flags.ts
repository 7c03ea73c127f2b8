/** The flags of `compare`. */
import { Argument, type Command, Flag } from "effect/cli"
import { DEFAULT_METHODS, methodNames } from "../compare/methods.ts"
import { deviceFlag, jsonFlag, setFlag, threadsFlag } from "./device-flags.ts"

/** `a,b,c`; what is refused is said as it was written. */
const listFlag = (name: string, what: string, allowed: (part: string) => boolean = (part) => part !== "") =>
  Flag.String(name).pipe(
    Flag.filter(
      (text) => partsOf(text).every(allowed),
      () => what
    ),
    Flag.map(partsOf)
  )

const partsOf = (text: string) => text.split(",").map((part) => part.trim())

const isRate = (part: string) => part !== "" && Number.isFinite(Number(part)) && Number(part) > 0

const isRank = (part: string) => /^\d+$/.test(part) && Number(part) >= 1 && Number(part) <= 1024

const countFlag = (name: string, least: number) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (count) => count >= least,
      () => `an integer of at least ${least}`
    )
  )

const rates = "auto, or learning rates above 0 with commas between, such as 1e-4,2e-4"

export const compareFlags = {
  plan: Argument.String("plan").pipe(
    Argument.withDescription("Plan file; what is not the method's is the same for all"),
    Argument.optional
  ),
  set: setFlag,
  methods: listFlag("methods", "names with commas between, such as lora,lora-pro").pipe(
    Flag.withMetavar("a,b"),
    Flag.withDescription(`of ${methodNames.join(", ")} (default: ${DEFAULT_METHODS.join(",")})`),
    Flag.optional
  ),
  learningRates: listFlag("learning-rates", rates, (part) => part === "auto" || isRate(part)).pipe(
    Flag.withMetavar("x,y"),
    Flag.withDescription("the same for every method, or auto: each method's own grid"),
    Flag.map((parts) => (parts.includes("auto") ? undefined : parts.map(Number))),
    Flag.withDefault(undefined)
  ),
  ranks: listFlag("ranks", "integers from 1 to 1024 with commas between", isRank).pipe(
    Flag.withMetavar("4,8"),
    Flag.map((parts) => parts.map(Number)),
    Flag.withDescription("ranks of the methods that have one (default: the plan's)"),
    Flag.optional
  ),
  seeds: countFlag("seeds", 1).pipe(Flag.withDescription("seeds at each rate of the sweep"), Flag.withDefault(2)),
  freshSeeds: countFlag("fresh-seeds", 1).pipe(
    Flag.withDescription("other seeds, at each method's best rate, for the test split"),
    Flag.withDefault(5)
  ),
  commonRate: Flag.String("common-rate").pipe(
    Flag.withMetavar("x"),
    Flag.withDescription("also every method at this one rate: what somebody sees who has no time to tune"),
    Flag.filter(isRate, () => "a learning rate above 0"),
    Flag.map(Number),
    Flag.optional
  ),
  halving: Flag.Boolean("halving").pipe(
    Flag.withDescription("short runs first; the worse half of the rates drops out before the steps double"),
    Flag.withDefault(false)
  ),
  workers: countFlag("workers", 0).pipe(
    Flag.withDescription("trials at a time on this machine; 0: workers elsewhere do them all"),
    Flag.withDefault(1)
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription(
      "the study's folder (default: compare/<plan name>-<n>, the one of the same study if there is one)"
    ),
    Flag.optional
  ),
  storage: Flag.String("storage").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE (default: a file in the study's folder)"
    ),
    Flag.optional
  ),
  worker: Flag.Boolean("worker").pipe(
    Flag.withDescription("take trials from --storage, of whatever study is open there, until Ctrl-C"),
    Flag.withDefault(false)
  ),
  device: deviceFlag,
  threads: threadsFlag,
  json: jsonFlag
}

export type Given = Command.Command.Config.Infer<typeof compareFlags>
