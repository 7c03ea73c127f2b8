"""What TensorBoard itself reads below a folder: { run: { "scalars": { tag: [[step, value], ...] }, "texts": { tag: text } } }."""

import json
import sys

from tensorboard.backend.event_processing import event_multiplexer

# nothing is thinned out
every = {"scalars": 0, "tensors": 0}
multiplexer = event_multiplexer.EventMultiplexer(size_guidance=every)
multiplexer.AddRunsFromDirectory(sys.argv[1])
multiplexer.Reload()
found = {}
for run in multiplexer.Runs():
    accumulator = multiplexer.GetAccumulator(run)
    tags = accumulator.Tags()
    found[run] = {
        "scalars": {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in tags["scalars"]},
        "texts": {
            tag: accumulator.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
            for tag in tags["tensors"]
            if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "text"
        },
    }
json.dump(found, sys.stdout)
