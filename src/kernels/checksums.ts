/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "981cf1021e0a3ed524b268d575e5540698c1c23f5b8dc2f7e25ca910260ccd0b",
  "kernels-darwin-x64.dylib": "a536721f8a2163a62dd0afdfc7bbaeca48a7ff89e5c16c675b4b33a6ed58eba0",
  "kernels-linux-arm64.so": "9e66228262b262d1a093db621eccd54438809266dfa1bf1a25dc42cd337c099b",
  "kernels-linux-x64.so": "6ac8a18cb2451fc93f8e5051c9e847255a67dd6d2b6ca4bb4098345a96ddfe12",
  "kernels-win32-x64.dll": "d9b57cbf41f202bed0dca1c9cd3a51a1396667bfe9f6fe30c92508e4fd7fc98d",
  "kernels-fused-shared.wasm": "3859d7b14e42f38cab7461a13ddaf72f5b553f2fcd042f4dc615144f3d75aa68",
  "kernels-fused.wasm": "479f068945770d286203182cc66f544bb32594e3e2c673e15b7536a5da1ca207",
  "kernels-shared.wasm": "98aa447b8e9466269031874004eea858c4b3c6e4d97f141758d25c313b201ec3",
  "kernels.wasm": "9b4d1f5fd91427eba0d29429a9b413c4da85a573a61e0987d73cab017c1bba46"
}
