/**
 * Models for the laws of layer kinds: small ones, a kind or a topology each, with what is adapted and trained in them.
 */
import * as tf from "@tensorflow/tfjs"

export interface LayersCase {
  readonly name: string
  /** The same model at each call, names included, but for the numbers. */
  readonly model: () => tf.LayersModel
  /** of an input that holds row numbers: how many there are */
  readonly ids?: number
  /** sites that the model has */
  readonly sites: ReadonlyArray<string>
  /** adapted, where it is not every linear layer */
  readonly targets?: ReadonlyArray<string>
  /** trained themselves */
  readonly trained?: ReadonlyArray<string>
  /** steps at the end of the input that hold nothing, for masks */
  readonly padded?: number
}

type Symbolic = tf.SymbolicTensor
const L = tf.layers
const apply = (layer: tf.layers.Layer, ...inputs: ReadonlyArray<Symbolic>): Symbolic =>
  layer.apply(inputs.length === 1 ? inputs[0]! : [...inputs]) as Symbolic

/** One input, layers one behind the other. */
const chain = (shape: ReadonlyArray<number>, layers: () => ReadonlyArray<tf.layers.Layer>) => (): tf.LayersModel => {
  const inputs = tf.input({ shape: [...shape] })
  const outputs = layers().reduce((x, layer) => apply(layer, x), inputs)
  return tf.model({ inputs, outputs, name: "chain" })
}

const dense = (units: number, name = "out") => L.dense({ units, name, activation: "tanh" })
const conv = (filters: number, name = "in") => L.conv2d({ filters, kernelSize: 1, name, activation: "tanh" })
// an orthogonal start is of no use here and takes its time
const recurrentInitializer = "glorotNormal"

const linear: ReadonlyArray<LayersCase> = [
  { name: "Dense", model: chain([5], () => [dense(4, "a"), dense(3)]), sites: ["a", "out"] },
  {
    name: "Dense without bias, over a sequence",
    model: chain([4, 5], () => [L.dense({ units: 3, useBias: false, name: "a" })]),
    sites: ["a"]
  },
  {
    name: "Conv1D, strides",
    model: chain([9, 3], () => [
      L.conv1d({ filters: 4, kernelSize: 3, strides: 2, padding: "same", activation: "tanh", name: "a" })
    ]),
    sites: ["a"]
  },
  {
    name: "Conv1D, dilated",
    model: chain([9, 3], () => [L.conv1d({ filters: 4, kernelSize: 3, dilationRate: 2, name: "a" })]),
    sites: ["a"]
  },
  {
    name: "Conv2D",
    model: chain([7, 6, 3], () => [
      L.conv2d({ filters: 4, kernelSize: [3, 2], strides: [2, 1], padding: "same", activation: "tanh", name: "a" }),
      L.conv2d({ filters: 3, kernelSize: 3, padding: "valid", useBias: false, name: "b" })
    ]),
    sites: ["a", "b"]
  },
  { name: "Conv2D, 1×1", model: chain([3, 4, 5], () => [conv(3, "a"), conv(2, "b")]), sites: ["a", "b"] },
  {
    name: "Conv2D, dilated",
    model: chain([7, 6, 3], () => [conv(3), L.conv2d({ filters: 4, kernelSize: 3, dilationRate: 2, name: "a" })]),
    sites: ["in", "a"]
  },
  {
    name: "Conv2D, channels first",
    model: chain([3, 5, 4], () => [
      L.conv2d({ filters: 4, kernelSize: 3, padding: "same", dataFormat: "channelsFirst", name: "a" })
    ]),
    sites: ["a"]
  },
  {
    name: "Conv3D",
    model: chain([4, 5, 3, 2], () => [
      L.conv3d({ filters: 3, kernelSize: 2, padding: "same", activation: "tanh", name: "a" }),
      L.conv3d({ filters: 2, kernelSize: [2, 3, 2], strides: [2, 1, 1], name: "b" })
    ]),
    sites: ["a", "b"]
  },
  {
    name: "Embedding",
    model: chain([4], () => [L.embedding({ inputDim: 7, outputDim: 5, name: "table" }), dense(3)]),
    ids: 7,
    sites: ["table", "out"],
    targets: ["table", "out"]
  }
]

const separate: ReadonlyArray<LayersCase> = [
  {
    name: "DepthwiseConv2D, frozen",
    model: chain([7, 6, 3], () => [
      conv(4),
      L.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: "same", activation: "tanh", name: "a" })
    ]),
    sites: ["in"]
  },
  {
    name: "DepthwiseConv2D of two filters a channel, trained",
    model: chain([5, 6, 3], () => [conv(4), L.depthwiseConv2d({ kernelSize: [2, 3], depthMultiplier: 2, name: "a" })]),
    sites: ["in"],
    trained: ["a"]
  },
  {
    name: "SeparableConv2D",
    model: chain([5, 6, 3], () => [
      conv(3),
      L.separableConv2d({ filters: 4, kernelSize: 3, padding: "same", activation: "tanh", name: "a" })
    ]),
    sites: ["in", "a.pointwise"],
    trained: ["a.depthwise"]
  },
  {
    name: "Conv2DTranspose",
    model: chain([3, 4, 2], () => [
      conv(3),
      L.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: "same", activation: "tanh", name: "a" })
    ]),
    sites: ["in"]
  }
]

const norms: ReadonlyArray<LayersCase> = [
  {
    name: "BatchNormalization, frozen",
    model: chain([4, 3, 2], () => [conv(3), L.batchNormalization({ name: "norm" }), conv(2, "out")]),
    sites: ["in", "out"]
  },
  {
    name: "BatchNormalization, trained",
    model: chain([5], () => [dense(4, "in"), L.batchNormalization({ name: "norm" }), dense(3)]),
    sites: ["in", "out"],
    trained: ["norm"]
  },
  {
    name: "BatchNormalization over the first axis, without a scale, trained",
    model: chain([3, 4, 2], () => [conv(2), L.batchNormalization({ axis: 1, scale: false, name: "norm" })]),
    sites: ["in"],
    trained: ["norm"]
  },
  {
    name: "LayerNormalization, trained",
    model: chain([4, 5], () => [dense(6, "in"), L.layerNormalization({ name: "norm" }), dense(3)]),
    sites: ["in", "out"],
    trained: ["norm"]
  },
  {
    name: "LayerNormalization over other axes, without a shift",
    model: chain([4, 5, 3], () => [
      dense(3, "in"),
      L.layerNormalization({ axis: [1, 2], center: false, name: "norm" } as object)
    ]),
    sites: ["in"],
    trained: ["norm"]
  }
]

const elementwise: ReadonlyArray<LayersCase> = [
  {
    name: "PReLU, trained",
    // few units: each near 0 is one where a difference is no derivative
    model: chain([2, 3, 3], () => [conv(3), L.prelu({ sharedAxes: [1, 2], name: "slope" }), conv(2, "out")]),
    sites: ["in", "out"],
    trained: ["slope"]
  },
  {
    name: "ThresholdedReLU",
    model: chain([5], () => [dense(6, "in"), L.thresholdedReLU({ theta: 0.1 }), dense(3)]),
    sites: ["in", "out"]
  },
  ...(
    ["elu", "selu", "relu6", "sigmoid", "hardSigmoid", "softplus", "softsign", "softmax", "swish", "mish"] as const
  ).map(
    (activation): LayersCase => ({
      name: `Activation ${activation}`,
      model: chain([5], () => [L.dense({ units: 6, name: "in" }), L.activation({ activation }), dense(3)]),
      sites: ["in", "out"]
    })
  ),
  {
    name: "ReLU up to a value, LeakyReLU, Dropout, GaussianNoise",
    model: chain([5], () => [
      L.dense({ units: 6, name: "in" }),
      L.reLU({ maxValue: 0.7 }),
      L.leakyReLU(),
      L.dropout({ rate: 0.5 }),
      L.gaussianNoise({ stddev: 1 }),
      dense(3)
    ]),
    sites: ["in", "out"]
  }
]

const pictures: ReadonlyArray<LayersCase> = [
  {
    name: "MaxPooling2D",
    model: chain([7, 6, 2], () => [conv(3), L.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" })]),
    sites: ["in"]
  },
  {
    name: "MaxPooling2D, channels first",
    model: chain([2, 6, 5], () => [
      L.conv2d({ filters: 3, kernelSize: 2, dataFormat: "channelsFirst", name: "in" }),
      L.maxPooling2d({ poolSize: [2, 1], dataFormat: "channelsFirst" })
    ]),
    sites: ["in"]
  },
  {
    name: "MaxPooling1D",
    model: chain([8, 3], () => [dense(4, "in"), L.maxPooling1d({ poolSize: 2 })]),
    sites: ["in"]
  },
  {
    name: "AveragePooling2D, AveragePooling1D, GlobalAveragePooling1D",
    model: chain([6, 6, 2], () => [
      conv(3),
      L.averagePooling2d({ poolSize: 2 }),
      L.averagePooling2d({ poolSize: [2, 3], strides: [1, 2], padding: "same" }),
      L.reshape({ targetShape: [6, 3] }),
      L.averagePooling1d({ poolSize: 3, strides: 1, padding: "same" }),
      L.globalAveragePooling1d({})
    ]),
    sites: ["in"]
  },
  {
    name: "AveragePooling3D",
    model: chain([4, 4, 2, 2], () => [dense(3, "in"), L.averagePooling3d({ poolSize: 2 } as never)]),
    sites: ["in"]
  },
  {
    name: "GlobalAveragePooling2D and GlobalMaxPooling2D",
    model: () => {
      const inputs = tf.input({ shape: [5, 4, 2] })
      const x = apply(conv(3), inputs)
      const pooled = [L.globalAveragePooling2d({}), L.globalMaxPooling2d({})].map((layer) => apply(layer, x))
      return tf.model({ inputs, outputs: apply(dense(3), apply(L.concatenate(), ...pooled)), name: "pooled" })
    },
    sites: ["in", "out"]
  },
  {
    name: "ZeroPadding2D, Cropping2D, UpSampling2D, Permute, Flatten",
    model: chain([3, 4, 2], () => [
      conv(3),
      L.zeroPadding2d({
        padding: [
          [1, 0],
          [0, 2]
        ]
      }),
      L.cropping2D({
        cropping: [
          [0, 1],
          [1, 1]
        ]
      }),
      L.upSampling2d({ size: [2, 3] }),
      L.permute({ dims: [3, 1, 2] }),
      L.flatten(),
      dense(3)
    ]),
    sites: ["in", "out"]
  },
  {
    name: "UpSampling2D, bilinear",
    model: chain([3, 4, 2], () => [conv(3), L.upSampling2d({ size: [2, 3], interpolation: "bilinear" } as object)]),
    sites: ["in"]
  }
]

const sequences: ReadonlyArray<LayersCase> = [
  {
    name: "SimpleRNN",
    model: chain([4, 3], () => [L.simpleRNN({ units: 4, recurrentInitializer, name: "r" }), dense(2)]),
    sites: ["r.kernel", "r.recurrent", "out"]
  },
  {
    name: "LSTM, a sequence",
    model: chain([4, 3], () => [
      L.lstm({ units: 4, recurrentInitializer, returnSequences: true, name: "r" }),
      L.lstm({ units: 2, recurrentInitializer, recurrentActivation: "sigmoid", useBias: false, name: "s" })
    ]),
    sites: ["r.kernel", "r.recurrent", "s.kernel", "s.recurrent"]
  },
  {
    name: "GRU, backwards",
    model: chain([4, 3], () => [
      L.gru({ units: 4, recurrentInitializer, goBackwards: true, returnSequences: true, name: "r" })
    ]),
    sites: ["r.kernel", "r.recurrent"]
  },
  {
    name: "LSTM, states handed on",
    model: () => {
      const inputs = [tf.input({ shape: [4, 3] }), tf.input({ shape: [3, 2] })]
      const encoder = L.lstm({ units: 3, recurrentInitializer, returnState: true, name: "encoder" })
      const [, ...states] = encoder.apply(inputs[0]!) as Array<Symbolic>
      const decoder = L.lstm({ units: 3, recurrentInitializer, returnSequences: true, name: "decoder" })
      const y = decoder.apply(inputs[1]!, { initialState: states } as object) as Symbolic
      return tf.model({ inputs, outputs: apply(dense(2), y), name: "seq2seq" })
    },
    sites: ["encoder.kernel", "encoder.recurrent", "decoder.kernel", "decoder.recurrent", "out"]
  },
  {
    name: "RNN of a GRU's cell",
    model: chain([4, 3], () => [L.rnn({ cell: L.gruCell({ units: 3, recurrentInitializer }), name: "r" })]),
    sites: ["r.kernel", "r.recurrent"]
  },
  {
    name: "RNN of stacked cells, frozen",
    model: chain([4, 3], () => [
      dense(3, "in"),
      L.rnn({ cell: [1, 2].map((units) => L.lstmCell({ units, recurrentInitializer })), name: "r" })
    ]),
    sites: ["in"]
  },
  {
    name: "ConvLSTM2D, frozen",
    model: chain([2, 4, 4, 2], () => [
      dense(2, "in"),
      L.convLstm2d({ filters: 2, kernelSize: 2, recurrentInitializer, name: "r" } as never)
    ]),
    sites: ["in"]
  },
  {
    name: "Bidirectional LSTM, joined",
    model: chain([4, 3], () => [
      L.bidirectional({
        layer: L.lstm({ units: 2, recurrentInitializer, returnSequences: true }) as tf.RNN,
        name: "both"
      } as never)
    ]),
    sites: ["both.forward.kernel", "both.forward.recurrent", "both.backward.kernel", "both.backward.recurrent"]
  },
  {
    name: "Bidirectional GRU, multiplied, masked",
    model: chain([4, 3], () => [
      L.masking({ maskValue: 0 }),
      L.bidirectional({
        layer: L.gru({ units: 2, recurrentInitializer }) as tf.RNN,
        mergeMode: "mul",
        name: "both"
      })
    ]),
    sites: ["both.forward.kernel", "both.forward.recurrent", "both.backward.kernel", "both.backward.recurrent"],
    padded: 2
  },
  {
    name: "Masking and LSTM behind an adapted layer",
    model: chain([5, 3], () => [
      L.dense({ units: 3, useBias: false, name: "in" }),
      L.masking({ maskValue: 0 }),
      L.lstm({ units: 3, recurrentInitializer, returnSequences: true, name: "r" }),
      dense(2)
    ]),
    sites: ["in", "r.kernel", "r.recurrent", "out"],
    padded: 2
  },
  {
    name: "Embedding with a mask, and the mask that tfjs hands on too far",
    model: chain([4], () => [
      L.embedding({ inputDim: 6, outputDim: 3, maskZero: true, name: "table" }),
      L.lstm({ units: 3, recurrentInitializer, name: "r" }),
      L.repeatVector({ n: 4 }),
      L.gru({ units: 2, recurrentInitializer, name: "s" })
    ]),
    ids: 6,
    sites: ["table", "r.kernel", "r.recurrent", "s.kernel", "s.recurrent"],
    targets: ["table", "r.*", "s.*"],
    padded: 1
  },
  {
    name: "TimeDistributed Dense",
    model: chain([4, 3, 2], () => [L.timeDistributed({ layer: dense(3, "inside"), name: "each" })]),
    sites: ["each"]
  },
  {
    name: "TimeDistributed model",
    model: chain([3, 4, 4, 2], () => [
      L.timeDistributed({
        layer: tf.sequential({
          layers: [
            L.conv2d({ filters: 3, kernelSize: 2, inputShape: [4, 4, 2], name: "look" }),
            L.batchNormalization({ name: "norm" }),
            L.flatten()
          ],
          name: "inside"
        }) as unknown as tf.layers.Layer,
        name: "each"
      }),
      dense(2)
    ]),
    sites: ["each.look", "out"],
    trained: ["each.norm"]
  }
]

const inside = () => {
  const inputs = tf.input({ shape: [4] })
  return tf.model({ inputs, outputs: apply(dense(4, "b"), apply(dense(5, "a"), inputs)), name: "inside" })
}

const topologies: ReadonlyArray<LayersCase> = [
  {
    name: "a model in a model",
    model: chain([3], () => [dense(4, "in"), inside() as unknown as tf.layers.Layer, dense(2)]),
    sites: ["in", "inside.a", "inside.b", "out"]
  },
  {
    name: "a sequential model in a functional one, in a sequential one",
    model: () => {
      const small = tf.sequential({ layers: [L.dense({ units: 3, inputShape: [4], name: "a" })], name: "small" })
      const inputs = tf.input({ shape: [4] })
      const middle = tf.model({ inputs, outputs: apply(small as unknown as tf.layers.Layer, inputs), name: "middle" })
      return tf.sequential({ layers: [middle as unknown as tf.layers.Layer, dense(2)], name: "outer" })
    },
    sites: ["middle.small.a", "out"]
  },
  {
    name: "a layer used twice, and a model",
    model: () => {
      const inputs = [tf.input({ shape: [4] }), tf.input({ shape: [4] })]
      const [layer, model] = [dense(4, "twice"), inside() as unknown as tf.layers.Layer]
      const [x, y] = inputs.map((input) => apply(model, apply(layer, input)))
      return tf.model({ inputs, outputs: apply(L.add(), x!, apply(layer, y!)), name: "twins" })
    },
    sites: ["twice", "inside.a", "inside.b"]
  },
  {
    name: "a layer that two models share",
    model: () => {
      const shared = dense(4, "shared")
      const own = tf.input({ shape: [4] })
      const part = tf.model({ inputs: own, outputs: apply(dense(4, "a"), apply(shared, own)), name: "part" })
      const inputs = tf.input({ shape: [4] })
      const y = apply(L.multiply(), apply(part as unknown as tf.layers.Layer, inputs), apply(shared, inputs))
      return tf.model({ inputs, outputs: y, name: "whole" })
    },
    sites: ["part.shared", "part.a"]
  },
  {
    name: "several inputs and outputs, a residual",
    model: () => {
      const inputs = [tf.input({ shape: [3] }), tf.input({ shape: [4] })]
      const a = apply(dense(4, "a"), inputs[0]!)
      const sum = apply(L.add(), a, inputs[1]!)
      const merged = [L.average, L.maximum, L.minimum].map((make) => apply(make(), a, sum))
      const b = apply(dense(2, "b"), apply(L.concatenate(), ...merged, sum))
      const c = apply(L.dot({ axes: 1 }), a, sum)
      return tf.model({ inputs, outputs: [b, c, sum], name: "several" })
    },
    sites: ["a", "b"]
  }
]

export const layersCases: ReadonlyArray<LayersCase> = [
  ...linear,
  ...separate,
  ...norms,
  ...elementwise,
  ...pictures,
  ...sequences,
  ...topologies
]
