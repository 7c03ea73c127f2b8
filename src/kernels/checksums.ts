/** SHA-256 of each compiled file of this package, written by `bun run kernels`. */
export const checksums: Readonly<Record<string, string>> = {
  "kernels-darwin-arm64.dylib": "ef73623177bc0f5fe1b6f50526c368a8a414bb079f1b803fa98623457aaa1afd",
  "kernels-darwin-x64.dylib": "172a375a4479de5a17294804f94d71d592af064e57891c712d21146ed9a668e7",
  "kernels-linux-arm64.so": "e5681349f4933256a855418ac0c70e45cbbfab3af3a5e108646097c72be0cc50",
  "kernels-linux-x64.so": "4e14e9ceb96b0e60945571fb84205813b2f163d957133dd14838fe62fd6d0cf6",
  "kernels-win32-x64.dll": "9eaafb79ed10301bc582a74dd076b38e3bf892ed2f39b23cb685cdf6b88bad1f",
  "kernels-fused-shared.wasm": "e89aab903352d1e680b4ba2aa5b9d9dd0f968d2cdcc92afdb27002d5080b3ad2",
  "kernels-fused.wasm": "9b2f03a9e3fbf23a0e09ceca4910e3820699ec2a2b7ec623ecf77014c665a33c",
  "kernels-shared.wasm": "76c3801fddae49b00b3220187203f54daba0c025e9d2bf2444657002dafeb1cb",
  "kernels.wasm": "e3a98b418458cf50229ae88caa1d02b23a4a295e91f564dc2c15bdd5ee43c668"
}
