/**
 * Registers the gradients of tfjs's operations, as `@tensorflow/tfjs-layers` does when it is loaded. In the npm package `scripts/tfjs-parts.ts`
 * replaces this file by a module of the gradients alone. Pages get those of tfjs-core itself (`browser` in package.json).
 */
import "@tensorflow/tfjs-layers"
