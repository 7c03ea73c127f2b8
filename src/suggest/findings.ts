/**
 * Findings that suggestions are based on: measured values, each with its setup and where it is documented. The rules (`rules.ts`,
 * `memory-fit.ts`, and those of each kind) take every value from here; a new measurement changes this file only.
 *
 * Encoders: a model of 6 layers, 384 wide (all-MiniLM-L6-v2). Decoders: one of 30 layers, 576 wide (SmolLM2-135M-Instruct), and the paper's
 * recipe for models of 7 billion parameters. LayersModels: a network of two convolutions and two dense layers over images of digits. A
 * suggestion says where it extrapolates.
 */

import { ON_THE_WAY } from "../plan/index.ts"

export interface Finding {
  /** the observation, as a sentence without its full stop */
  readonly says: string
  readonly source: string
}

const study = "PyTorch reference on the embedded movie sentences (examples/make/study.py)"
const eras = "PyTorch reference on State of the Union sentences in six eras"
const table = 'docs/methods.md, "What it reaches"'
const bench = "bench/README.md"
const studies = "bench/studies/movies.md, movies-64.md and eras.md"
const answers = "examples/smollm2/README.md"
const relatedTexts = 'docs/embeddings.md, "What was measured"'
const digits = `${bench}, "A LayersModel learns something else"`
const paper = "LoRA-Pro's experiments with Llama-2-7B, arXiv 2407.18242; not measured here"

/** Best learning rates, of the adapter and of a new head over mean pooling. */
export const rates = {
  loraProFull: 1e-4,
  /** for runs too short for the usual rate */
  loraProFullShort: 2e-4,
  /** for models wider than those measured */
  loraProFullWide: 5e-5,
  lora: 1e-3,
  head: 5e-3,
  decoder: 5e-4,
  preference: 2e-4,
  /** for encoder-decoders */
  seq2seq: 1e-4,
  /** for the full form, on decoders wider than the one measured */
  decoderFullWide: 2e-5,
  /** for factors with optimizer moments, on such decoders */
  decoderFactorsWide: 2e-4
} as const

/** Number of steps below which the short-run rate is used; measured at 20 and 32 steps, the usual one at 60. */
export const SHORT = 40
/** Largest hidden sizes that were measured. */
export const WIDEST_MEASURED = { encoder: 384, decoder: 576 } as const

/** Rows per step, and the scale s = α/r: equal in all measured runs that the rules are based on. */
export const batchSize = 8
export const scale = 2
export const rank = 8
export const layersRank = 4
export const warmup = 0.1
export const paperWarmup = 0.03

/** Training rows seen in total after which accuracy gains little: with two classes, with more, and for other data. */
export const rowsSeen = { two: 1_920, more: 4_800, images: 6_400, answers: 96 } as const
/** Maximum number of passes: repeating a row more often mostly makes the model memorise it. */
export const MOST_PASSES = 10
export const MOST_PASSES_OF_ANSWERS = 3
/** Maximum number of rows seen: longer runs were not measured. */
export const MOST_ROWS_SEEN = 20_000

/** Rows per evaluation other than the last: for labels, the standard error is at most √(0.25/256) = 3.1 points. */
export const evaluatedRows = { labelled: ON_THE_WAY, causal: 100 } as const

export interface Speed {
  /** training with LoRA-Pro on two cores of an AMD EPYC, wasm */
  readonly tokensPerSecond: number
  /** weights of the linear layers that a token passes through */
  readonly linear: number
}

export const speeds = {
  /** full form, 8 × 128 tokens */
  encoder: { tokensPerSecond: 1019, linear: 10_616_832 },
  /** efficient form, 4 × 128 tokens */
  decoder: { tokensPerSecond: 91, linear: 106_168_320 }
} as const satisfies Readonly<Record<string, Speed>>

export const findings = {
  fullForm: {
    says: "at 1e-4, a typical rate for full fine-tuning, it is ahead of LoRA on the 1,500 movie sentences (+4.3 points, +0.7 to +7.8) and not distinguishable from full fine-tuning; in three studies no adapter is distinguishable from LoRA or full fine-tuning where each has its own best rate",
    source: studies
  },
  fullNotEfficient: {
    says: 'from B = 0 the efficient form learned 68 % of digits turned by 90° in 60 steps, with moments "invariant" 87 %, the full form 88 %',
    source: `${bench}, "The digits"`
  },
  fullFormRate: {
    says: "5e-5, 1e-4 and 2e-4 gave 87.5, 87.7 and 87.7 % (80 steps of 8, five seeds), and 1e-4 gave 87.3 % after 60 steps: these are full fine-tuning's rates and need no search",
    source: `${study}; bench/studies/movies.md`
  },
  shortRate: {
    says: "2e-4 was best for 20 steps, and for 32 steps on six eras; with 64 sentences 4e-4 was too large (79.1 % against 83.0 % at 1e-4)",
    source: `${study}; bench/studies/eras.md and movies-64.md`
  },
  wideRate: {
    says: "the full form works at full fine-tuning's rate, which for BERT-base is 2e-5 to 5e-5",
    source: "Devlin et al. 2019, arXiv 1810.04805, appendix A.3; not measured here"
  },
  loraRate: {
    says: "of 5e-4, 1e-3, 2e-3 and 4e-3, 1e-3 was best over five seeds; one-seed sweeps picked 2e-3, which with 64 sentences gave anything from 76 to 84 %; at 1e-4 it falls behind full fine-tuning (−3.9 points)",
    source: `${study}; ${studies}`
  },
  headRate: {
    says: "a new head over the mean of the hidden states was trained at 5e-3 in every measured run, whatever the adapter's rate",
    source: table
  },
  headRateOfWords: {
    says: "of 800 sentences with labelled words, rates of 1e-3, 5e-3 and 2e-2 for the head and the factors' own rate (1e-4) ended at F1 of 94.1 to 94.3 % on validation rows; 5e-3 had the lowest loss, 0.034 (one run each)",
    source: "docs/token-classification.md"
  },
  rank: {
    says: "LoRA-Pro reached 89.0 % at rank 1 and 88.0 ± 1.5 % at rank 8 (60 steps of 16), and with 64 rows, at rank 8, as much as full fine-tuning (83.0 %); a step takes up to 18 % longer than LoRA's at rank 8, and up to 126 % at rank 64",
    source: `${study}; bench/studies/movies-64.md; ${bench}, "LoRA-Pro over LoRA"`
  },
  scale: { says: "every rate here was measured at α/r = 2", source: table },
  rowsOfTwo: {
    says: "640, 1,920 and 4,800 rows seen gave 87.7, 89.5 and 90.5 % with two classes",
    source: study
  },
  rowsOfNumbers: {
    says: "of 700 sentences with ratings, R² on validation rows was 0.46 after 960 rows seen, 0.42 after 1,920 and 0.39 after 4,800 (one run)",
    source: 'docs/text-kinds.md, "Numbers"'
  },
  rowsOfMore: { says: "1,920 and 4,800 rows seen gave 45 and 49 % in a study with six classes", source: eras },
  rowsOfWords: {
    says: "of 800 sentences with labelled words, F1 on validation rows was 92.8 % after 1,920 rows seen and 94.2 % after 4,800 (one run)",
    source: "docs/token-classification.md"
  },
  batch: { says: "80 steps of 8 rows (640) gave 87.7 %, 60 of 16 (960) 88.0 %", source: study },
  warmup: { says: "every measured run warms up over its first tenth and decays to 0 at its end", source: table },
  relatedRate: {
    says: "on 1,000 definitions and the words that they define, LoRA-Pro's full form at 1e-4 raised recall@10 on other rows from 39.3 to 45.5 % and the loss from 2.465 to 2.089, LoRA with AdamW at 1e-3 to 44.5 % and 2.097 (MiniLM, one seed)",
    source: relatedTexts
  },
  relatedSteps: {
    says: "there the loss on other rows was lowest after one and a half passes (48 steps of 32), and recall@10 was highest after four",
    source: relatedTexts
  },
  relatedBatch: {
    says: "measured with 32 rows, where each anchor is contrasted with the texts of 31 others; sentence-transformers' guides use as many as fit in memory",
    source: relatedTexts
  },
  recompute: {
    says: "results are the same bit for bit, and a step takes 1.5 to 1.7 times as long",
    source: `${bench}, "The step"`
  },
  packing: {
    says: 'the accuracy of the default run was the same (88.3 %) with "f16" and with "int8"',
    source: 'docs/plans.md, "Packed weights"'
  },
  moments: {
    says: "LoRA-Pro's full form keeps two numbers for every adapted weight; LoRA, tuned, reached as much (87.4 against 87.0 %, not distinguishable)",
    source: `${bench}, "Memory"; bench/studies/movies.md`
  },

  decoderMethod: {
    says: "80 conversations taught SmolLM2-135M an answer format in 24 steps: the test loss fell from 0.606 to 0.073, and 35 of 40 answers were right instead of 1; plain LoRA at the same rate did equally well (0.072, 36)",
    source: answers
  },
  decoderForm: {
    says: "on SmolLM2-135M the full form was no better (test loss 0.067 to 0.073 at three rates, 32 to 35 of 40 answers right, against 0.073 and 35), and a step took 2.6 GB instead of 1.5",
    source: `${answers}; ${bench}, "A language model"`
  },
  decoderRate: {
    says: "5e-4 worked for SmolLM2-135M with both LoRA-Pro and LoRA; no other rate was tried",
    source: answers
  },
  seq2seqRate: {
    says: "the rate for T5-base on five GLUE tasks, with cosine decay after a warm-up of 0.03, in steps of 32 rows, one pass over each",
    source: "LoRA-GA's experiments with T5-base, arXiv 2407.05000, as usually quoted; not measured here"
  },
  preferenceRate: {
    says: "24 steps of 4 pairs of SmolLM2-135M's own answers (β = 0.1, LoRA-Pro efficient) taught it to prefer the better answer of all 39 other pairs, with margins of 0.61 at 5e-5 and 2.99 at 2e-4; at 2e-4 its own answers also changed to the preferred form, at 5e-5 they did not",
    source: "docs/preference.md"
  },
  decoderSchedule: { says: "that run had a warm-up over its first tenth and cosine decay", source: answers },
  decoderSteps: {
    says: "96 rows seen, 1.2 passes, taught SmolLM2-135M an answer format; the paper makes one pass over 52,000 to 100,000 rows",
    source: `${answers}; arXiv 2407.18242`
  },
  decoderBatch: {
    says: "SmolLM2-135M learned in steps of 4 rows, the paper's models in steps of 32",
    source: `${answers}; arXiv 2407.18242`
  },
  decoderRank: { says: "r = 8 and α = 16, at all linear layers of the blocks", source: `${answers}; arXiv 2407.18242` },
  decoderPacking: {
    says: "steps take no longer, and SmolLM2-135M takes 1,281 (f16) or 1,174 MB (int8) instead of 1,478; quality was compared on an encoder only, where it was equal",
    source: `${bench}, "A language model"; docs/plans.md, "Packed weights"`
  },
  decoderMoments: {
    says: "the full form keeps two numbers for every adapted weight, old and new while it updates: 103.9 GB for a model of 7B, the efficient form 0.6",
    source: 'docs/causal-models.md, "The paper\'s recipe"'
  },
  paperForm: { says: "the paper's own form and method for models of this kind", source: paper },
  paperRate: { says: "the paper's rate for 7 billion parameters; a smaller model may take more", source: paper },
  paperSchedule: { says: "cosine decay after a warm-up of 0.03, as in the paper", source: paper },
  factorsRate: {
    says: "moments of the factors need LoRA's rate, here ten times full fine-tuning's (1e-3 against 1e-4); QLoRA used 2e-4 for 7B and 13B",
    source: `${table}; Dettmers et al. 2023, arXiv 2305.14314, appendix B; not measured here`
  },

  layersForm: {
    says: "a digit classifier that learned turned and inverted digits reached 92.8 and 93.2 % with it, LoRA at its own best rate 91.1 and 92.8 %, full fine-tuning 95.9 and 95.6 %: LoRA is not distinguishable, and varies more over seeds (1.7 against 0.8 points, turned)",
    source: digits
  },
  layersRate: {
    says: "the best rate depends on the network, for a new head too: 8e-3 for the digits, but 3e-4 with 1e-2 for a new head for MobileNetV2 on pictures of clothes, where 1e-3 learned nothing. The run finds its own on the rows of the first step",
    source: 'docs/training.md, "A rate that the run finds"'
  },
  layersRank: { says: "the digits were learned at r = 4, at all four layers of the network", source: digits },
  layersRows: {
    says: "1,920 and 6,400 images seen gave 87.8 and 93.7 % on turned digits, 83.5 and 93.9 % on inverted ones",
    source: `${bench}, "The digits"`
  },
  layersBatch: { says: "the digits were learned in steps of 32 images", source: digits },
  layersWarmup: {
    says: "every run on the digits warms up over its first tenth and decays to 0 at its end",
    source: digits
  },
  layersLora: {
    says: "LoRA at 2e-2 reached 91.1 and 92.8 % against 92.8 and 93.2 %, not distinguishable",
    source: digits
  }
} as const satisfies Readonly<Record<string, Finding>>
