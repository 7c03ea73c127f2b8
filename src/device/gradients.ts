/**
 * Registers the gradients of tfjs's operations, as `@tensorflow/tfjs-layers` does on import. In the npm package `scripts/tfjs-parts.ts`
 * replaces this file with a module of the gradients only. Pages use those of tfjs-core (`browser` in package.json).
 */
import "@tensorflow/tfjs-layers"
