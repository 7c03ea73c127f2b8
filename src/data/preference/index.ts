/** Preference data: pairs of answers to a prompt, and their batches. */
export { type PairRows, padPairs, pairEvaluationBatches, pairTrainingBatches } from "./batches.ts"
export { type OpenedPreferences, openPreferences } from "./open.ts"
export { type PreferenceRow, type Preferences, preferencesOf } from "./row.ts"
export { chosenOf, type Pair, type PreferenceSplit, pairsOf, sidesOf } from "./split.ts"
