/**
 * What `suggest` knows: numbers that were measured, each with what was measured and where it stands. The rules (`rules.ts`,
 * `memory-fit.ts`) take every number from here; a new measurement changes this file alone.
 *
 * Rates, ranks and steps were measured on a model of 6 layers, 384 wide (all-MiniLM-L6-v2); what is not known beyond it is said.
 */

export interface Finding {
  /** what was seen, as a sentence without its full stop */
  readonly says: string
  readonly source: string
}

const study = "PyTorch reference on the embedded movie sentences (examples/make/study.py)"
const eras = "PyTorch reference on State of the Union sentences in six eras"
const table = 'README, "What it reaches"'
const bench = "bench/README.md"

/** Learning rates at their best, of the adapter and of a new head over mean pooling. */
export const rates = {
  loraProFull: 1e-4,
  /** a run too short for the usual rate */
  loraProFullShort: 2e-4,
  /** a model wider than those that were measured */
  loraProFullWide: 5e-5,
  lora: 1e-3,
  head: 5e-3
} as const

/** Steps below which the short rate is taken; 20 were measured at it, 60 at the usual one. */
export const SHORT = 40
/** Hidden sizes above this one were not measured. */
export const WIDEST_MEASURED = 384

/** Rows in a step, and the scale s = α/r: the same in every measured run that a rule stands on. */
export const batchSize = 8
export const scale = 2
export const rank = { usual: 8, few: 4 } as const
/** Training rows below which a smaller rank is taken. */
export const FEW_ROWS = 200
export const warmup = 0.1

/** Training rows seen in all after which little is gained: with two classes, and with more. */
export const rowsSeen = { two: 1_920, more: 4_800 } as const
/** A row that is seen more often teaches little but itself. */
export const MOST_PASSES = 10
/** Nothing longer was measured: a first run need not be. */
export const MOST_ROWS_SEEN = 20_000

/** Rows of an evaluation that is not the last: √(0.25/400) = 2.5 points of standard error at most. */
export const evaluatedRows = 400
/** Steps from which a run is evaluated on its way, four times. */
export const LONG = 400

/**
 * Speed of LoRA-Pro's full form on two cores of an AMD EPYC, wasm, 8 × 128 tokens: one token through `linear` numbers in linear layers,
 * and how much faster plain LoRA is.
 */
export const speed = { tokensPerSecond: 1019, linear: 10_616_832 } as const

export const findings = {
  fullForm: {
    says: "at full fine-tuning's learning rate it reaches what full fine-tuning reaches (87.9 and 88.5 % at 1e-4, five seeds), and a tuned LoRA is level with both (88.3 %)",
    source: table
  },
  fullNotEfficient: {
    says: 'the efficient form fails where B = 0 is a bad place to start from (38 against 81 % on turned digits), the full form does not, nor does the efficient one with moments "invariant"',
    source: "LOG.md and PyTorch reference on digits"
  },
  fullFormRate: {
    says: "5e-5, 1e-4 and 2e-4 gave 87.5, 87.7 and 87.7 % (80 steps of 8, five seeds): full fine-tuning's rates, which need no search",
    source: study
  },
  shortRate: { says: "20 steps did best at 2e-4", source: study },
  wideRate: {
    says: "the full form takes full fine-tuning's rate, which for BERT-base is 2e-5 to 5e-5",
    source: "Devlin et al. 2019, arXiv 1810.04805, appendix A.3; not measured here"
  },
  loraRate: {
    says: "of 5e-4, 1e-3, 2e-3 and 4e-3 it did best at 1e-3; at the full form's 1e-4 it falls behind (85.8 against 88.3 %)",
    source: `${study}; ${table}`
  },
  headRate: {
    says: "a new head over the mean of the hidden states was trained at 5e-3 in every measured run, beside any adapter's rate",
    source: table
  },
  rank: {
    says: "LoRA-Pro reached 89.0 % at rank 1 and 88.0 ± 1.5 % at rank 8 (60 steps of 16); its step takes up to 18 % longer than LoRA's at rank 8, and up to 126 % at rank 64",
    source: `${study}; ${bench}, "LoRA-Pro over LoRA"`
  },
  scale: { says: "every rate here was measured at α/r = 2", source: table },
  rowsOfTwo: {
    says: "640, 1,920 and 4,800 rows seen gave 87.7, 89.5 and 90.5 % with two classes",
    source: study
  },
  rowsOfMore: { says: "1,920 and 4,800 rows seen gave 45 and 49 % with six classes", source: eras },
  batch: { says: "80 steps of 8 rows (640) gave 87.7 %, 60 of 16 (960) 88.0 %", source: study },
  warmup: { says: "every measured run rises over its first tenth and falls to 0 at its end", source: table },
  recompute: {
    says: "the same numbers bit for bit, and a step takes 1.5 to 1.7 times as long",
    source: `${bench}, "The step"`
  },
  packing: {
    says: 'the accuracy of the default run was the same (88.3 %) with "f16" and with "int8"',
    source: 'README, "A run is a plan"'
  },
  moments: {
    says: "LoRA-Pro's full form keeps two numbers for every adapted weight; LoRA, tuned, reached as much (88.3 against 87.9 %)",
    source: `${bench}, "Memory"; ${table}`
  }
} as const satisfies Readonly<Record<string, Finding>>
