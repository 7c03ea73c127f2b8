/** Pairs of a better and a worse answer, and a causal language model. */
import type { PreferencePlan } from "../../../../schemas/index.ts"
import { type Metrics, percent } from "../../../training/index.ts"
import type { RunKind } from "../../contract/index.ts"
import { describeLanguagePlan } from "../resolve.ts"
import { languageWords, rowsText } from "../words.ts"
import { detectPreference } from "./detect.ts"
import { type ResolvedPreferencePlan, resolvePreference } from "./resolve.ts"
import { suggestPreference } from "./suggest.ts"

const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`

const metrics = {
  loss: {
    label: "loss",
    unit: "preference loss",
    format: (value) => value.toFixed(4),
    better: "lower",
    hub: { type: "loss", name: "Preference loss" }
  },
  accuracy: {
    label: "reward accuracy",
    unit: "%",
    format: percent,
    better: "higher",
    worst: 0,
    inWords: (shown) => `the better answer preferred in ${shown}`
  },
  margin: { label: "margin", unit: "rewards", format: signed, better: "higher" },
  chosenReward: { label: "reward of the better answer", unit: "reward", format: signed, better: null },
  rejectedReward: { label: "reward of the worse answer", unit: "reward", format: signed, better: null }
} satisfies Metrics

export const preference: RunKind<PreferencePlan, ResolvedPreferencePlan> = {
  metrics,
  headline: ["accuracy", "margin", "loss"],
  baseline: () => ({ of: "a coin, which prefers either answer", scores: { accuracy: 0.5 } }),
  resolve: resolvePreference,
  describe: describeLanguagePlan,
  baseOf: (_, { origin }) => origin.where,
  labelsOf: () => [],
  words: {
    ...languageWords,
    rows: (split) => `${rowsText(split)}, of two answers each`
  },
  sample: ({ data }) => data.sample(),
  suggesting: suggestPreference,
  detecting: detectPreference,
  next: ({ data }, run) => (data.form === "text" ? `generate ${run} "your prompt"` : `chat ${run}`),
  runner: () => import("./run.ts").then(({ runPreference }) => runPreference),
  publisher: () => import("./publish.ts").then(({ publishPreference }) => publishPreference)
}
