/** Scoring of generated texts: another model as a judge. */
export * from "./judge/index.ts"
