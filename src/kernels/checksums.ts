/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "215ed938dcaa6676ce420e16f06c66f6a6194f430de194d57aa1dcfc1a3b413d",
  "kernels-darwin-x64.dylib": "a1ad1827ca8800031eab74503bf17d8773d79cfb3690fce9937f33b5ff7889bd",
  "kernels-linux-arm64.so": "672f3596929333fbf03ed89fe8c4482dc007553960c178e5cb1b77db371a407f",
  "kernels-linux-x64.so": "3fc99f0a9c8677fcb5c0e4fdfff5fab645641c568cbdd1d74adbb7569d538d09",
  "kernels-win32-x64.dll": "c18d46ba96440b47df0fdcdd9bae3419ad5ccb9232b536394187c487a338e519",
  "kernels-fused-shared.wasm": "86d2602ebe6713655e500461f04dcea9f5333aaf52f694b193f377ff647f3253",
  "kernels-fused.wasm": "3b7f1273d1959b8fc633a0bb6271f99714dc852d5cc38c0ea2262d2270a57c7f",
  "kernels-shared.wasm": "069515e530a76a9062eb5eb8505841b3e1e63764235662d84237f7df52121f4c",
  "kernels.wasm": "ed0f2089e6298491538bae2e00530f2f9ce2637f566600a4e73be13783b797f9"
}
