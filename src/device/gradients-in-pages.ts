/** Registers the gradients of tfjs's operations in a page, in place of `gradients.ts` (`browser` in package.json). */
import "@tensorflow/tfjs-core/dist/register_all_gradients.js"
