/** The version of tfjs and its backends whose private fields this folder uses: the last one, frozen upstream since 2024. */
export const TFJS_VERSION = "4.22.0"
