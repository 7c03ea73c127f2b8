/**
 * tfjs's layers for commands in a project that does not install `@tensorflow/tfjs-layers` (31 MB). In the npm package `scripts/tfjs-parts.ts`
 * replaces this file by a module that contains them. Pages get the installed package (`browser` in package.json).
 */
export * from "@tensorflow/tfjs-layers"
